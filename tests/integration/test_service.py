"""What a service manager sees of a container and gives to it: main process, exit code, sockets, systemd inside.

The same with the real systemd is in tests/system/test_units.py.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.leaks import control_groups
from tests.fixtures.monitor import eventually

# A service manager in two lines: it runs a command, adopts what that leaves, and tells the exit codes of both.
_ADOPT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
first = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
codes = {}
while True:
    try:
        pid, status = os.wait()
    except ChildProcessError:
        break
    codes[pid] = os.waitstatus_to_exitcode(status)
print(codes.pop(first), *codes.values())
"""


def adopted(box: Pod, *words: str) -> list[str]:
    """Return the exit code of a command and that of the monitor which it leaves."""
    return box.execute([sys.executable, "-c", _ADOPT, *box.argv(*words)]).out.splitlines()[-1].split()


def told(box: Pod, container: str, template: str) -> str:
    return box.run("inspect", "--format", template, container).out


@pytest.mark.parametrize("delay", ["0", "1.5"])
def test_monitor_ends_with_the_exit_code(box: Pod, busybox: str, delay: str) -> None:
    script = f"sleep {delay}; exit 7"
    assert adopted(box, "run", "-d", "--name", "c", busybox, "sh", "-c", script) == ["0", "7"]
    assert adopted(box, "start", "c") == ["0", "7"]
    assert told(box, "c", "{{.State.ExitCode}}") == "7"
    # Of a container that goes at its end the monitor has first removed all.
    assert adopted(box, "run", "-d", "--rm", busybox, "sh", "-c", f"sleep {delay}; kill -9 $$; exit 3") == ["0", "3"]
    assert box.run("ps", "-aq", "--no-trunc").out == told(box, "c", "{{.Id}}")


def test_main_process_is_told_before_the_start(box: Pod, busybox: str) -> None:
    path = os.path.join(box.home, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        os.chmod(path, 0o777)
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        manager.settimeout(60)
        words = ["run", "-d", "--name", "c", busybox, "sleep", "100"]
        process = box.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"NOTIFY_SOCKET": path})
        message, ancillary, _, _ = manager.recvmsg(1000, 100)
        assert process.wait() == 0
        # By default a service manager listens to the main process only, which so far is the command.
        assert int.from_bytes(ancillary[0][2][:4], sys.byteorder) == process.pid
        assert message.decode() == "MAINPID=" + told(box, "c", "{{.State.ConmonPid}}")
        box.run("rm", "-f", "-t", "0", "c")
        # What is started only because it is needed is not the service.
        needed = box.run("create", busybox, "sleep", "100").out
        box.run("run", "-d", "--name", "d", "--requires", needed, busybox, "sleep", "100", env={"NOTIFY_SOCKET": path})
        assert manager.recv(1000).decode() == "MAINPID=" + told(box, "d", "{{.State.ConmonPid}}")
        manager.settimeout(0.1)
        with pytest.raises(TimeoutError):
            manager.recv(1000)


def test_monitor_of_a_service_is_adopted_by_its_manager(box: Pod, busybox: str) -> None:
    # In the foreground, too: systemd sees only its own children end.
    path = os.path.join(box.home, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        os.chmod(path, 0o777)
        words = ["run", "--name", "c", "--rm", busybox, "sleep", "100"]
        process = box.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"NOTIFY_SOCKET": path})
        manager.settimeout(60)
        pid = int(manager.recv(1000).removeprefix(b"MAINPID="))
        with open(f"/proc/{pid}/stat") as file:
            assert int(file.read().rpartition(")")[2].split()[1]) != process.pid
        eventually(lambda: told(box, "c", "{{.State.Status}}") == "running")
        box.run("kill", "c")
        assert process.wait() == 137
        assert box.run("ps", "-aq").out == ""


