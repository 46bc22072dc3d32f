"""Commands that meet: two at once on one object, processes that are killed, namespaces and stores side by side."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import alive, eventually
from tests.fixtures.registry import Registry

SLEEP = ("sleep", "600")


def together(pod: Pod, *lines: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Run commands at the same time; return what each came to."""
    started = [pod.start(*line) for line in lines]
    results = []
    for process in started:
        out, err = process.communicate(timeout=60)
        results.append((process.returncode, out.decode().strip(), err.decode().strip()))
    return results


def record(pod: Pod, identity: str, kind: str) -> int:
    with open(os.path.join(pod.runroot, "containers", identity, kind), encoding="ascii") as file:
        return int(file.read().split()[0])


def status(pod: Pod, name: str) -> str:
    return pod.run("inspect", "--format", "{{.State.Status}}", name).out


def remove_cgroup(path: str) -> None:
    """Remove it as soon as the kernel is done with what was in it."""
    eventually(lambda: subprocess.run(["rmdir", path], check=False).returncode == 0)


def test_start_at_once_is_started_once(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "one", busybox, *SLEEP)
    assert [code for code, _, _ in together(box, *[("start", "one")] * 4)] == [0] * 4
    assert status(box, "one") == "running"


def test_start_and_remove_at_once(box: Pod, busybox: str) -> None:
    for _ in range(4):
        box.run("create", "--name", "one", busybox, *SLEEP)
        started, removed = together(box, ("start", "one"), ("rm", "--force", "--time", "0", "one"))
        assert removed[0] == 0, removed
        assert started[0] == 0 or started[2].startswith("Error: "), started
        assert "hosts" not in started[2]
        assert box.run("ps", "--all", "--quiet").out == ""


def test_replace_at_once_leaves_one(box: Pod, busybox: str) -> None:
    line = ("run", "--detach", "--replace", "--stop-timeout", "1", "--name", "one", busybox, *SLEEP)
    results = together(box, line, line, line)
    assert any(code == 0 for code, _, _ in results), results
    assert not any("already in use" in err for _, _, err in results), results
    assert box.run("ps", "--all", "--format", "{{.Names}}").out == "one"


def test_volume_is_filled_once(box: Pod, busybox: str) -> None:
    expected = box.run("run", "--rm", busybox, "ls", "/bin").out
    line = ("run", "--rm", "--volume", "data:/bin", busybox, "ls", "/bin")
    for _ in range(2):
        assert {(code, out) for code, out, _ in together(box, *[line] * 4)} == {(0, expected)}
        box.run("volume", "rm", "data")


def test_volume_removed_while_it_is_taken(box: Pod, busybox: str) -> None:
    for _ in range(4):
        box.run("volume", "create", "--ignore", "data")
        ran, _removed = together(
            box, ("run", "--rm", "--volume", "data:/data", busybox, "touch", "/data/x"), ("volume", "rm", "data")
        )
        assert ran[0] == 0, ran


def test_directory_of_a_volume_without_a_row_is_swept(box: Pod) -> None:
    box.run("volume", "create", "kept")
    stale = os.path.join(box.root, "volumes", "stale")
    os.mkdir(stale)
    os.chown(stale, box.user.uid, box.user.gid)
    box.run("volume", "create", "other")
    assert sorted(os.listdir(os.path.join(box.root, "volumes"))) == ["kept", "other"]


def test_store_that_shares_the_runroot_is_left_alone(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "one", busybox, *SLEEP)
    other = os.path.join(box.directory, "other")
    box.execute([box.command, "--root", other, "--runroot", box.runroot, "volume", "create", "data"])
    assert status(box, "one") == "running"


def test_container_survives_its_monitor_in_its_namespace(box: Pod, busybox: str) -> None:
    for name, options in (("plain", ()), ("kept", ("--userns", "keep-id") if box.rootless else ())):
        identity = box.run("run", "--detach", "--name", name, *options, busybox, *SLEEP).out
        time.sleep(0.1)
        monitor = record(box, identity, "monitor")
        os.kill(monitor, signal.SIGKILL)
    box.run("run", "--rm", busybox, "true")
    for name in ("plain", "kept"):
        assert status(box, name) == "running"
        assert box.run("exec", name, "echo", "here").out == "here"
        box.run("stop", "--time", "0", name)
        box.run("rm", name)


def test_all_containers_are_in_one_namespace(box: Pod, busybox: str) -> None:
    if not box.rootless:
        pytest.skip("only ordinary users have one")
    lines: list[tuple[str, ...]] = []
    for number in range(6):
        lines += [("run", "--detach", "--name", f"c{number}", busybox, *SLEEP), ("unshare", "true")]
    results = together(box, *lines)
    assert all(code == 0 for code, _, _ in results), results
    identities = [out for _, out, _ in results[::2]]
    assert len({os.readlink(f"/proc/{record(box, one, 'pid')}/ns/user") for one in identities}) == 1


