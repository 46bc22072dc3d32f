"""What is done to the containers of a pod as one: signals, pausing, restarting, logs, processes, figures, removal."""

from __future__ import annotations

import json
import os

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually

SERVE = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def word(box: Pod, name: str) -> str:
    return box.run("pod", "inspect", "--format", "{{.State}}", name).out


def states(box: Pod, pod: str) -> dict[str, str]:
    """Return the state of each container but the infra container, by name."""
    lines = box.run("ps", "-a", "--filter", f"pod={pod}", "--format", "{{.Names}} {{.State}} {{.IsInfra}}").out
    return {name: state for name, state, infra in map(str.split, lines.splitlines()) if infra == "false"}


def members(box: Pod, *names: str, image: str, pod: str = "one", script: str = SERVE) -> None:
    for name in names:
        box.run("run", "-d", "--pod", pod, "--name", name, image, "sh", "-c", script)


def refused(box: Pod, *words: str) -> str:
    done = box.run("pod", *words, check=False)
    assert done.code == 125, done
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[0]


def test_signals(box: Pod, busybox: str) -> None:
    identity = box.run("pod", "create", "--name", "one").out
    script = "trap 'echo heard' HUP; echo ready; while :; do sleep 0.05; done"
    members(box, "a", "b", image=busybox, script=script)
    eventually(lambda: box.run("pod", "logs", "one").out.count("ready") == 2)
    assert box.run("pod", "kill", "--signal", "HUP", "one").out == identity
    eventually(lambda: box.run("pod", "logs", "one").out.count("heard") == 2)
    assert word(box, "one") == "Running"
    assert box.run("pod", "kill", "--latest").out == identity
    eventually(lambda: word(box, "one") == "Exited")
    assert box.run("inspect", "--format", "{{.State.ExitCode}}", "a").out == "137"
    assert box.run("pod", "kill", "-s", "KILL", "--all").out == identity  # there is nothing to kill any more
    box.run("pod", "rm", "one")


def test_restart(box: Pod, busybox: str) -> None:
    identity = box.run("pod", "create", "--name", "one", "--volume", "data:/data").out
    box.run("create", "--pod", "one", "--init-ctr", "always", "--name", "i", busybox, "sh", "-c", "echo . >>/data/init")
    members(box, "a", "b", image=busybox)
    pids = "{{.State.Pid}}"
    before = [box.run("inspect", "--format", pids, name).out for name in ("a", "b", f"{identity[:12]}-infra")]
    box.run("stop", "-t", "5", "b")
    assert box.run("pod", "restart", "one").out == identity
    assert word(box, "one") == "Running"
    after = [box.run("inspect", "--format", pids, name).out for name in ("a", "b", f"{identity[:12]}-infra")]
    assert not set(before) & set(after)
    assert states(box, "one")["i"] == "created"  # `pod start` runs it, as with podman
    box.run("pod", "stop", "-t", "5", "one")
    box.run("pod", "start", "one")
    assert box.run("pod", "restart", "--latest").out == identity
    assert box.run("exec", "a", "cat", "/data/init").out == "."
    assert box.run("pod", "restart", "--all").out == identity
    first = box.run("exec", "a", "readlink", "/proc/self/ns/net").out
    assert first == box.run("exec", "b", "readlink", "/proc/self/ns/net").out
    box.run("pod", "rm", "-f", "-t", "0", "one")
    box.run("volume", "rm", "data")


def can_pause(box: Pod) -> bool:
    return not box.rootless or os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def test_pause(box: Pod, busybox: str) -> None:
    identity = box.run("pod", "create", "--name", "one").out
    members(box, "a", "b", image=busybox)
    if not can_pause(box):
        assert "pause is not supported for cgroupv1 rootless containers" in refused(box, "pause", "one")
        box.run("pod", "rm", "-f", "-t", "0", "one")
        return
    assert box.run("pod", "unpause", "one").out == ""
    assert box.run("pod", "pause", "one").out == identity
    assert word(box, "one") == "Paused"
    assert states(box, "one") == {"a": "paused", "b": "paused"}
    box.run("pod", "restart", "one")  # those that are paused stay so
    assert states(box, "one") == {"a": "paused", "b": "paused"}
    assert box.run("pod", "unpause", "--latest").out == identity
    assert word(box, "one") == "Running"
    assert box.run("pod", "pause", "--all").out == identity
    assert box.run("pod", "unpause", "--all").out == identity
    assert box.run("pod", "pause", "--latest").out == identity
    box.run("pod", "kill", "one")
    eventually(lambda: word(box, "one") == "Exited")
    box.run("pod", "rm", "one")


