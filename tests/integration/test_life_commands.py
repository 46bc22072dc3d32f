"""start, stop, restart, rename, init, wait, port, attach, exec, rm, kill: every flag, and what they refuse."""

from __future__ import annotations

import glob
import json
import os
import signal
import time

from tests.fixtures.command import Pod
from tests.fixtures.monitor import alive, eventually, rests
from tests.integration.test_lifecycle import DEAF, LOOP, detach, wait_for_log

SLEEP = ("sleep", "600")


def status(box: Pod, name: str) -> str:
    return box.run("inspect", "--format", "{{.State.Status}}", name).out


def started(box: Pod, name: str) -> str:
    return box.run("inspect", "--format", "{{.State.StartedAt}}", name).out


def refused(box: Pod, line: str, code: int = 125) -> str:
    result = box.run(*line.split(), check=False)
    assert result.code == code, result
    assert result.stderr.startswith("Error: "), result
    return result.stderr.splitlines()[0].removeprefix("Error: ")


def two(box: Pod, busybox: str) -> None:
    """Make the containers `a`, which runs, and `b`, which was created after it."""
    box.run("run", "-d", "--name", "a", "--label", "which=a", busybox, *SLEEP)
    box.run("create", "--name", "b", "--label", "which=b", busybox, *SLEEP)


def test_start_flags(box: Pod, busybox: str) -> None:
    two(box, busybox)
    assert box.run("start", "--latest").out == box.run("inspect", "--format", "{{.Id}}", "b").out
    box.run("stop", "--all", "--time", "0")
    box.run("start", "--filter", "label=which=a")
    assert (status(box, "a"), status(box, "b")) == ("running", "exited")
    box.run("start", "--all")
    assert status(box, "b") == "running"
    assert box.run("start", "a").out == "a"


def test_start_attached(box: Pod, busybox: str) -> None:
    box.run("create", "-i", "--name", "c", busybox, "sh", "-c", "read x; echo got $x; exit 4")
    result = box.run(
        "start",
        "--attach",
        "--interactive",
        "--sig-proxy=false",
        "--detach-keys",
        "ctrl-x",
        "c",
        input="in\n",
        check=False,
    )
    assert (result.code, result.out) == (4, "got in")


def test_start_refusals(box: Pod, busybox: str) -> None:
    two(box, busybox)
    assert refused(box, "start") == "start requires at least one argument"
    assert refused(box, "start --all b") == (
        "either start all containers or the container(s) provided in the arguments"
    )
    assert refused(box, "start --all --latest") == "--all and --latest cannot be used together"
    assert refused(box, "start --latest b") == "--latest and containers cannot be used together"
    assert refused(box, "start -a a b") == "you cannot start and attach multiple containers at once"
    assert refused(box, "start -a --all") == "you cannot start and attach all containers at once"
    assert refused(box, "start --sig-proxy b") == "you cannot use sig-proxy without --attach: invalid argument"
    assert refused(box, "start b nothing") == 'no container with name or ID "nothing" found: no such container'
    assert status(box, "b") == "created"


def test_stop_flags(box: Pod, busybox: str) -> None:
    file = os.path.join(box.home, "cid")
    box.run("run", "-d", "--name", "a", "--cidfile", file, busybox, *SLEEP)
    box.run("stop", "--cidfile", file, "-t", "0")
    assert status(box, "a") == "exited"
    box.run("start", "a")
    box.run("stop", "--filter", "name=a", "--timeout", "0")
    assert status(box, "a") == "exited"
    box.run("start", "a")
    box.run("stop", "-l", "--time", "0")
    assert status(box, "a") == "exited"
    assert box.run("stop", "--ignore", "nothing").out == ""
    assert refused(box, "stop --latest a") == "--latest and containers cannot be used together"
    assert refused(box, "stop --filter name=a a") == "--filter takes no arguments"
    assert refused(box, f"stop --all --cidfile {file}") == "--all, --latest, and --cidfile cannot be used together"
    assert refused(box, "stop --cidfile /nothing") == "reading CIDFile: open /nothing: no such file or directory"
    assert refused(box, "stop") == "you must provide at least one name or id"


