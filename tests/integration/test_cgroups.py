"""Cgroups in the kernel, in whatever layout this machine has; and a pure cgroup2 in a mount namespace of the test."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime import cgroups, syscalls
from runtime.cgroups import CgroupError, CgroupUnavailableError, devices_bpf, files, mounts
from runtime.kernel import CLONE_NEWNS, MNT_DETACH

if TYPE_CHECKING:
    from runtime.cgroups import Cgroup

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.getuid() != 0, reason="needs root")]
NAME = f"/podtest-{os.getpid()}"
MIB = 1 << 20
MOUNTED = mounts.read(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text(), "/sys/fs/cgroup")
V1 = {controller for hierarchy in MOUNTED for controller in hierarchy.controllers}
UNIFIED = next((hierarchy.mountpoint for hierarchy in MOUNTED if hierarchy.is_v2), None)
legacy = pytest.mark.skipif("memory" not in V1, reason="cgroup v1 has no memory controller here")
with_unified = pytest.mark.skipif(UNIFIED is None, reason="cgroup2 is not mounted")


def leftovers() -> list[str]:
    return [str(path) for each in MOUNTED for path in Path(each.mountpoint).glob(NAME[1:] + "*")]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    try:
        assert leftovers() == []
    finally:
        for path in leftovers():
            for pid in files.pids(path):
                os.kill(pid, signal.SIGKILL)
            files.remove([path])


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    result = cgroups.plan(f"{NAME}/nested/container")
    result.create()
    try:
        yield result
    finally:
        result.remove(kill=True)


class Child:
    """A forked process: does `action` when told to go on, ends with its result."""

    def __init__(self, action: Callable[[], int], prepare: Callable[[], None] = lambda: None) -> None:
        ready, self._go = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 99
            try:
                os.close(self._go[1])
                prepare()
                os.close(ready[1])
                os.read(self._go[0], 1)
                code = action()
            finally:
                os._exit(code)
        for fd in (ready[1], self._go[0]):
            os.close(fd)
        os.read(ready[0], 1)
        os.close(ready[0])

    def end(self) -> int:
        """Let it go on; return its exit code, negative for a signal."""
        os.close(self._go[1])
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def own_paths(pid: int) -> set[str]:
    """Return where a process is, in the hierarchies that are mounted."""
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    mounted = V1 | ({""} if UNIFIED else set())
    return {path for _, controllers, path in lines if controllers.split(",")[0] in mounted}


def value(cgroup: Cgroup, file: str) -> str:
    """Return the content of a file of the container's cgroup, wherever it is."""
    for path in cgroup.paths:
        if path.endswith("/container") and os.path.exists(f"{path}/{file}"):
            return files.read(f"{path}/{file}")
    raise AssertionError(file)


def test_moved_by_the_parent(cgroup: Cgroup) -> None:
    child = Child(lambda: 0)
    cgroup.enter(child.pid)
    assert own_paths(child.pid) == {f"{NAME}/nested/container"}
    assert cgroup.pids() == [child.pid]
    with pytest.raises(CgroupError, match=r"remove cgroup .*: processes \[\d+\] are still running"):
        cgroup.remove()
    assert child.end() == 0


def test_enters_by_itself(cgroup: Cgroup) -> None:
    entrances = cgroup.entrances(unified=True)
    child = Child(lambda: 0, lambda: cgroups.enter_by(entrances))
    for fd in entrances:
        os.close(fd)
    assert own_paths(child.pid) == {f"{NAME}/nested/container"}
    assert child.end() == 0


@with_unified
def test_cloned_into_the_unified_hierarchy(cgroup: Cgroup) -> None:
    directory = cgroup.clone_fd()
    pid, pidfd = syscalls.clone3(0, signal.SIGCHLD, cgroup=directory)
    if pid == 0:
        signal.pause()
    os.close(directory)
    try:
        assert f"0::{NAME}/nested/container" in Path(f"/proc/{pid}/cgroup").read_text().split()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(pidfd)


def test_several_containers_share_what_is_above_them() -> None:
    first, second = cgroups.plan(f"{NAME}/one"), cgroups.plan(f"{NAME}/two")
    first.create()
    second.create()
    child = Child(lambda: 0)
    second.enter(child.pid)
    with pytest.raises(CgroupError, match="exists and has processes"):
        cgroups.plan(f"{NAME}/two").create()
    child.end()
    first.remove()
    assert all(os.listdir(path) for path in leftovers())
    # Another process, which did not create it, removes what `paths` said.
    assert cgroups.remove_paths(second.paths) == []
    assert leftovers() == []


def test_removed_by_a_plan_made_later() -> None:
    cgroups.plan(f"{NAME}/a/b").create()
    cgroups.plan(f"{NAME}/a/b").remove()
    assert leftovers() == []