def test_logs(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one")
    assert box.run("pod", "logs", "one").out == ""
    members(box, "a", image=busybox, script="echo from a; echo wrong >&2")
    members(box, "b", image=busybox, script="sleep 0.1; echo from b")
    box.run("wait", "a", "b")
    short = {name: box.run("inspect", "--format", "{{.Id}}", name).out[:12] for name in ("a", "b")}
    done = box.run("pod", "logs", "one")
    assert done.stdout == f"{short['a']} from a\n{short['b']} from b\n"
    assert done.stderr == f"{short['a']} wrong\n"
    assert box.run("pod", "logs", "--names", "one").out.splitlines() == ["a from a", "b from b"]
    assert box.run("pod", "logs", "-n", "-f", "--latest").out.splitlines() == ["a from a", "b from b"]
    assert box.run("pod", "logs", "--container", "b", "-n", "one").out == "from b"
    assert box.run("pod", "logs", "-c", short["a"], "one").out == "from a"
    assert box.run("pod", "logs", "--tail", "1", "-c", "a", "one").stderr == "wrong\n"
    assert len(box.run("pod", "logs", "--until", "1h", "-n", "one").out.splitlines()) == 2  # in an hour
    assert len(box.run("pod", "logs", "--since", "1h", "one").out.splitlines()) == 2
    dated = box.run("pod", "logs", "--timestamps", "-c", "b", "one").out.split()
    assert dated[1:] == ["from", "b"]
    assert dated[0][:2] == "20"
    assert "\x1b[31mb from b\x1b[0m" in box.run("pod", "logs", "--color", "--names", "one").out
    assert refused(box, "logs", "-c", "nope", "one") == "Error: container nope is not in pod one: no such container"
    box.run("create", "--name", "c", busybox)
    assert refused(box, "logs", "-c", "c", "one") == "Error: container c is not in pod one: no such container"
    box.run("pod", "rm", "-f", "one")


def test_logs_are_followed_until_all_have_ended(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one")
    script = "echo {0}; until [ -e /dev/shm/go ]; do sleep 0.05; done; echo end of {0}"
    members(box, "a", image=busybox, script=script.format("a"))
    members(box, "b", image=busybox, script=script.format("b"))
    with box.start("pod", "logs", "--follow", "--names", "one") as following:
        assert following.stdout
        assert {following.stdout.readline(), following.stdout.readline()} == {b"a a\n", b"b b\n"}
        box.run("exec", "a", "touch", "/dev/shm/go")  # which they share
        assert sorted(following.stdout.read().splitlines()) == [b"a end of a", b"b end of b"]
        assert following.wait(60) == 0
    box.run("pod", "rm", "-f", "-t", "0", "one")


def test_processes(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one")
    assert box.run("pod", "top", "one").out == ""
    members(box, "a", image=busybox, script="exec sleep 1000")
    members(box, "b", image=busybox, script="exec sleep 1001")
    # Their shells become them a moment after their start.
    eventually(lambda: "exec" not in box.run("pod", "top", "one").out)
    titles, *rows = box.run("pod", "top", "one").out.splitlines()
    assert titles.split() == ["USER", "PID", "PPID", "%CPU", "ELAPSED", "TTY", "TIME", "COMMAND"]
    assert [row.split()[7:] for row in rows] == [["/catatonit", "-P"], ["sleep", "1000"], ["sleep", "1001"]]
    assert box.run("pod", "top", "--latest", "pid,comm").out.split()[:4] == ["PID", "COMMAND", "1", "catatonit"]
    assert refused(box, "top", "one", "-eo", "pid") == "Error: '-eo': unknown descriptor"
    box.run("pod", "rm", "-f", "-t", "0", "one")
    box.run("pod", "create", "--name", "two", "--share", "pid")
    members(box, "a", "b", image=busybox, pod="two", script="exec sleep 1000")
    shared = [row.split()[0] for row in box.run("pod", "top", "two", "pid").out.splitlines()[1:]]
    assert len(shared) == len(set(shared)) == 3  # nobody is told of twice, though each sees all
    box.run("pod", "rm", "-f", "-t", "0", "two")


def test_figures(box: Pod, busybox: str) -> None:
    nothing = box.run("pod", "stats", "--no-stream").out.splitlines()
    assert nothing[0].split() == "POD CID NAME CPU % MEM USAGE/ LIMIT MEM % NET IO BLOCK IO PIDS".split()
    assert nothing[1].split() == ["--"] * 9
    identity = box.run("pod", "create", "--name", "one").out
    members(box, "a", image=busybox)
    box.run("create", "--pod", "one", "--name", "b", busybox)
    told = json.loads(box.run("pod", "stats", "--no-stream", "--format", "json", "one").out)
    assert [one["Name"] for one in told] == [f"{identity[:12]}-infra", "a", "b"]
    assert {*told[1]} == {*"CPU MemUsage MemUsageBytes Mem NetIO BlockIO PIDS Pod CID Name".split()}
    assert told[1]["Pod"] == identity[:12]
    assert (told[2]["CPU"], told[2]["MemUsage"], told[2]["PIDS"]) == ("--", "-- / --", "--")
    assert int(told[1]["PIDS"]) >= 1
    line = box.run("pod", "stats", "--no-stream", "--latest", "--format", "{{.Name}} {{.PIDS}}").out.splitlines()[2]
    assert line == "b --"
    assert box.run("pod", "stats", "--no-stream").out.split()[17] == "--"  # degraded: it is none of the running
    assert len(box.run("pod", "stats", "--no-stream", "--all").out.splitlines()) == 4
    assert "can't evaluate field Foo" in refused(box, "stats", "--no-stream", "--format", "{{.Foo}}", "one")
    box.run("pod", "rm", "-f", "-t", "0", "one")


@pytest.mark.parametrize(("reset", "cleared"), [([], True), (["--no-reset"], False)])
def test_figures_live(box: Pod, busybox: str, reset: list[str], cleared: bool) -> None:
    box.run("pod", "create", "--name", "one")
    members(box, "burns", image=busybox)
    shown = box.spawn("pod", "stats", *reset, "one")
    text = ""
    for _ in range(2):
        shown.expect("burns")
        text += str(shown.before)
    shown.sendintr()
    shown.expect(["\\^C", ".*"])
    shown.close(force=True)
    assert text.count("PIDS") == 2
    assert ("\033[2J" in text) is cleared
    box.run("pod", "rm", "-f", "-t", "0", "one")


def test_prune(box: Pod, busybox: str) -> None:
    ended = box.run("pod", "create", "--name", "ended").out
    members(box, "a", image=busybox, pod="ended", script="true")
    box.run("wait", "a")
    box.run("pod", "create", "--name", "new")
    box.run("pod", "create", "--name", "living")
    members(box, "b", image=busybox, pod="living")
    assert box.run("pod", "prune", "--force").out == ""  # the infra container of `ended` runs
    box.run("pod", "stop", "ended")
    asked = box.run("pod", "prune", input="n\n").out
    assert asked.startswith("WARNING! This will remove all stopped/exited pods..")
    assert box.run("pod", "exists", "ended").code == 0
    assert box.run("pod", "prune", "-f").out == ended
    assert box.run("pod", "ps", "--format", "{{.Name}}", "--sort", "name").out.split() == ["living", "new"]
    box.run("pod", "kill", "living")
    eventually(lambda: word(box, "living") == "Exited")
    told = box.run("system", "prune", "--force").out
    assert "Deleted Pods" in told
    assert box.run("pod", "ps", "--format", "{{.Name}}").out == "new"
    box.run("pod", "rm", "new")


NAMED = ("restart", "kill", "pause", "unpause")


def test_mistakes(box: Pod) -> None:
    for verb in NAMED:
        assert refused(box, verb) == "Error: you must provide at least one name or id"
        assert refused(box, verb, "nope") == "Error: no pod with name or ID nope found: no such pod"
        assert refused(box, verb, "--all", "nope") == "Error: no arguments are needed with --all"
        assert refused(box, verb, "--all", "--latest") == "Error: --all and --latest cannot be used together"
        assert refused(box, verb, "--latest").endswith("no such pod")
        assert box.run("pod", verb, "--all", check=False).stdout == ""
    for words, message in (
        ("kill --signal FOO nope", "invalid signal: FOO"),
        ("top", "you must provide the name or id of a running pod"),
        ("top nope", "unable to look up requested container: no pod with name or ID nope found: no such pod"),
        ("logs", "specify at least one pod name or ID to log"),
        ("logs nope", "no pod with name or ID nope found: no such pod"),
        ("logs a b", "requires exactly 1 arg"),
        ("logs --latest a", "--latest and pods cannot be used together"),
        ("stats nope", "unable to get list of pods: no pod with name or ID nope found: no such pod"),
        ("stats --all --latest", "--all, --latest and arguments cannot be used together"),
        ("stats -a nope", "--all, --latest and arguments cannot be used together"),
    ):
        assert refused(box, *words.split()) == f"Error: {message}"


def test_what_is_chosen_is_looked_up_before_anything_is_done(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one")
    members(box, "a", image=busybox)
    assert "no such pod" in refused(box, "kill", "one", "nope")
    assert word(box, "one") == "Running"
    box.run("pod", "rm", "-f", "-t", "0", "one")