def test_terminated_monitor_stops_its_container(box: Pod, busybox: str) -> None:
    script = "trap 'echo usr1; exit 5' USR1; trap 'echo term' TERM; echo up; while :; do sleep 0.05; done"
    words = ["run", "-d", "--restart", "always", "--stop-signal", "USR1", "--name", "c", busybox, "sh", "-c", script]
    box.run(*words)
    eventually(lambda: box.run("logs", "c").out == "up")
    os.kill(int(told(box, "c", "{{.State.ConmonPid}}")), signal.SIGTERM)
    eventually(lambda: told(box, "c", "{{.State.Status}} {{.State.ExitCode}}") == "exited 5")
    assert box.run("logs", "c").out.split() == ["up", "usr1"]
    box.run("run", "-d", "--stop-timeout", "1", "--name", "deaf", busybox, "sleep", "1000")
    os.kill(int(told(box, "deaf", "{{.State.ConmonPid}}")), signal.SIGTERM)
    eventually(lambda: told(box, "deaf", "{{.State.Status}} {{.State.ExitCode}}") == "exited 137")


def waiting_monitor(box: Pod, name: str) -> int:
    """Return the monitor of a container that is to be started again, once it waits for that."""
    found: list[str] = []

    def waits() -> bool:
        found[:] = told(box, name, "{{.State.Status}} {{.State.ConmonPid}}").split()
        return found[0] == "restarting"

    eventually(waits, seconds=60)
    return int(found[1])


