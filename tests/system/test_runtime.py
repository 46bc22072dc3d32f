"""`pod-runtime` under cgroup v2, as root and by its files alone: what config.json asks for is what the kernel does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.system.bundles import NAME, Runtime, spec
from tests.system.machine import Machine

MIB = 1 << 20
GROUP = f"/sys/fs/cgroup/{NAME}"


@pytest.fixture
def runtime(machine: Machine) -> Iterator[Runtime]:
    made = Runtime(machine)
    yield made
    made("delete", "--force", NAME)


def test_life_of_a_container(machine: Machine, runtime: Runtime) -> None:
    pid = runtime.start(spec("sleep", "1000"))
    assert machine.run("root", "cat", f"/proc/{pid}/cgroup").stdout == f"0::/{NAME}\n"
    assert runtime("exec", NAME, "cat", "/proc/self/cgroup").stdout == "0::/\n"
    assert machine.run("root", "cat", f"{GROUP}/cgroup.procs").stdout == f"{pid}\n"
    assert "running" in runtime("delete", NAME, check=False).stderr
    runtime("kill", NAME, "KILL")
    while json.loads(runtime("state", NAME).stdout)["status"] != "stopped":
        time.sleep(0.1)
    runtime("delete", NAME)
    assert machine.run("root", "test", "-e", GROUP, check=False).returncode == 1


def test_limits_are_in_the_files_and_can_be_changed(machine: Machine, runtime: Runtime) -> None:
    resources = {
        "cpu": {"shares": 1024, "quota": 20000, "period": 50000, "cpus": "1", "mems": "0"},
        "memory": {"limit": 64 * MIB, "reservation": 32 * MIB, "swap": 80 * MIB},
        "pids": {"limit": 20},
        "unified": {"memory.high": str(48 * MIB), "cgroup.max.depth": "7"},
    }
    runtime.start(spec("sleep", "1000", resources=resources))
    files = "cpu.weight cpu.max cpuset.cpus.effective memory.max memory.low memory.swap.max pids.max memory.high"
    read = machine.shell("root", f"cd {GROUP}; cat {files} cgroup.max.depth").stdout.splitlines()
    wanted = ["100", "20000 50000", "1", 64 * MIB, 32 * MIB, 16 * MIB, "20", 48 * MIB, "7"]
    assert read == [str(value) for value in wanted]
    runtime("update", "--memory", str(96 * MIB), "--memory-swap", str(96 * MIB), "--pids-limit", "9", NAME)
    assert machine.shell("root", f"cd {GROUP}; cat memory.max pids.max").stdout.split() == [str(96 * MIB), "9"]


def test_memory_kill_is_an_event_and_137(runtime: Runtime) -> None:
    use = ["dd", "if=/dev/zero", "of=/dev/null", "bs=96M", "count=1"]
    assert runtime.run(spec(*use, resources={"memory": {"limit": 32 * MIB}}), check=False).returncode == 137


def test_devices_are_guarded_by_the_kernel(runtime: Runtime) -> None:
    script = (
        "head -c 1 /dev/null && mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg >/dev/null; c=$?; rm /tmp/kmsg; exit $c"
    )
    document = spec("sh", "-c", script, resources={"devices": [{"allow": False, "access": "rwm"}]})
    for kind in ("bounding", "effective", "permitted"):
        document["process"]["capabilities"][kind] += ["CAP_MKNOD", "CAP_SYSLOG"]
    done = runtime.run(document, check=False)
    assert (done.returncode, done.stderr) == (1, "head: /tmp/kmsg: Operation not permitted\n")
    rule = {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}
    document["linux"]["resources"]["devices"].append(rule)
    runtime.run(document)


def test_pause_stops_time_for_all_processes(machine: Machine, runtime: Runtime) -> None:
    runtime.start(spec("sh", "-c", "(while :; do :; done) & while :; do :; done"))
    used = f"awk '/^usage_usec/ {{ print $2 }}' {GROUP}/cpu.stat"
    runtime("pause", NAME)
    assert json.loads(runtime("state", NAME).stdout)["status"] == "paused"
    assert "frozen 1" in machine.run("root", "cat", f"{GROUP}/cgroup.events").stdout
    first, second = machine.shell("root", f"{used}; sleep 0.5; {used}").stdout.split()
    assert first == second
    runtime("resume", NAME)
    first, second = machine.shell("root", f"{used}; sleep 0.5; {used}").stdout.split()
    assert int(second) > int(first)
    runtime("pause", NAME)
    runtime("delete", "--force", NAME)


def test_writing_is_slowed_down(machine: Machine, runtime: Runtime) -> None:
    major, minor = machine.shell("root", "stat -c '%Hd %Ld' /srv").stdout.split()
    write = "sync; s=$(cut -d. -f1 /proc/uptime); dd if=/dev/zero of=/tmp/file bs=1M count=6 conv=fsync 2>/dev/null; "
    write += "rm /tmp/file; echo $(( $(cut -d. -f1 /proc/uptime) - s ))"
    limit = {"major": int(major), "minor": int(minor), "rate": MIB}
    limited = spec("sh", "-c", write, resources={"blockIO": {"throttleWriteBpsDevice": [limit]}})
    slow, fast = int(runtime.run(limited).stdout), int(runtime.run(spec("sh", "-c", write)).stdout)
    assert slow >= 4 > fast


def test_huge_pages_are_limited(machine: Machine, runtime: Runtime) -> None:
    machine.shell("root", "echo 8 > /proc/sys/vm/nr_hugepages")
    try:
        document = spec("dd", "if=/dev/zero", "of=/huge/file", "bs=2M", "count=1")
        document["linux"]["resources"] = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]}
        document["process"]["args"] = ["cat", "/sys/fs/cgroup/hugetlb.2MB.max", "/sys/fs/cgroup/hugetlb.2MB.rsvd.max"]
        assert runtime.run(document).stdout.split() == [str(4 * MIB)] * 2
    finally:
        machine.shell("root", "echo 0 > /proc/sys/vm/nr_hugepages")


def test_own_cgroup_is_writable_only_where_it_is_mounted_so(machine: Machine, runtime: Runtime) -> None:
    nest = "cd /sys/fs/cgroup && mkdir inner && echo 1 > inner/cgroup.procs && echo +pids > cgroup.subtree_control"
    document = spec("sh", "-c", f"{nest} && echo 3 > inner/pids.max && cat /proc/1/cgroup && ls .. && sleep 1000")
    runtime.start(document)
    while (found := machine.run("root", "cat", f"{GROUP}/inner/pids.max", check=False).stdout) in ("", "max\n"):
        assert json.loads(runtime("state", NAME).stdout)["status"] == "running"
    assert found == "3\n"
    # Its own cgroup has no room for processes now: exec joins the first process where that is.
    assert runtime("exec", NAME, "cat", "/proc/self/cgroup").stdout == "0::/inner\n"
    runtime("delete", "--force", NAME)
    assert machine.run("root", "test", "-e", GROUP, check=False).returncode == 1
    done = runtime.run(spec("sh", "-c", "mkdir /sys/fs/cgroup/inner", cgroup="ro"), check=False)
    assert "Read-only file system" in done.stderr


def test_only_the_own_cgroup_is_seen(runtime: Runtime) -> None:
    script = "ls -d /sys/fs/cgroup/system.slice; cat /sys/fs/cgroup/cgroup.type /proc/self/cgroup"
    for namespace in (True, False):
        document = spec("sh", "-c", script)
        if not namespace:
            kept = [entry for entry in document["linux"]["namespaces"] if entry["type"] != "cgroup"]
            document["linux"]["namespaces"] = kept
        done = runtime.run(document)
        assert done.stdout.split() == ["domain", "0::/" if namespace else f"0::/{NAME}"]


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"unified": {"memory.nonsense": "1"}}, "memory.nonsense"),
        ({"unified": {"nonsense.max": "1"}}, "nonsense"),
        ({"memory": {"swappiness": 10}}, "swappiness"),
        ({"network": {"classID": 5}}, "linux.resources.network"),
        ({"cpu": {"cpus": "64"}}, "cpuset.cpus"),
        ({"cpu": {"realtimeRuntime": 100}}, "realtime"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(
    machine: Machine, runtime: Runtime, resources: dict[str, dict[str, object]], message: str
) -> None:
    done = runtime.run(spec("true", resources=resources), check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert machine.run("root", "test", "-e", GROUP, check=False).returncode == 1