def test_stop_warns_of_the_deaf_only(box: Pod, busybox: str) -> None:
    detach(box, busybox, DEAF, "--name", "deaf")
    result = box.run("stop", "--time", "1", "deaf")
    assert result.out == "deaf"
    assert result.stderr == (
        "Warning: the first process of container deaf does not heed SIGTERM: it is killed after 1 seconds\n"
        "hint: run it with --init, or have the program handle SIGTERM\n"
    )
    box.run("run", "-d", "--name", "default", busybox, *SLEEP)
    assert "does not heed SIGTERM" in box.run("stop", "--time", "1", "default").stderr
    detach(box, busybox, LOOP, "--name", "hears")
    assert box.run("stop", "hears").stderr == ""


def test_restart_flags(box: Pod, busybox: str) -> None:
    two(box, busybox)
    before = started(box, "a")
    assert box.run("restart", "--time", "0", "a").out == "a"
    assert started(box, "a") > before
    box.run("restart", "--running", "--all", "-t", "0")
    assert status(box, "b") == "created"
    box.run("restart", "--latest", "--timeout", "0")
    assert status(box, "b") == "running"
    box.run("stop", "--time", "0", "a")
    box.run("restart", "--filter", "name=a")
    assert status(box, "a") == "running"
    file = os.path.join(box.home, "cid")
    box.run("create", "--name", "c", "--cidfile", file, busybox, *SLEEP)
    box.run("restart", "--cidfile", file)
    assert status(box, "c") == "running"
    assert refused(box, "restart") == "you must provide at least one name or id"
    assert refused(box, "restart nothing") == 'no container with name or ID "nothing" found: no such container'
    assert refused(box, "restart --all a") == "no arguments are needed with --all"


