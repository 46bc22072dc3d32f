"""podman (as root and rootless) and docker with `pod-runtime` in place of runc: what people do with containers."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.engines import RUNTIME, Engine

pytestmark = pytest.mark.root

BOX = ("run", "--rm", "--network=none")


def await_(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def await_trap(engine: Engine, name: str) -> None:
    """Wait until a container would hear of signal TERM, which the kernel keeps from an init that does not catch it."""
    status = Path(f"/proc/{engine.pid(name)}/status")

    def catches() -> bool:
        fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        return bool(int(fields["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1)

    await_(catches)


def limits_of(engine: Engine, name: str) -> dict[str, str]:
    """Read the limits of a container's control groups on the host, v1 or v2."""
    with open(f"/proc/{engine.pid(name)}/cgroup") as file:
        groups = {line.split(":")[1]: line.strip().split(":", 2)[2] for line in file}
    found = {}
    for controller, v1, v2 in (
        ("memory", "memory.limit_in_bytes", "memory.max"),
        ("pids", "pids.max", "pids.max"),
        ("cpu", "cpu.cfs_quota_us", "cpu.max"),
    ):
        path = f"{controller}{groups[controller]}/{v1}" if controller in groups else f"{groups['']}/{v2}"
        with open(f"/sys/fs/cgroup/{path.lstrip('/')}") as file:
            found[controller] = file.read().split()[0]
    return found


@pytest.fixture
def limited(engine: Engine) -> Engine:
    if engine.rootless and not os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        pytest.skip("an ordinary user has no control groups here: cgroup v1")
    return engine


def test_our_runtime_runs_the_container(engine: Engine) -> None:
    engine.sleeper("box")
    field = "{{.OCIRuntime}}" if engine.name == "podman" else "{{.HostConfig.Runtime}}"
    assert engine.run("inspect", "--format", field, "box").out == RUNTIME


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
        (["no-such-program"], 127),
        (["/no/such/program"], 127),
        (["/etc/not-executable"], 126),
        (["/etc"], 126),
    ],
)
def test_exit_codes(engine: Engine, command: list[str], code: int) -> None:
    assert engine.run(*BOX, engine.image, *command, check=False).code == code


def test_the_engines_own_errors_are_125(engine: Engine) -> None:
    assert engine.run(*BOX, "--no-such-option", engine.image, check=False).code == 125


def test_streams(engine: Engine) -> None:
    done = engine.run(*BOX, "-i", engine.image, "sh", "-c", "cat; echo error >&2", input="data")
    assert (done.stdout, done.stderr) == ("data", "error\n")


def test_a_terminal(engine: Engine) -> None:
    typed = engine.spawn(*BOX, "-it", engine.image, "sh", rows=30, columns=90)
    typed.expect("#")
    typed.sendline("tty; stty size; echo do''ne")
    typed.expect("/dev/pts/0.*30 90.*done")
    typed.sendline("exit 4")
    typed.expect_exact("exit 4")
    typed.wait()
    typed.close()
    assert typed.exitstatus == 4


def test_exec(engine: Engine) -> None:
    engine.sleeper("box", "--env", "A=container")
    assert engine.run("exec", "box", "sh", "-c", "echo $A").out == "container"
    assert engine.run("exec", "-e", "A=exec", "box", "sh", "-c", "echo $A").out == "exec"
    assert engine.run("exec", "-u", "guest", "box", "id", "-u").out == "1000"
    assert engine.run("exec", "-u", "7:8", "box", "sh", "-c", "id -u; id -g").out == "7\n8"
    assert engine.run("exec", "-w", "/tmp", "box", "pwd").out == "/tmp"
    assert engine.run("exec", "-i", "box", "cat", input="data").stdout == "data"
    assert engine.run("exec", "box", "sh", "-c", "exit 7", check=False).code == 7
    assert engine.run("exec", "box", "no-such-program", check=False).code in (126, 127)
    assert engine.run("exec", "box", "/etc/not-executable", check=False).code == 126
    engine.run("exec", "-d", "box", "touch", "/tmp/detached")
    await_(lambda: engine.run("exec", "box", "test", "-e", "/tmp/detached", check=False).code == 0)


def test_exec_with_a_terminal(engine: Engine) -> None:
    engine.sleeper("box")
    typed = engine.spawn("exec", "-it", "box", "sh")
    typed.expect("#")
    typed.sendline("tty; exit 5")
    typed.expect("/dev/pts/")
    typed.wait()
    typed.close()
    assert typed.exitstatus == 5