def fork_twice() -> int:
    """Return how many processes could be forked besides this one."""
    for count in range(3):
        try:
            child = os.fork()
        except BlockingIOError:
            return count
        if child == 0:
            signal.pause()
            os._exit(0)
    return 3


def test_pids_limit(cgroup: Cgroup) -> None:
    cgroup.apply({"pids": {"limit": 2}})
    child = Child(fork_twice)
    cgroup.enter(child.pid)
    assert child.end() == 1
    cgroup.apply({"pids": {"limit": -1}})
    assert value(cgroup, "pids.max") == "max"


def use_memory() -> int:
    len(bytearray(128 * MIB))
    return 0


def test_memory_limit_kills_and_is_counted(cgroup: Cgroup) -> None:
    cgroup.apply({"memory": {"limit": 32 * MIB, "swap": 32 * MIB}})
    child = Child(use_memory)
    cgroup.enter(child.pid)
    assert cgroup.oom_count() == 0
    assert child.end() == -signal.SIGKILL
    assert cgroup.oom_count() == 1


@legacy
def test_memory_limits_grow_and_shrink(cgroup: Cgroup) -> None:
    for limit, swap in ((64, 128), (512, 1024), (32, 64), (-1, -1), (16, 16)):
        cgroup.apply({"memory": {"limit": limit * MIB if limit > 0 else -1, "swap": swap * MIB if swap > 0 else -1}})
        if limit > 0:
            assert value(cgroup, "memory.limit_in_bytes") == str(limit * MIB)
            assert value(cgroup, "memory.memsw.limit_in_bytes") == str(swap * MIB)


@legacy
def test_other_limits(cgroup: Cgroup) -> None:
    cgroup.apply(
        {
            "cpu": {"shares": 512, "period": 50000, "quota": 25000, "cpus": "0", "mems": "0"},
            "memory": {"reservation": 16 * MIB},
        }
    )
    for file, content in (
        ("cpu.shares", "512"),
        ("cpu.cfs_period_us", "50000"),
        ("cpu.cfs_quota_us", "25000"),
        ("cpuset.cpus", "0"),
        ("memory.soft_limit_in_bytes", str(16 * MIB)),
    ):
        assert value(cgroup, file) == content
    child = Child(lambda: len(os.sched_getaffinity(0)))
    cgroup.enter(child.pid)
    assert child.end() == 1


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"cpu": {"cpus": "4000"}}, r"write 4000 to /sys/fs/cgroup/.*/container/cpuset\.cpus: "),
        ({"cpu": {"period": 3, "quota": 1}}, r"write (1 )?3 to .*: Invalid argument"),
        ({"memory": {"swappiness": 900}}, r"write 900 to .*/memory\.swappiness: Invalid argument"),
        ({"unified": {"memory.nonsense": "1"}}, r"memory\.nonsense"),
        ({"network": {"classID": 5}}, r"net_cls|cgroup v2 has no classes"),
    ],
)
def test_what_the_kernel_refuses_is_named(cgroup: Cgroup, resources: dict[str, Any], message: str) -> None:
    if "swappiness" in message and "memory" not in V1:
        pytest.skip("v2 has no swappiness")
    with pytest.raises(CgroupError, match=message):
        cgroup.apply(resources)


def try_devices() -> int:
    """Return which of /dev/null, /dev/kmsg (not allowed), mknod work, as bits."""
    result = 0
    for bit, path in ((1, "/dev/null"), (2, "/dev/kmsg")):
        try:
            os.close(os.open(path, os.O_RDWR))
            result |= bit
        except PermissionError:
            pass
    node = f"/dev/shm/podtest-{os.getpid()}"
    try:
        os.mknod(node, 0o600 | 0o020000, os.makedev(1, 11))
        os.unlink(node)
        result |= 4
    except PermissionError:
        pass
    return result


def test_devices(cgroup: Cgroup) -> None:
    cgroup.apply({"devices": [{"allow": False, "access": "rwm"}]})
    child = Child(try_devices)
    cgroup.enter(child.pid)
    assert child.end() == 1 | 4
    cgroup.apply({"devices": [{"allow": True, "access": "rwm"}]})
    child = Child(try_devices)
    cgroup.enter(child.pid)
    assert child.end() == 7


def counts(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def spin() -> int:
    while True:
        pass


def test_freeze_kill_and_remove(cgroup: Cgroup) -> None:
    child = Child(spin)
    cgroup.enter(child.pid)
    os.close(child._go[1])
    cgroup.freeze(True)
    before = counts(child.pid)
    time.sleep(0.05)
    assert counts(child.pid) == before
    cgroup.freeze(False)
    cgroup.freeze(True)
    cgroup.kill()
    assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == -signal.SIGKILL
    assert cgroup.pids() == []


@with_unified
@pytest.mark.skipif("hugetlb" in V1, reason="hugetlb is a v1 controller here")
def test_huge_pages_and_raw_settings_of_the_unified_hierarchy(cgroup: Cgroup) -> None:
    sizes = sorted(name.split("-")[1] for name in os.listdir("/sys/kernel/mm/hugepages"))
    if "2048kB" not in sizes:
        pytest.skip("no huge pages of 2 MB")
    cgroup.apply({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]})
    assert value(cgroup, "hugetlb.2MB.max") == str(4 * MIB)
    cgroup.apply({"unified": {"cgroup.max.depth": "3"}})
    assert value(cgroup, "cgroup.max.depth") == "3"