def test_command_that_joined_keeps_the_namespace(box: Pod) -> None:
    if not box.rootless:
        pytest.skip("only ordinary users have one")
    first = box.start("unshare", "sleep", "1")
    time.sleep(0.5)
    second = box.start("unshare", "sh", "-c", "readlink /proc/self/ns/user; exec sleep 600")
    assert second.stdout is not None
    namespace = second.stdout.readline().decode().strip()
    first.communicate()
    try:
        assert box.run("unshare", "readlink", "/proc/self/ns/user").out == namespace
    finally:
        second.kill()
        second.communicate()


def test_stop_does_not_wait_for_a_stalled_reader(box: Pod, busybox: str) -> None:
    command = box.start("run", "--name", "loud", busybox, "yes")
    eventually(lambda: box.run("ps", "-q").out)
    time.sleep(1)
    box.run("stop", "--time", "0", "loud")
    command.communicate(timeout=60)
    assert box.run("wait", "loud").out == "137"


def test_interrupted_at_any_moment_it_ends(box: Pod, busybox: str) -> None:
    for delay in range(10, 90, 4):
        command = box.start("run", "--detach", "--rm", busybox, "sleep", "0.1")
        time.sleep(delay / 1000)
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=60)


def test_umask_of_the_caller_is_not_the_containers(box: Pod, busybox: str) -> None:
    script = 'umask 077; exec "$@"'
    line = box.argv("run", "--rm", "--user", "12", "--volume", "data:/data", busybox, "ls", "/data", "/etc/hosts")
    box.execute(["sh", "-c", script, "-", *line])
    box.execute(["sh", "-c", script, "-", *box.argv("run", "--rm", "--user", "12", busybox, "cat", "/etc/hosts")])


def test_runroot_of_another_boot(box: Pod, busybox: str) -> None:
    """After a reboot the runroot is empty: what ran has ended, and can be started and removed."""
    identity = box.run("run", "--detach", "--name", "one", busybox, *SLEEP).out
    passing = box.run("run", "--detach", "--rm", "--name", "passing", busybox, *SLEEP).out
    box.run("create", "--name", "ready", busybox, *SLEEP)
    box.run("init", "ready")
    ready = box.run("inspect", "--format", "{{.Id}}", "ready").out
    killed = [record(box, container, kind) for container in (identity, passing, ready) for kind in ("monitor", "pid")]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in killed))
    subprocess.run(["rm", "-rf", box.runroot], check=True)
    for directory, names, _ in os.walk("/sys/fs/cgroup"):  # which do not outlive a reboot either
        for name in names:
            if passing in name:
                remove_cgroup(os.path.join(directory, name))
    assert (status(box, "one"), status(box, "passing"), status(box, "ready")) == ("exited", "exited", "created")
    box.run("start", "one", "ready")
    assert (status(box, "one"), status(box, "ready")) == ("running", "running")
    assert box.run("container", "exists", "passing", check=False).code == 1  # the first command that wrote removed it


@pytest.fixture
def small(pod: Pod) -> Iterator[Pod]:
    """`pod` with its store on a file system of a few megabytes."""
    if os.getuid() != 0 or pod.rootless:
        pytest.skip("needs root to mount a small file system")
    os.mkdir(pod.root)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", pod.root], check=True)
    try:
        yield pod
        pod.remove_containers()
    finally:
        eventually(lambda: subprocess.run(["umount", pod.root], check=False).returncode == 0)


def test_full_disk(small: Pod, registry: Registry, busybox: str) -> None:
    small.run("pull", "--quiet", busybox)
    small.run("create", "--name", "old", busybox, *SLEEP)
    small.run("run", "--detach", "--name", "seven", busybox, "sh", "-c", "sleep 1; exit 7")
    free = os.statvfs(small.root).f_bavail * os.statvfs(small.root).f_frsize
    with open(os.path.join(small.root, "ballast"), "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free)
    failed = small.run("run", "--name", "new", busybox, "true", check=False)
    assert (failed.code, failed.stderr) == (125, "Error: create container: no space left on device\n")
    for form in ("docker-dir", "docker-archive"):  # to another disk, before they are removed here
        small.run("save", "--quiet", "--format", form, "--output", f"{small.directory}/{form}", busybox)
    assert small.run("wait", "seven").out == "7"
    assert small.run("ps", "--all", "--format", "{{.Names}}").out.split() == ["old", "seven"]
    small.run("rm", "old")
    os.unlink(os.path.join(small.root, "ballast"))
    assert small.run("run", "--rm", busybox, "echo", "fine").out == "fine"