def test_stop_and_kill(engine: Engine) -> None:
    engine.sleeper("box")
    await_trap(engine, "box")
    engine.run("stop", "--time", "60", "box")
    assert (engine.state("box"), engine.state("box", "ExitCode")) == ("exited", "5")
    engine.run("start", "box")
    engine.run("kill", "--signal", "KILL", "box")
    await_(lambda: engine.state("box") == "exited")
    assert engine.state("box", "ExitCode") == "137"
    engine.sleeper("deaf", script="trap '' TERM; sleep 60 & wait; sleep 60")
    engine.run("stop", "--time", "1", "deaf")
    assert engine.state("deaf", "ExitCode") == "137"
    assert engine.run("kill", "deaf", check=False).code != 0


def test_wait_and_restart(engine: Engine) -> None:
    engine.sleeper("box")
    first = engine.pid("box")
    engine.run("restart", "--time", "5", "box")
    assert engine.state("box") == "running"
    assert engine.pid("box") != first
    await_trap(engine, "box")
    waiting = engine.start("wait", "box")
    engine.run("stop", "--time", "60", "box")
    assert waiting.communicate(timeout=60)[0].strip() == b"5"


def test_pause(limited: Engine) -> None:
    limited.sleeper("box", script="while :; do echo >> /tmp/log; sleep 0.02; done")
    log = f"/proc/{limited.pid('box')}/root/tmp/log"
    await_(lambda: os.path.exists(log))
    limited.run("pause", "box")
    assert limited.state("box") == "paused"
    before = os.path.getsize(log)
    time.sleep(0.3)
    assert os.path.getsize(log) == before
    assert limited.run("exec", "box", "true", check=False).code != 0
    limited.run("unpause", "box")
    assert limited.state("box") == "running"
    await_(lambda: os.path.getsize(log) > before)
    limited.run("pause", "box")
    limited.run("rm", "--force", "box")
    assert limited.run("ps", "--all", "--quiet").out == ""


def test_limits_and_update(limited: Engine) -> None:
    limited.sleeper("box", "--memory", "64m", "--pids-limit", "30", "--cpus", "0.5")
    assert limits_of(limited, "box") == {"memory": str(64 << 20), "pids": "30", "cpu": "50000"}
    limited.run("update", "--memory", "80m", "--memory-swap", "-1", "--cpus", "0.25", "box")
    found = limits_of(limited, "box")
    assert (found["memory"], found["cpu"]) == (str(80 << 20), "25000")
    greedy = "i=0; while [ $i -lt 60 ]; do sleep 60 >/dev/null 2>&1 & i=$((i+1)); done"
    assert "fork" in limited.run("exec", "box", "sh", "-c", greedy, check=False).stderr


def test_a_container_that_eats_its_memory_is_killed(limited: Engine) -> None:
    eat = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived"
    limited.run("run", "--name", "box", "--network=none", "--memory=32m", limited.image, "sh", "-c", eat, check=False)
    assert "survived" not in limited.run("logs", "box").out


def test_stats_top_and_logs(engine: Engine, request: pytest.FixtureRequest) -> None:
    engine.sleeper("box", script="echo out; echo err >&2; exec sleep 60")
    await_(lambda: engine.run("logs", "box").stderr == "err\n")
    assert engine.run("logs", "box").stdout == "out\n"
    assert "sleep 60" in engine.run("top", "box").out
    if not engine.rootless:
        assert engine.run("stats", "--no-stream", "--format", "{{.Name}}", "box").out == "box"


def test_users_and_privileges(engine: Engine) -> None:
    script = "id -u; id -g; grep -E 'CapEff|NoNewPrivs' /proc/self/status | tr -d '\\t'; hostname"
    options = ["--user", "1000:1000", "--cap-drop=all", "--security-opt=no-new-privileges", "--hostname=there"]
    done = engine.run(*BOX, *options, engine.image, "sh", "-c", script)
    assert done.out.split() == ["1000", "1000", "CapEff:0000000000000000", "NoNewPrivs:1", "there"]
    kept = engine.run(*BOX, "--cap-drop=all", "--cap-add=chown", engine.image, "grep", "CapEff", "/proc/self/status")
    assert kept.out.split()[1] == "0000000000000001"


def test_files_and_volumes(engine: Engine) -> None:
    shared = os.path.join(engine.directory, "shared")
    os.makedirs(shared, exist_ok=True)
    os.chown(shared, engine.user.uid, engine.user.gid)
    script = "echo kept > /shared/file; touch /ro/x; touch /x; touch /tmp/x && echo tmp"
    mounts = ["--volume", f"{shared}:/shared", "--volume", f"{shared}:/ro:ro", "--tmpfs", "/tmp"]
    done = engine.run(*BOX, "--read-only", *mounts, engine.image, "sh", "-c", script)
    assert done.out == "tmp"
    assert done.stderr.count("Read-only file system") == 2
    with open(f"{shared}/file") as file:
        assert file.read() == "kept\n"
    assert engine.run(*BOX, "-v", "named:/data", engine.image, "sh", "-c", "echo v > /data/f; cat /data/f").out == "v"
    assert engine.run(*BOX, "-v", "named:/data", engine.image, "cat", "/data/f").out == "v"
    engine.run("volume", "rm", "named")