@with_unified
def test_device_program_of_v2() -> None:
    directory = f"{UNIFIED}{NAME}"
    os.mkdir(directory)
    try:
        devices_bpf.guard(directory, [{"allow": True, "access": "rwm"}])
        devices_bpf.guard(directory, [{"allow": False, "access": "rwm"}])
        fd = os.open(directory, os.O_RDONLY)
        assert len(devices_bpf.attached(fd)) == 1
        os.close(fd)
        child = Child(try_devices, lambda: files.enter(directory, os.getpid()))
        assert child.end() == 1 | 4
    finally:
        assert files.remove([directory]) == []


@with_unified
def test_pure_cgroup2() -> None:
    """The plumbing of v2 in a mount namespace where nothing else is mounted at /sys/fs/cgroup."""

    def inside() -> int:
        syscalls.unshare(CLONE_NEWNS)
        syscalls.mount("", "/", "", 1 << 18 | 1 << 14, "")  # MS_PRIVATE | MS_REC
        syscalls.umount2("/sys/fs/cgroup", MNT_DETACH)
        syscalls.mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, "")
        cgroup = cgroups.plan(f"{NAME}/v2/container")
        cgroup.create()
        assert cgroup.paths == [
            f"/sys/fs/cgroup{NAME}/v2/container",
            f"/sys/fs/cgroup{NAME}/v2",
            f"/sys/fs/cgroup{NAME}",
        ]
        for path in cgroup.paths[1:]:
            assert files.read(f"{path}/cgroup.controllers") == files.read(f"{path}/cgroup.subtree_control")
        cgroup.apply({"devices": [{"allow": False, "access": "rwm"}], "unified": {"cgroup.max.depth": "2"}})
        child = Child(try_devices)
        cgroup.enter(child.pid)
        assert cgroup.pids() == [child.pid]
        cgroup.freeze(True)
        cgroup.freeze(False)
        assert child.end() == 1 | 4
        if "net_cls" not in files.read("/sys/fs/cgroup/cgroup.controllers"):
            with pytest.raises(CgroupUnavailableError, match="v2 has no classes"):
                cgroup.apply({"network": {"classID": 4}})
        cgroup.remove()
        return 0

    assert Child(inside).end() == 0


def test_an_ordinary_user_is_told_what_is_missing() -> None:
    def inside() -> int:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        with pytest.raises(CgroupUnavailableError, match="Permission denied") as error:
            cgroups.plan(NAME).create()
        assert "delegated" in error.value.hint
        return 0

    assert Child(inside).end() == 0


@legacy
def test_a_realtime_process_is_refused_with_a_hint(cgroup: Cgroup) -> None:
    child = Child(lambda: 0)
    try:
        os.sched_setscheduler(child.pid, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        child.end()
        pytest.skip("may not set a realtime policy")
    try:
        with pytest.raises(CgroupError, match=os.strerror(errno.EINVAL)) as error:
            cgroup.enter(child.pid)
        assert "realtime" in error.value.hint
    finally:
        child.end()


def test_entering_is_fast_enough(cgroup: Cgroup) -> None:
    """The sum of all steps for a usual container, at its best; on a loaded machine most are slower."""
    best, tries = 1.0, 0
    while best >= 0.01 and tries < 100:
        tries += 1
        started = time.perf_counter()
        one = cgroups.plan(f"{NAME}/fast")
        one.create()
        entrances = one.entrances(unified=False)
        one.apply({"pids": {"limit": 2048}, "devices": [{"allow": False, "access": "rwm"}]})
        best = min(best, time.perf_counter() - started)
        for fd in entrances:
            os.close(fd)
        one.remove()
    assert best < 0.01


def test_only_cheap_modules_are_loaded() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules); from runtime import cgroups;"
        " cgroups.plan('/podtest'); print(*sorted(set(sys.modules) - before))"
    )
    root = os.path.dirname(os.path.dirname(cgroups.__path__[0]))
    output = subprocess.check_output(["/usr/bin/python3", "-I", "-S", "-c", code, root], text=True)
    loaded = {name for name in output.split() if not name.startswith("runtime")}
    assert loaded <= {"__future__", "select", "stat", "errno", "time", "_ctypes", "struct", "_struct", "_stat"}
