"""Files that are exchanged all the time while containers start: nothing may lead out of where it was meant to go."""

from __future__ import annotations

import ctypes
import itertools
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.fixtures.bundle import Runtime, configuration

_libc = ctypes.CDLL(None, use_errno=True)
_RENAME_EXCHANGE = 2
_STARTS = 8 if os.environ.get("POD_TEST_QUICK") else 30


@pytest.fixture
def outside(runtime: Runtime) -> Iterator[str]:
    """A directory of the host that everybody may write to and nobody may change."""
    path = f"{runtime.directory}/outside"
    os.makedirs(f"{path}/b")
    with open(f"{path}/kept", "w") as file:
        file.write("kept")
    for name in ("", "/b", "/kept"):
        os.chmod(path + name, 0o777)
    yield path
    assert sorted(os.listdir(path)) == ["b", "kept"]
    assert os.listdir(f"{path}/b") == []
    with open(f"{path}/kept") as file:
        assert file.read() == "kept"
    assert stat.S_IMODE(os.stat(f"{path}/b").st_mode) == 0o777


@contextmanager
def exchanging(one: str, other: str) -> Iterator[None]:
    """Exchange two names until the end, at least once."""
    over, count = threading.Event(), itertools.count()

    def exchange() -> None:
        while not over.is_set():
            if _libc.renameat2(-100, one.encode(), -100, other.encode(), _RENAME_EXCHANGE) == 0:
                next(count)

    racer = threading.Thread(target=exchange)
    racer.start()
    try:
        yield
    finally:
        over.set()
        racer.join()
    assert next(count) > 100, "nothing was exchanged"


def starts(succeeded: list[bool]) -> Iterator[None]:
    """Go on for some starts, and for more until one of them has succeeded: on a busy machine few do."""
    for number in range(20 * _STARTS):
        if number >= _STARTS and any(succeeded):
            return
        yield


def volume(runtime: Runtime, *directories: str) -> str:
    """Make the directory that hostile and starting containers share."""
    path = f"{runtime.directory}/volume"
    os.makedirs(path)
    for name in directories:
        os.makedirs(f"{path}/{name}")
    if runtime.user.uid and os.getuid() == 0:
        subprocess.run(["chown", "-R", f"{runtime.user.uid}:{runtime.user.gid}", path], check=True)
    return path