def test_devices_and_masks(engine: Engine) -> None:
    script = "ls -d /dev/null /dev/full /dev/ptmx /dev/fd; head -c1 /proc/kcore | wc -c; echo x > /proc/sysrq-trigger"
    done = engine.run(*BOX, engine.image, "sh", "-c", script, check=False)
    assert done.out.split() == ["/dev/fd", "/dev/full", "/dev/null", "/dev/ptmx", "0"]
    assert done.code != 0


def test_health_checks(engine: Engine) -> None:
    options = ["--health-cmd", "test -e /tmp/well", "--health-interval=1s", "--health-retries=1"]
    if engine.name == "podman":
        # Its timers are systemd's; the check itself is an exec that we may ask for.
        options[1:] = ["test -e /tmp/well", "--health-interval=disable"]
    engine.sleeper("box", *options)
    if engine.name == "podman":
        assert engine.run("healthcheck", "run", "box", check=False).code == 1
        engine.run("exec", "box", "touch", "/tmp/well")
        assert engine.run("healthcheck", "run", "box").code == 0
    else:
        await_(lambda: engine.state("box", "Health.Status") == "unhealthy")
        engine.run("exec", "box", "touch", "/tmp/well")
        await_(lambda: engine.state("box", "Health.Status") == "healthy")


def test_a_signal_reaches_the_container_of_an_attached_client(engine: Engine) -> None:
    script = "trap 'echo caught; exit 6' TERM; echo ready; while :; do sleep 0.05; done"
    running = engine.start(*BOX, engine.image, "sh", "-c", script)
    assert running.stdout is not None
    assert running.stdout.readline() == b"ready\n"
    time.sleep(2)  # podman shows output a moment before it passes signals on
    running.send_signal(signal.SIGTERM)
    assert running.communicate(timeout=60)[0] == b"caught\n"
    # Rootless podman executes itself again in its namespace, and loses the status when a signal came.
    assert running.returncode == (0 if engine.rootless else 6)


def test_namespaces_of_another_container(engine: Engine) -> None:
    engine.sleeper("first", "--hostname=first", *(["--ipc=shareable"] if engine.name == "docker" else []))
    options = [f"--{kind}=container:first" for kind in ("pid", "network", "ipc")]
    files = [f"/proc/self/ns/{kind}" for kind in ("pid", "net", "ipc")]
    script = f"ps | grep -c sleep; for file in {' '.join(files)}; do readlink $file; done"
    seen = engine.run("run", "--rm", *options, engine.image, "sh", "-c", script).out.split()
    assert int(seen[0]) >= 1
    first = engine.pid("first")
    assert seen[1:] == [os.readlink(file.replace("self", str(first))) for file in files]


def test_namespaces_of_the_host(engine: Engine) -> None:
    kinds = {"pid": "pid", "uts": "uts", "network": "net", "ipc": "ipc"}
    if not os.path.exists("/dev/mqueue"):
        del kinds["ipc"]  # podman binds that directory
    files = [f"/proc/self/ns/{name}" for name in kinds.values()]
    options = [f"--{kind}=host" for kind in kinds]
    script = f"for file in {' '.join(files)}; do readlink $file; done"
    seen = engine.run("run", "--rm", *options, engine.image, "sh", "-c", script).out.split()
    assert seen == [os.readlink(file) for file in files]


def test_an_init_and_resource_limits_of_the_process(engine: Engine) -> None:
    assert "init" in engine.run(*BOX, "--init", engine.image, "cat", "/proc/1/cmdline").out
    limits = ["--ulimit=nofile=100:200", "--ulimit=nproc=5000:5000"]
    assert engine.run(*BOX, *limits, engine.image, "sh", "-c", "ulimit -n; ulimit -Hn").out.split() == ["100", "200"]


def test_a_privileged_container(engine: Engine) -> None:
    script = "mount -t tmpfs none /tmp && grep -c ' /tmp ' /proc/mounts; grep Seccomp: /proc/self/status"
    assert engine.run(*BOX, "--privileged", engine.image, "sh", "-c", script).out.split() == ["1", "Seccomp:", "0"]
    script = "mount -t tmpfs none /tmp; grep Seccomp: /proc/self/status"
    done = engine.run(*BOX, engine.image, "sh", "-c", script)
    assert done.out.split() == ["Seccomp:", "2"]
    assert "denied" in done.stderr or "not permitted" in done.stderr


def test_sysctls_and_shared_memory(engine: Engine) -> None:
    options = ["--sysctl", "kernel.msgmax=9000", "--shm-size", "1m"]
    script = "cat /proc/sys/kernel/msgmax; df -k /dev/shm | tail -1"
    assert engine.run(*BOX, *options, engine.image, "sh", "-c", script).out.split()[:3] == ["9000", "shm", "1024"]