def test_monitor_that_waits_for_the_next_start_is_terminated(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--restart", "always", "--name", "c", busybox, "false")
    eventually(
        lambda: int(told(box, "c", "{{.RestartCount}}")) > 7, seconds=180
    )  # from now on it waits for many seconds
    os.kill(waiting_monitor(box, "c"), signal.SIGTERM)
    eventually(lambda: told(box, "c", "{{.State.Status}} {{.State.ExitCode}}") == "exited 1")


def is_at_end(reader: int) -> bool:
    """Tell whether nobody has the other end of a pipe any more."""
    try:
        return os.read(reader, 100) == b""
    except BlockingIOError:
        return False


def test_socket_activation(box: Pod, busybox: str) -> None:
    path = os.path.join(box.home, "fifo")
    box.execute(["mkfifo", "-m", "666", path])
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    script = "echo kept >&3; echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES $$; sleep 100"

    def activate(*words: str, pid: str = "$$") -> None:
        of_systemd = f"exec 3>{path}; export LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID={pid}"
        box.execute(["bash", "-c", f"{of_systemd}; exec {shlex.join(box.argv(*words))}"])

    activate("run", "-d", "--name", "c", busybox, "sh", "-c", script)
    eventually(lambda: box.run("logs", "c").out == "1 1 web 1")
    assert os.read(reader, 100) == b"kept\n"
    box.run("stop", "-t", "0", "c")
    activate("start", "c")
    eventually(lambda: box.run("logs", "c").out.endswith("1 1 web 1"))
    assert os.read(reader, 100) == b"kept\n"
    box.run("stop", "-t", "0", "c")
    eventually(lambda: is_at_end(reader))  # nobody has it open any more
    # These variables are not for us, and the descriptor is somebody else's.
    activate("run", "-d", "--name", "d", busybox, "sh", "-c", "echo -$LISTEN_FDS; ls /proc/self/fd", pid="1")
    eventually(lambda: box.run("logs", "d").out.split() == ["-", "0", "1", "2", "3"])
    os.close(reader)


def test_socket_activation_of_a_pod(box: Pod, busybox: str) -> None:
    """As podman has it, every container that the command starts has the sockets: who answers is the user's affair."""
    box.run("pod", "create", "--name", "p", "--network", "none")
    for name in "ab":
        box.run(
            "create", "--pod", "p", "--name", name, busybox, "sh", "-c", "echo kept >&3; echo $LISTEN_FDS; sleep 100"
        )
    path = os.path.join(box.home, "activated")
    start = shlex.join(box.argv("pod", "start", "p"))
    box.execute(["bash", "-c", f"exec 3>>{path}; export LISTEN_FDS=1 LISTEN_PID=$$; exec {start}"])
    eventually(lambda: [box.run("logs", name).out for name in "ab"] == ["1", "1"])
    with open(path) as file:
        assert file.read() == "kept\nkept\n"
    box.run("pod", "rm", "-f", "-t", "0", "p")


def test_systemd_mode_is_found_out(box: Pod, busybox: str) -> None:
    template = "{{.Config.SystemdMode}} {{.Config.StopSignal}}"
    for words, expected in (
        ("--systemd always IMAGE true", "true SIGRTMIN+3"),
        ("--systemd=always --stop-signal TERM IMAGE true", "true SIGTERM"),
        ("IMAGE /sbin/init", "true SIGRTMIN+3"),
        ("IMAGE /lib/systemd/systemd --user", "true SIGRTMIN+3"),
        ("IMAGE /bin/sh -c /usr/sbin/init", "true SIGRTMIN+3"),
        ("--entrypoint /usr/local/sbin/init IMAGE true", "true SIGRTMIN+3"),
        ("--systemd=false IMAGE /sbin/init", "false SIGTERM"),
        ("IMAGE init", "false SIGTERM"),
        ("--systemd=True IMAGE true", "false SIGTERM"),
    ):
        container = box.run("create", *words.replace("IMAGE", busybox).split()).out
        assert told(box, container, template) == expected, words
    done = box.run("create", "--systemd", "maybe", busybox, check=False)
    message = 'Error: invalid config provided: --systemd values must be one of "true, false, always"'
    assert (done.code, done.stderr.startswith(message)) == (125, True)


def test_surroundings_of_systemd(box: Pod, busybox: str) -> None:
    script = (
        "echo $container $container_uuid; cat /proc/self/mountinfo; cd /sys/fs/cgroup; mkdir memory/x && echo bad; true"
    )
    done = box.run("run", "--name", "c", "--systemd=always", "--shm-size-systemd", "1m", busybox, "sh", "-c", script)
    first, *lines = done.out.splitlines()
    assert first == f"podman {told(box, 'c', '{{.Id}}')[:32]}"
    tmpfs = {fields[4]: fields for fields in map(str.split, lines) if "tmpfs" in fields}
    for target in ("/run", "/run/lock", "/tmp", "/var/log/journal"):
        assert "size=1024k" in tmpfs[target][-1]
        assert {"rw", "nosuid", "nodev"} <= set(tmpfs[target][5].split(","))
    assert "bad" not in lines
    # What a user mounts there stays; and a variable of his own.
    words = ["--tmpfs", "/tmp:size=2m", "--env", "container_uuid=mine", "--read-only", "--systemd=always"]
    done = box.run("run", "--rm", *words, busybox, "sh", "-c", "echo $container_uuid; grep ' /tmp ' /proc/mounts")
    assert done.out.startswith("mine\n")
    assert "size=2048k" in done.out


def test_systemd_in_the_hosts_cgroup_namespace(box: Pod, busybox: str) -> None:
    """It finds its hierarchy as the host has it; nothing else of the host's control groups can be changed."""
    unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    place = "/sys/fs/cgroup" if unified else "/sys/fs/cgroup/systemd"
    words = ["run", "--rm", "--cgroupns=host", "--systemd=always", busybox, "sh", "-c"]
    files = {name for name in os.listdir(place) if os.path.isfile(f"{place}/{name}")}  # groups come and go
    assert files <= set(box.run(*words, f"ls {place}").out.split())
    if unified:
        return
    written = "/sys/fs/cgroup/systemd/release_agent /sys/fs/cgroup/new /sys/fs/cgroup/memory/tasks"
    script = f"for file in {written}; do echo 0 2>/dev/null >$file && echo $file; done; true"
    assert box.run(*words, script, check=False).out == ""


def test_a_container_that_marks_its_control_group_keeps_nothing(box: Pod, busybox: str) -> None:
    """Systemd may write there; the mark of those that several containers share is of use above only."""
    place = "/sys/fs/cgroup" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "/sys/fs/cgroup/systemd"
    script = f"mkdir {place}/sub && chmod 1755 {place}/sub {place}; true"
    before = control_groups()
    box.run("run", "--rm", "--systemd=always", busybox, "sh", "-c", script)
    assert box.leftovers(before) == []