def bind(destination: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": "bind", "source": source, "options": ["rbind", *options]}


def test_targets_in_a_shared_volume_stay_inside(runtime: Runtime, outside: str) -> None:
    """CVE-2021-30465, CVE-2024-45310: mounts, files, devices, masks and working directory below exchanged names."""
    shared = volume(runtime, "a/b")
    os.symlink(outside, f"{shared}/link")
    spec = configuration("cat", "/proc/self/mountinfo", cwd="/vol/a/b/work")
    spec["mounts"] += [
        bind("/vol", shared),
        {"destination": "/vol/a/b/tmpfs", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/vol/a/b", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]},
        bind("/vol/a/b/deep/file", "/bin/busybox", "ro"),
        bind("/vol/a/b/directory", runtime.rootfs, "ro"),
    ]
    spec["linux"]["maskedPaths"] += ["/vol/a/kept", "/vol/a/b"]
    spec["linux"]["readonlyPaths"] += ["/vol/a"]
    if not runtime.user.uid:
        spec["linux"]["devices"] = [{"path": "/vol/a/b/null", "type": "c", "major": 1, "minor": 3}]
    succeeded: list[bool] = []
    with exchanging(f"{shared}/a", f"{shared}/link"):
        for _start in starts(succeeded):
            done = runtime.run(spec)
            assert "Traceback" not in done.stderr
            succeeded.append(done.returncode == 0)
            points = [line.split()[4] for line in done.stdout.splitlines()]
            # By way of the link, the same path below the container's root.
            assert all(point.startswith(("/vol", outside, "/proc", "/sys", "/dev")) or point == "/" for point in points)
    assert any(succeeded)


def test_no_directory_changes_its_mode_by_a_race(runtime: Runtime) -> None:
    """Directories for a tmpfs are made for everybody: one that is put in their place must stay as it is."""
    new = f"{volume(runtime)}/new"
    os.makedirs(f"{runtime.rootfs}/private", mode=0o755)
    spec = configuration("true")
    spec["mounts"] += [
        bind("/vol", os.path.dirname(new)),
        {"destination": "/vol/new", "type": "tmpfs", "source": "tmpfs"},
    ]
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            with suppress(OSError):
                os.symlink("/private", new)
            with suppress(OSError):
                os.unlink(new)
            with suppress(OSError):
                os.rmdir(new)

    racer = threading.Thread(target=come_and_go)
    racer.start()
    try:
        for _start in range(_STARTS):
            assert "Traceback" not in runtime.run(spec).stderr
    finally:
        over.set()
        racer.join()
    assert stat.S_IMODE(os.stat(f"{runtime.rootfs}/private").st_mode) == 0o755


def test_a_root_file_system_that_is_changed_meanwhile(runtime: Runtime, outside: str) -> None:
    """CVE-2019-18837, CVE-2026-41579: /dev, /etc and targets of mounts exchanged with links in the image itself."""
    for name in ("dev", "work"):
        os.makedirs(f"{runtime.rootfs}/{name}", exist_ok=True)
    os.symlink(outside, f"{runtime.rootfs}/link")
    spec = configuration("true", cwd="/work/new")
    spec["mounts"] = [mount for mount in spec["mounts"] if not mount["destination"].startswith("/dev")]
    with exchanging(f"{runtime.rootfs}/dev", f"{runtime.rootfs}/link"):
        for _start in range(_STARTS):
            assert "Traceback" not in runtime.run(spec).stderr


def test_nothing_gets_mounted_in_proc_by_a_race(runtime: Runtime) -> None:
    """CVE-2025-52881, CVE-2019-16884: a volume's directory is a link to /proc at the right moment."""
    shared = volume(runtime, "a/self/attr", "a/sys/net/ipv4")
    os.symlink("/proc", f"{shared}/link")
    spec = configuration("sh", "-c", "cat /proc/self/mountinfo /proc/sys/net/ipv4/ip_default_ttl")
    spec["mounts"] += [
        bind("/vol", shared),
        {"destination": "/vol/a/self/attr", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/vol/a/sys/net/ipv4", "type": "tmpfs", "source": "tmpfs"},
        bind("/vol/a/sys/kernel", runtime.rootfs),
    ]
    spec["linux"]["sysctl"] = {"net.ipv4.ip_default_ttl": "77"}
    allowed = {"/proc", *spec["linux"]["maskedPaths"], *spec["linux"]["readonlyPaths"]}
    refused = succeeded = 0
    with exchanging(f"{shared}/a", f"{shared}/link"):
        for _start in range(_STARTS):
            done = runtime.run(spec)
            if done.returncode:
                assert "inside of /proc" in done.stderr or "No such file" in done.stderr, done.stderr
                refused += 1
                continue
            succeeded += 1
            *mounts, ttl = done.stdout.splitlines()
            assert ttl == "77"
            assert {point for point in (line.split()[4] for line in mounts) if point.startswith("/proc")} <= allowed
    assert refused or succeeded


def test_a_mount_namespace_with_another_proc_gets_no_sysctls(as_root: Runtime) -> None:
    """CVE-2025-52881: a kernel parameter written in a namespace whose /proc/sys was covered by its owner."""
    script = (
        "mount -t tmpfs tmpfs /proc/sys/net && mkdir -p /proc/sys/net/ipv4 && echo 1 > /proc/sys/net/ipv4/ip_forward"
    )
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"{script} && echo ready && exec sleep 600"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        spec = configuration("cat", "/proc/sys/net/ipv4/ip_default_ttl")
        spec["linux"]["sysctl"] = {"net.ipv4.ip_default_ttl": "77"}
        for namespace in spec["linux"]["namespaces"]:
            if namespace["type"] == "mount":
                namespace["path"] = f"/proc/{holder.pid}/ns/mnt"
        done = as_root.run(spec)
        assert (done.returncode, done.stdout) == (0, "77\n"), done.stderr
        with open(f"/proc/{holder.pid}/root/proc/sys/net/ipv4/ip_forward") as file:
            assert file.read() == "1\n"
        assert not os.path.exists(f"/proc/{holder.pid}/root/proc/sys/net/ipv4/ip_default_ttl")
    finally:
        holder.kill()
        holder.communicate()


def own_dev(runtime: Runtime) -> tuple[dict[str, Any], str]:
    """Return a configuration whose /dev is a directory of the host that others can change, and that directory."""
    directory = f"{runtime.directory}/dev"
    os.makedirs(f"{directory}/pts")
    os.mkdir(f"{directory}/shm")
    for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
        os.mknod(f"{directory}/{name}", stat.S_IFCHR | 0o666, os.makedev(1, minor))
    os.symlink("pts/ptmx", f"{directory}/ptmx")
    spec = configuration("true")
    for mount in spec["mounts"]:
        if mount["destination"] == "/dev":
            mount.update(bind("/dev", directory))
    return spec, directory


def test_masks_are_the_null_device_though_it_is_exchanged(as_root: Runtime) -> None:
    """CVE-2025-31133: /dev/null becomes a link to a file of procfs between check and use."""
    spec, directory = own_dev(as_root)
    os.symlink("/proc/sys/kernel/core_pattern", f"{directory}/other")
    masked = [path for path in spec["linux"]["maskedPaths"] if os.path.isfile(path)]
    assert masked
    spec["process"]["args"] = ["stat", "-c", "%F %t:%T", *masked]
    outcomes = set()
    with exchanging(f"{directory}/null", f"{directory}/other"):
        for _start in range(_STARTS):
            done = as_root.run(spec)
            if done.returncode == 0:
                assert set(done.stdout.splitlines()) == {"character special file 1:3"}, done.stdout
            else:
                assert "null" in done.stderr or "mask" in done.stderr, done.stderr
            outcomes.add(done.returncode)
    assert outcomes <= {0, 1}


def test_the_console_is_no_other_file_though_it_is_exchanged(as_root: Runtime) -> None:
    """CVE-2025-52565: /dev/console and /dev/pts lead elsewhere while the terminal is bound."""
    spec, directory = own_dev(as_root)
    with open(f"{directory}/console", "w"):
        os.symlink("/proc/sys/kernel/core_pattern", f"{directory}/other")
    script = "cat /proc/self/mountinfo; cat /proc/sys/kernel/core_pattern"
    spec["process"].update(args=["sh", "-c", script], terminal=True)
    with open("/proc/sys/kernel/core_pattern") as file:
        pattern = file.read().strip()
    allowed = {"/proc", *spec["linux"]["maskedPaths"], *spec["linux"]["readonlyPaths"]}
    succeeded: list[bool] = []
    with exchanging(f"{directory}/console", f"{directory}/other"):
        for _start in starts(succeeded):
            done = as_root.run(spec)
            if done.returncode:
                assert "console" in done.stderr, done.stderr
                continue
            succeeded.append(True)
            lines = done.stdout.replace("\r", "").splitlines()
            points = {line.split()[4] for line in lines[:-1] if " - " in line}
            assert {point for point in points if point.startswith("/proc")} <= allowed
            assert lines[-1] == pattern
    assert succeeded


@pytest.mark.parametrize("name", ["pts/ptmx", "pts"])
@pytest.mark.parametrize("target", ["/proc/sys/kernel/core_pattern", "{outside}/kept", "{outside}"])
def test_terminals_through_links(as_root: Runtime, outside: str, name: str, target: str) -> None:
    """CVE-2025-52565 without a race: links where the terminal and its master should be."""
    spec, directory = own_dev(as_root)
    spec["mounts"] = [mount for mount in spec["mounts"] if mount["destination"] != "/dev/pts"]
    if name == "pts":
        os.rmdir(f"{directory}/pts")
    os.symlink(target.format(outside=outside), f"{directory}/{name}")
    spec["process"]["terminal"] = True
    done = as_root.run(spec)
    assert done.returncode == 1
    assert "terminal" in done.stderr


@pytest.mark.parametrize("target", ["/proc/sys/kernel/core_pattern", "{outside}/kept", "{outside}/new", "/dev/null"])
def test_a_link_as_console_is_covered_itself(as_root: Runtime, outside: str, target: str) -> None:
    """CVE-2025-52565: what the link leads to is neither made nor covered."""
    spec, directory = own_dev(as_root)
    os.symlink(target.format(outside=outside), f"{directory}/console")
    spec["process"].update(args=["stat", "-c", "%F %t", "/dev/console", "/dev/null"], terminal=True)
    done = as_root.run(spec)
    assert done.returncode == 0, done.stderr
    # 0x88: a pseudo-terminal
    assert done.stdout.splitlines() == ["character special file 88", "character special file 1"]


def test_copying_up_from_a_changing_volume(runtime: Runtime, outside: str) -> None:
    """CVE-2022-23648 and kin: what tmpcopyup reads turns into a link, a fifo, a directory of the host."""
    shared = volume(runtime, "a")
    with open(f"{shared}/a/file", "w") as file:
        file.write("x" * 100_000)
    os.mkfifo(f"{shared}/fifo")
    os.symlink(f"{outside}/kept", f"{shared}/link")
    spec = configuration("sh", "-c", "for i in /vol/a/*; do [ -f $i ] && cat $i; done | grep kept; true")
    spec["mounts"] += [
        bind("/vol", shared),
        {"destination": "/vol/a", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]},
    ]
    for other in ("fifo", "link"):
        with exchanging(f"{shared}/a/file", f"{shared}/{other}"):
            for _start in range(_STARTS // 2):
                done = runtime.run(spec)  # ends, although nobody writes to the fifo
                assert "kept" not in done.stdout
                assert "Traceback" not in done.stderr