def test_copy_and_commit(engine: Engine) -> None:
    source = os.path.join(engine.home, "file")
    with open(source, "w") as file:
        file.write("copied\n")
    os.chown(source, engine.user.uid, engine.user.gid)
    engine.sleeper("box")
    engine.run("cp", source, "box:/tmp/file")
    assert engine.run("exec", "box", "cat", "/tmp/file").out == "copied"
    engine.run("commit", "box", "changed")
    assert engine.run(*BOX, "changed", "cat", "/tmp/file").out == "copied"
    engine.run("rm", "--force", "box")
    engine.run("rmi", "changed")


def test_a_user_namespace(engine: Engine) -> None:
    if engine.name == "docker":
        pytest.skip("docker takes one for all of a daemon's containers")
    first = 1 if engine.rootless else 100_000
    options = [f"--uidmap=0:{first}:5000", f"--gidmap=0:{first}:5000"]
    script = "cat /proc/self/uid_map; id -u; touch /tmp/x && stat -c %u /tmp/x"
    seen = engine.run(*BOX, *options, engine.image, "sh", "-c", script).out.split()
    assert (seen[0], seen[2:]) == ("0", ["5000", "0", "0"])
    engine.sleeper("box", *options)
    assert engine.run("exec", "-u", "7", "box", "id", "-u").out == "7"


def test_a_pod(engine: Engine) -> None:
    if engine.name == "docker":
        pytest.skip("docker has no pods")
    engine.run("pod", "create", "--name", "group", "--network=none")
    engine.run("run", "-d", "--pod", "group", "--name", "one", engine.image, "sh", "-c", "hostname; sleep 600")
    command = ["sh", "-c", "hostname; readlink /proc/self/ns/net"]
    seen = engine.run("run", "--rm", "--pod", "group", engine.image, *command).out.split()
    assert seen == ["group", os.readlink(f"/proc/{engine.pid('one')}/ns/net")]
    engine.run("pod", "rm", "--force", "--time=0", "group")


def test_files_that_are_handed_on(engine: Engine) -> None:
    if engine.name == "docker":
        pytest.skip("docker's containers are not its client's children")
    script = 'exec 3<"$0"; exec "$@"'
    inner = engine.argv(*BOX, "--preserve-fds=1", engine.image, "sh", "-c", "cat <&3")
    assert engine.execute(["sh", "-c", script, "/etc/debian_version", *inner]).out
    engine.sleeper("box")
    inner = engine.argv("exec", "--preserve-fds=1", "box", "sh", "-c", "cat <&3")
    assert engine.execute(["sh", "-c", script, "/etc/debian_version", *inner]).out


@pytest.mark.slow
def test_fifty_at_once(engine: Engine) -> None:
    script = "trap 'exit 0' TERM; echo here; sleep 600 & wait"
    command = ["run", "-d", "--network=none", engine.image, "sh", "-c", script]
    starting: list[subprocess.Popen[bytes]] = [engine.start(*command) for _ in range(50)]
    failures = [process.communicate(timeout=300)[1] for process in starting]
    assert [process.returncode for process in starting] == [0] * 50, b"\n".join(failures).decode()
    names = engine.run("ps", "--quiet").out.split()
    assert len(names) == 50
    assert engine.run("exec", names[0], "echo", "still").out == "still"
    assert engine.run("exec", names[-1], "echo", "still").out == "still"
    engine.run("rm", "--force", *names, timeout=300)
    assert engine.run("ps", "--all", "--quiet").out == ""


@pytest.mark.slow
def test_real_images(engine: Engine, real_images: dict[str, str]) -> None:
    for reference in real_images.values():
        engine.run("pull", "--quiet", *(["--tls-verify=false"] if engine.name == "podman" else []), reference)
    assert engine.run(*BOX, real_images["python"], "-c", "print(6 * 7)").out == "42"
    engine.run("run", "-d", "--name", "redis", "--network=none", real_images["redis"])
    await_(lambda: engine.run("exec", "redis", "redis-cli", "ping", check=False).out == "PONG")
    engine.run("exec", "redis", "redis-cli", "set", "key", "value")
    assert engine.run("exec", "redis", "redis-cli", "get", "key").out == "value"
    engine.run("run", "-d", "--name", "nginx", "--network=none", real_images["nginx"])
    ask = "exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    await_(lambda: "hello from nginx" in engine.run("exec", "nginx", "bash", "-c", ask, check=False).out)
    assert "GET / HTTP/1.0" in engine.run("logs", "nginx").out
    engine.run("stop", "redis", "nginx")
    assert engine.state("redis", "ExitCode") == "0"
    assert engine.state("nginx", "ExitCode") == "0"