def test_restart_keeps_what_is_to_be_removed_at_its_end(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--rm", "--name", "c", busybox, *SLEEP)
    box.run("restart", "--time", "0", "c")
    time.sleep(0.5)
    assert status(box, "c") == "running"
    box.run("stop", "--time", "0", "c")
    eventually(lambda: box.run("ps", "-aq").out == "")


def test_rename(box: Pod, busybox: str) -> None:
    two(box, busybox)
    box.run("rename", "a", "once")
    box.run("rename", "once", "new")
    assert status(box, "new") == "running"
    assert box.run("inspect", "--format", "{{.Name}}", "new").out == "new"
    box.run("rename", "new", "new")
    assert refused(box, "rename new b").endswith("already exists")
    assert "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument" in refused(box, "rename new a/b")
    # Not "a": with that an ID may begin.
    assert refused(box, "rename once x") == 'no container with name or ID "once" found: no such container'
    assert refused(box, "rename new") == "accepts 2 arg(s), received 1"
    assert sorted(box.run("ps", "-a", "--format", "{{.Names}}").out.split()) == ["b", "new"]


def test_init(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox, "sh", "-c", "echo once; exit 6")
    assert box.run("init", "c").out == "c"
    assert status(box, "c") == "initialized"
    assert "has already been created in runtime: container state improper" in refused(box, "init c")
    assert "is in state initialized: container state improper" in refused(box, "kill c")
    assert refused(box, "exec c true", 255).startswith("can only create exec sessions on running containers")
    result = box.run("start", "--attach", "c", check=False)
    assert (result.code, result.out) == (6, "once")
    assert box.run("init", "--latest").out
    assert status(box, "c") == "initialized"
    assert box.run("init", "--all").out  # as podman: what is initialized already is no error then
    box.run("start", "c")
    assert box.run("wait", "c").out == "6"
    box.run("init", "c")
    box.run("stop", "c")
    assert status(box, "c") == "created"
    box.run("init", "c")
    box.run("rm", "c")
    assert refused(box, "init --all c") == "no arguments are needed with --all"


def test_the_monitor_of_an_initialized_container_ends_it_at_sigterm(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox, "true")
    box.run("init", "c")
    monitor, program = box.run("inspect", "--format", "{{.State.ConmonPid}} {{.State.Pid}}", "c").out.split()
    os.kill(int(monitor), signal.SIGHUP)  # a terminal's end is nothing to it
    os.kill(int(monitor), signal.SIGTERM)
    eventually(lambda: not os.path.exists(f"/proc/{program}") and not alive(int(monitor)))
    assert status(box, "c") == "created"
    assert box.run("start", "--attach", "c").code == 0


def test_init_of_what_cannot_be_executed(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox, "no-such-program")
    failed = box.run("init", "c", check=False)
    assert failed.code == 0 or "no-such-program" in failed.stderr
    assert box.run("start", "c", check=False).code in (125, 127)
    assert status(box, "c") in ("created", "exited")


def test_wait_conditions(box: Pod, busybox: str) -> None:
    two(box, busybox)
    assert box.run("wait", "--condition", "running", "a").out == "-1"
    assert box.run("wait", "--condition=exited,created", "--interval", "50", "b").out == "-1"
    assert box.run("wait", "--condition=configured", "--latest").out == "-1"
    box.run("init", "b")
    assert box.run("wait", "--condition", "initialized", "-i", "10ms", "b").out == "-1"
    waiting = box.start("wait", "--condition", "stopped", "a", "b")
    removed = box.start("wait", "--condition", "removing", "b")
    first = box.start("wait", "--exit-first-match", "a", "b")
    eventually(lambda: all(rests(process.pid) for process in (waiting, removed, first)))
    box.run("start", "b")
    box.run("stop", "--time", "0", "--all")
    assert waiting.communicate(timeout=60)[0] == b"137\n137\n"
    assert first.communicate(timeout=60)[0] == b"137\n"
    box.run("rm", "b")
    assert removed.communicate(timeout=60)[0] == b"137\n"
    assert box.run("wait", "--ignore", "nothing", "a").out.split() == ["-1", "137"]
    assert refused(box, "wait --condition nope a") == "unknown container state: nope: invalid argument"
    assert refused(box, "wait --interval x a") == 'time: invalid duration "x"'
    assert refused(box, "wait --condition healthy a").endswith("has no healthcheck")
    assert refused(box, "wait nothing") == 'no container with name or ID "nothing" found: no such container'


def test_port_without_networks(box: Pod, busybox: str) -> None:
    two(box, busybox)
    for line in ("port a", "port --all", "port --latest", "port a 80", "port a 80/udp", "port b"):
        assert box.run(*line.split()).stdout == ""
    assert refused(box, "port") == "you must supply a running container name or id"
    assert refused(box, "port a x/tcp") == 'strconv.ParseUint: parsing "x": invalid syntax'
    assert refused(box, "port --all a") == "no arguments are needed with --all"
    assert refused(box, "port nothing") == 'no container with name or ID "nothing" found: no such container'


def test_attach_flags(box: Pod, busybox: str) -> None:
    detach(box, busybox, "echo ready; read line; echo got $line; exit 8", "-i", "--name", "c")
    watcher = box.start("attach", "--no-stdin", "--sig-proxy=false", "c")
    eventually(lambda: rests(watcher.pid))
    result = box.run("attach", "--latest", "--detach-keys", "ctrl-x", input="something\n", check=False)
    assert (result.code, result.out) == (8, "got something")
    assert watcher.communicate(timeout=60)[0] == b"got something\n"
    assert watcher.returncode == 8
    assert refused(box, "attach c") == "you can only attach to running containers"
    assert refused(box, "attach a b") == "`pod attach` accepts at most one argument"
    assert refused(box, "attach") == '"pod attach" requires a name, id, or the "--latest" flag'


def test_clients_share_input_and_output(box: Pod, busybox: str) -> None:
    box.run("run", "-dit", "--name", "c", busybox, "sh")
    one, other = box.spawn("attach", "c"), box.spawn("attach", "c")
    for number, terminal in enumerate((one, other)):  # who comes late is told nothing of what was before
        terminal.sendline(f"echo attached-$(({number}))")
        terminal.expect(f"attached-{number}")
    one.sendline("echo from-$((1))")
    for terminal in (one, other):
        terminal.expect("from-1")
    other.sendline("echo from-$((2))")
    for terminal in (one, other):
        terminal.expect("from-2")
    one.send("\x10\x11")
    one.wait()
    other.sendline("exit 3")
    other.expect("exit 3")
    other.wait()
    assert (one.exitstatus, other.exitstatus) == (0, 3)
    one.close()
    other.close()


def test_half_closed_input(box: Pod, busybox: str) -> None:
    script = "cat; sleep 0.5; echo after"
    assert box.run("run", "--rm", "-i", busybox, "sh", "-c", script, input="text\n").stdout == "text\nafter\n"
    box.run("run", "-d", "--name", "c", busybox, *SLEEP)
    assert box.run("exec", "-i", "c", "sh", "-c", script, input="text\n").stdout == "text\nafter\n"


def test_exec_flags(box: Pod, busybox: str) -> None:
    file = os.path.join(box.home, "cid")
    box.run("run", "-d", "--name", "c", "--cidfile", file, busybox, *SLEEP)
    assert box.run("exec", "--latest", "echo", "newest").out == "newest"
    assert box.run("exec", "--cidfile", file, "echo", "file").out == "file"
    assert box.run("exec", "--no-session", "c", "sh", "-c", "echo none; exit 3", check=False).code == 3
    variables = os.path.join(box.home, "variables")
    with open(variables, "w") as written:
        written.write("A=1\n")
    line = ("exec", "--env-file", variables, "--env", "B=2", "--user", "7", "--workdir", "/tmp", "c")
    assert box.run(*line, "sh", "-c", "echo $A$B $(id -u) $PWD").out == "12 7 /tmp"
    assert "\r\n" in box.run("exec", "--tty", "c", "echo", "on a terminal").stdout
    caps = "grep CapEff /proc/self/status"
    assert box.run("exec", "--privileged", "c", "sh", "-c", caps).out > box.run("exec", "c", "sh", "-c", caps).out
    assert box.run("exec", "--interactive", "c", "cat", input="in").out == "in"
    assert refused(box, "exec") == "exec requires the name or ID of a container or the --latest or --cidfile flag"
    assert refused(box, "exec c", 255).startswith("must provide a non-empty command to start an exec session")
    assert refused(box, "exec --no-session -d c true") == "--no-session cannot be used with --detach or --detach-keys"
    assert refused(box, f"exec --latest --cidfile {file} true") == "--latest and --cidfile can not be used together"
    box.run("stop", "--time", "0", "c")
    assert refused(box, "exec c true", 255).startswith("can only create exec sessions on running containers")


def test_exec_detaches_by_keys(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, *SLEEP)
    terminal = box.spawn("exec", "-it", "--detach-keys", "ctrl-x,x", "c", "sh")
    terminal.expect("# ")
    terminal.send("\x18x")
    terminal.wait()
    assert terminal.exitstatus == 0
    terminal.close()
    assert len(json.loads(box.run("inspect", "--format", "json", "c").out)[0]["ExecIDs"]) == 1


def test_exec_sessions_are_known(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, *SLEEP)
    until_told = "until test -e /go; do sleep 0.05; done"
    session = box.run("exec", "--detach", "c", "sh", "-c", until_told).out
    hidden = box.start("exec", "--no-session", "c", "sh", "-c", f"echo here; {until_told}")
    assert hidden.stdout is not None
    assert hidden.stdout.readline() == b"here\n"
    assert box.run("inspect", "--format", "{{.ExecIDs}}", "c").out == f"[{session}]"
    box.run("exec", "c", "touch", "/go")
    hidden.communicate(timeout=60)
    directory = os.path.join(box.runroot, "exec", session)
    eventually(lambda: os.path.exists(os.path.join(directory, "exit")))
    assert box.run("inspect", "--format", "{{.ExecIDs}}", "c").out == "[]"
    box.run("exec", "c", "true")  # which sweeps: what ran in the background stays for a while
    assert os.path.exists(os.path.join(directory, "exit"))
    past = time.time() - 1000
    os.utime(os.path.join(directory, "exit"), (past, past))
    os.utime(directory, (past, past))
    box.run("exec", "c", "true")
    assert not os.path.exists(directory)
    box.run("exec", "-d", "c", "true")
    box.run("rm", "-f", "-t", "0", "c")
    assert os.listdir(os.path.join(box.runroot, "exec")) == []


def test_rm_flags(box: Pod, busybox: str) -> None:
    file = os.path.join(box.home, "cid")
    box.run("create", "--name", "a", "--cidfile", file, busybox)
    assert box.run("rm", "--cidfile", file).code == 0
    assert box.run("rm", "--ignore", "a", "nothing").out == ""
    box.run("create", "--name", "b", "-v", "/data", busybox)
    box.run("rm", "--volumes", "--latest")
    assert box.run("volume", "ls", "-q").out == ""
    box.run("create", "--name", "c", busybox)
    box.run("create", "--name", "d", busybox)
    box.run("rm", "--filter", "name=c")
    assert box.run("ps", "-a", "--format", "{{.Names}}").out == "d"
    assert refused(box, "rm d nothing", 1) == 'no container with name or ID "nothing" found: no such container'
    assert refused(box, "rm --time 1 d") == "--force option must be specified to use the --time option"
    assert refused(box, "rm --all d") == "no arguments are needed with --all"
    assert refused(box, "rm") == "you must provide at least one name or id"
    assert box.run("ps", "-a", "--format", "{{.Names}}").out == "d"
    box.run("rm", "--all")


def test_requirements(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "needed", busybox, *SLEEP)
    box.run("run", "-d", "--name", "needs", "--requires", "needed", busybox, *SLEEP)
    assert status(box, "needed") == "running"
    assert "has dependent containers which must be removed before it" in refused(box, "rm -f -t 0 needed")
    assert status(box, "needed") == "running"
    box.run("rm", "--depend", "--force", "--time", "0", "needed")
    assert box.run("ps", "-aq").out == ""
    assert refused(box, f"create --requires nothing {busybox}").endswith("no such container")


def test_kill_flags(box: Pod, busybox: str) -> None:
    file = os.path.join(box.home, "cid")
    detach(box, busybox, LOOP, "--name", "c", "--cidfile", file)
    box.run("kill", "--signal", "TERM", "--cidfile", file)
    assert box.run("wait", "c").out == "5"
    for line in ("kill --latest", "kill --all", "kill --filter name=c", "kill -s 9 c"):
        box.run("start", "c")
        box.run(*line.split())
        assert box.run("wait", "c").out == "137"
    assert box.run("kill", "--all").out == ""
    assert refused(box, "kill --signal NOPE c") == "invalid signal: NOPE"
    assert refused(box, "kill c").endswith("is in state exited: container state improper")
    assert refused(box, "kill --latest --all") == "--all and --latest cannot be used together"


def test_exists(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox)
    assert box.run("container", "exists", "c").code == 0
    assert box.run("container", "exists", "--external", "nothing", check=False).code == 1
    assert refused(box, "container exists") == "accepts 1 arg(s), received 0"


def test_ambiguous_ids(box: Pod, busybox: str) -> None:
    found: dict[str, int] = {}
    while not any(count > 1 for count in found.values()):
        letter = box.run("create", busybox).out[0]
        found[letter] = found.get(letter, 0) + 1
    letter = next(letter for letter, count in found.items() if count > 1)
    for command in ("start", "stop", "restart", "kill", "rm", "rm -f", "init", "wait", "port", "attach"):
        assert "ambiguous" in refused(box, f"{command} {letter}"), command
    assert "ambiguous" in refused(box, f"rename {letter} name")
    assert "ambiguous" in refused(box, f"exec {letter} true")
    assert len(box.run("ps", "-aq").out.split()) == sum(found.values())


def test_attach_of_run_chooses_streams(box: Pod, busybox: str) -> None:
    script = "echo out; echo err >&2"
    result = box.run("run", "--rm", "--attach", "stdout", busybox, "sh", "-c", script)
    assert (result.stdout, result.stderr) == ("out\n", "")
    result = box.run("run", "--rm", "-a", "stderr", busybox, "sh", "-c", script)
    assert (result.stdout, result.stderr) == ("", "err\n")
    assert box.run("run", "--rm", "-a", "stdin,stdout", busybox, "cat", input="in").out == "in"
    assert refused(box, f"run --attach nowhere {busybox} true").startswith('invalid stream "nowhere" for --attach')


def test_rmi_of_run(box: Pod, busybox: str) -> None:
    box.run("tag", busybox, "localhost/other:1")
    assert box.run("run", "--rmi", "localhost/other:1", "echo", "ran").out == "ran"
    assert box.run("image", "exists", "localhost/other:1", check=False).code == 1
    assert box.run("image", "exists", busybox).code == 0
    assert box.run("ps", "-aq").out == ""
    box.run("create", "--name", "user", busybox)
    box.run("run", "--rmi", busybox, "true")
    assert box.run("image", "exists", busybox).code == 0


def test_sig_proxy_of_run(box: Pod, busybox: str) -> None:
    command = box.start("run", "--name", "c", "--sig-proxy=false", busybox, "sh", "-c", LOOP)
    wait_for_log_of(box)
    command.terminate()
    command.communicate(timeout=60)
    assert status(box, "c") == "running"


def wait_for_log_of(box: Pod) -> None:
    eventually(lambda: box.run("container", "exists", "c", check=False).code == 0)
    wait_for_log(box, "c", "ready")


def test_forced_removal_of_what_is_damaged(box: Pod, busybox: str) -> None:
    for name, damage in (
        ("state", "runtime/{}/state.json"),
        ("pid", "containers/{}/pid"),
        ("monitor", "containers/{}/monitor"),
    ):
        identity = box.run("run", "-d", "--name", name, busybox, *SLEEP).out
        with open(os.path.join(box.runroot, damage.format(identity)), "w") as file:
            file.write("{ damaged")
        assert box.run("rm", "--force", "--time", "0", name).out == name
    identity = box.run("run", "-d", "--name", "rest", busybox, *SLEEP).out
    box.run("stop", "-t", "0", "rest")
    for kind in ("started", "exit"):
        with open(os.path.join(box.root, "containers", identity, kind), "w") as file:
            file.write("{ damaged")
    assert box.run("rm", "--force", "rest").out == "rest"
    assert box.run("ps", "-aq").out == ""


def test_stop_of_a_container_whose_process_record_is_damaged(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sleep", "1000")
    pid = int(box.run("inspect", "-f", "{{.State.Pid}}", "c").out)
    (record,) = glob.glob(f"{box.runroot}/containers/*/pid")
    with open(record, "w") as file:
        file.write("{ damaged")
    box.run("stop", "c")
    assert not os.path.exists(f"/proc/{pid}")
    assert box.run("inspect", "-f", "{{.State.Status}}", "c").out == "exited"


def test_size_counts_a_file_of_several_names_once(box: Pod, busybox: str) -> None:
    script = "dd if=/dev/zero of=/a bs=1000 count=50; ln /a /b; ln /a /c"
    box.run("run", "--name", "c", busybox, "sh", "-c", script)
    assert box.run("inspect", "-s", "-f", "{{.SizeRw}}", "c").out == "50000"
