"""Limits of `run` and `create`: what the kernel was told, what `inspect` tells, and what is refused."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from tests.fixtures.command import Pod

V1 = os.path.isdir("/sys/fs/cgroup/memory")
legacy = pytest.mark.skipif(not V1, reason="cgroup v2 is covered by the system suite")
as_root = pytest.mark.parametrize("mode", ["root"], indirect=True)


def inspected(box: Pod, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(box.run("inspect", name).out)
    return found[0]


def cgroups_of(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/cgroup") as file:
        return {name: line.strip().split(":", 2)[2] for line in file for name in line.split(":")[1].split(",")}


class Kernel:
    """The control groups of a running container."""

    def __init__(self, box: Pod, name: str) -> None:
        self.groups = cgroups_of(inspected(box, name)["State"]["Pid"])

    def value(self, file: str) -> str:
        controller = "cpuset" if file.startswith("cpuset.") else file.partition(".")[0]
        with open(f"/sys/fs/cgroup/{controller}{self.groups[controller]}/{file}") as opened:
            return opened.read().strip()


@legacy
@as_root
def test_every_limit_reaches_the_kernel_and_is_told(box: Pod, busybox: str) -> None:
    line = (
        "run -d --name c --memory 64m --memory-reservation 32m --memory-swap 80m --memory-swappiness 20"
        " --oom-kill-disable --oom-score-adj 321 --cpu-shares 512 --cpu-period 50000 --cpu-quota 25000"
        " --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 33"
        " --ulimit nofile=77:88 --ulimit core=0"
    )
    box.run(*line.split(), busybox, "sleep", "100")
    kernel = Kernel(box, "c")
    assert {file: kernel.value(file) for file in EXPECTED} == EXPECTED
    assert box.run("exec", "c", "sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c").out.split() == ["77", "88", "0"]
    assert box.run("exec", "c", "cat", "/proc/1/oom_score_adj").out == "321"
    host = inspected(box, "c")["HostConfig"]
    assert {key: host[key] for key in TOLD} == TOLD


EXPECTED = {
    "memory.limit_in_bytes": str(64 << 20),
    "memory.soft_limit_in_bytes": str(32 << 20),
    "memory.memsw.limit_in_bytes": str(80 << 20),
    "memory.swappiness": "20",
    "memory.oom_control": "oom_kill_disable 1\nunder_oom 0\noom_kill 0",
    "cpu.shares": "512",
    "cpu.cfs_period_us": "50000",
    "cpu.cfs_quota_us": "25000",
    "cpuset.cpus": "0",
    "cpuset.mems": "0",
    "pids.max": "33",
}
TOLD = {
    "Memory": 64 << 20,
    "MemoryReservation": 32 << 20,
    "MemorySwap": 80 << 20,
    "MemorySwappiness": 20,
    "OomKillDisable": True,
    "OomScoreAdj": 321,
    "CpuShares": 512,
    "CpuPeriod": 50000,
    "CpuQuota": 25000,
    "NanoCpus": 500000000,
    "CpusetCpus": "0",
    "CpusetMems": "0",
    "PidsLimit": 33,
    "BlkioDeviceWriteBps": [],
    "Ulimits": [
        {"Name": "RLIMIT_NOFILE", "Soft": 77, "Hard": 88},
        {"Name": "RLIMIT_CORE", "Soft": 0, "Hard": 0},
    ],
    "CgroupManager": "cgroupfs",
    "CgroupParent": "",
    "CgroupConf": None,
    "Cgroups": "default",
}


@legacy
@as_root
def test_limits_of_block_devices(box: Pod, busybox: str) -> None:
    number = _disk()
    path = f"/dev/{os.path.basename(os.path.realpath(f'/sys/dev/block/{number}'))}"
    line = (
        f"run -d --name c --blkio-weight 77 --device-read-bps {path}:1mb --device-write-bps {path}:2mb"
        f" --device-read-iops {path}:3 --device-write-iops {path}:4"
    )
    box.run(*line.split(), busybox, "sleep", "100")
    kernel = Kernel(box, "c")
    files = ("read_bps_device", "write_bps_device", "read_iops_device", "write_iops_device")
    found = [kernel.value(f"blkio.throttle.{file}") for file in files]
    assert found == [f"{number} {rate}" for rate in (1 << 20, 2 << 20, 3, 4)]
    assert kernel.value("blkio.bfq.weight") == "77"
    host = inspected(box, "c")["HostConfig"]
    assert host["BlkioWeight"] == 77
    rates = {"ReadBps": 1 << 20, "WriteBps": 2 << 20, "ReadIOps": 3, "WriteIOps": 4}
    for kind, rate in rates.items():
        assert host[f"BlkioDevice{kind}"] == [{"Path": path, "Rate": rate}]
    box.run("create", "--name", "w", "--blkio-weight-device", f"{path}:300", busybox)
    assert inspected(box, "w")["HostConfig"]["BlkioWeightDevice"] == [{"Path": path, "Weight": 300}]


def _disk() -> str:
    for name in sorted(os.listdir("/sys/block")):
        if os.path.exists(f"/dev/{name}") and os.path.exists("/sys/fs/cgroup/blkio/blkio.bfq.io_service_bytes"):
            with open(f"/sys/block/{name}/dev") as file:
                return file.read().strip()
    pytest.skip("no block device, or a kernel without BFQ")


@legacy
@as_root
def test_unlimited(box: Pod, busybox: str) -> None:
    box.run(
        "run",
        "-d",
        "--name",
        "c",
        "--pids-limit",
        "-1",
        "--memory",
        "64m",
        "--memory-swap",
        "-1",
        busybox,
        "sleep",
        "1000",
    )
    box.run("run", "-d", "--name", "d", "--pids-limit", "0", "--cpus", "0", busybox, "sleep", "1000")
    box.run("run", "-d", "--name", "e", "--cpus", "0.25", busybox, "sleep", "1000")
    assert Kernel(box, "c").value("pids.max") == "max"
    assert Kernel(box, "c").value("memory.memsw.limit_in_bytes") == str(2**63 - 4096)
    assert Kernel(box, "d").value("pids.max") == "max"
    assert Kernel(box, "d").value("cpu.cfs_quota_us") == "-1"
    assert Kernel(box, "e").value("cpu.cfs_quota_us") == "25000"
    assert Kernel(box, "e").value("pids.max") == "2048"
    assert inspected(box, "c")["HostConfig"]["MemorySwap"] == -1


@legacy
@as_root
def test_realtime_budget(box: Pod, busybox: str) -> None:
    box.run(
        "run", "-d", "--name", "c", "--cpu-rt-period", "500000", "--cpu-rt-runtime", "1000", busybox, "sleep", "1000"
    )
    kernel = Kernel(box, "c")
    assert (kernel.value("cpu.rt_period_us"), kernel.value("cpu.rt_runtime_us")) == ("500000", "1000")
    host = inspected(box, "c")["HostConfig"]
    assert (host["CpuRealtimePeriod"], host["CpuRealtimeRuntime"]) == (500000, 1000)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--cpus 1 --cpu-quota 50000", "Error: --cpu-quota and --cpus cannot be set together"),
        ("--cpus 1 --cpu-period 50000", "Error: --cpu-period and --cpus cannot be set together"),
        (
            "--memory-swap 64m",
            "Error: you should always set a memory limit when using a memoryswap limit, see usage",
        ),
        (
            "--memory 64m --memory-swap 32m",
            "Error: minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        ("--memory-swappiness 101", "Error: invalid value: 101, valid memory swappiness range is 0-100"),
        (
            "--cpu-period 10",
            "Error: CPU cfs period cannot be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        ("--cpuset-cpus 60000", "Error: requested CPUs are not available - requested 60000"),
        ("--blkio-weight 5", "Error: range of blkio weight is from 10 to 1000"),
        ("--device-write-bps /dev/nope:1mb", "Error: could not parse throttle device at /dev/nope: no such file"),
        ("--oom-score-adj 1001", "Error: invalid value: 1001, valid oom-score-adj range is -1000 to 1000"),
        ("--kernel-memory 64m", "Error: the --kernel-memory flag is no longer supported"),
        ("--rdt-class x", "Error: cannot put the container into the RDT class x"),
        ("--cgroups nope", 'Error: running container create option: invalid cgroup mode "nope": invalid argument'),
        ("--cgroups split --cgroup-parent /x", "Error: cannot specify --cgroup-mode=split with a cgroup-parent"),
        ("--cgroups disabled --memory 64m", "Error: cannot set resource limits when cgroups are disabled"),
        ("--cgroup-conf x", "Error: --cgroup-conf must be formatted KEY=VALUE"),
        ("--ulimit nofile=20:10", 'Error: ulimit option "nofile=20:10" requires name=SOFT:HARD, failed to be parsed'),
        ("--cpu-shares=-1", 'Error: invalid argument "-1" for "-c, --cpu-shares" flag: strconv.ParseUint'),
        ("--cpus x", 'Error: invalid argument "x" for "--cpus" flag: strconv.ParseFloat'),
    ],
)
def test_nonsense_is_refused_and_nothing_is_made(pod: Pod, flags: str, message: str) -> None:
    empty = os.path.join(pod.directory, "empty")
    os.mkdir(empty)
    done = pod.run("create", *flags.split(), "--rootfs", empty, "true", check=False)
    assert (done.code, done.stderr[: len(message)]) == (125, message)
    assert pod.run("ps", "-aq").out == ""


@legacy
def test_files_of_v2_are_refused_on_v1(box: Pod, busybox: str) -> None:
    done = box.run("create", "--cgroup-conf", "memory.high=1", busybox, check=False)
    assert (done.code, done.stderr) == (125, "Error: cannot use --cgroup-conf without cgroup v2\n")


@legacy
@pytest.mark.parametrize("mode", ["rootless"], indirect=True)
def test_without_a_cgroup_limits_are_ignored_with_a_warning_and_a_parent_is_refused(box: Pod, busybox: str) -> None:
    warning = "Resource limits are not supported and ignored on cgroups V1 rootless systems\n"
    for flag in ("--memory=64m", "--cpus=1", "--pids-limit=5", "--blkio-weight=50"):
        done = box.run("run", "--rm", flag, busybox, "echo", "runs")
        assert (done.stdout, done.stderr) == ("runs\n", warning), flag
    done = box.run("create", "--memory=nonsense", busybox, check=False)
    assert done.code == 125
    done = box.run("create", "--cgroup-parent=/x", busybox, check=False)
    assert (done.code, "no cgroup is delegated to user" in done.stderr) == (125, True)
    assert box.run("ps", "-aq").out == ""


@legacy
@as_root
def test_parent_of_the_cgroup(box: Pod, busybox: str) -> None:
    name = f"pod-test-parent-{os.getpid()}"
    box.run("run", "-d", "--name", "c", "--cgroup-parent", f"{name}/one", busybox, "sleep", "100")
    found = inspected(box, "c")
    expected = f"/{name}/one/pod-{found['Id']}"
    assert found["State"]["CgroupPath"] == expected
    assert found["HostConfig"]["CgroupParent"] == f"{name}/one"
    assert cgroups_of(found["State"]["Pid"])["memory"] == expected
    box.run("rm", "-f", "-t", "0", "c")
    assert not os.path.exists(f"/sys/fs/cgroup/memory/{name}")
    for parent, message in (
        ("x.slice", "systemd slice received as cgroup parent when using cgroupfs: invalid argument"),
        ("../x", 'invalid cgroup parent "../x"'),
    ):
        done = box.run("create", "--cgroup-parent", parent, busybox, check=False)
        assert (done.code, message in done.stderr) == (125, True)


@legacy
def test_modes_of_cgroups(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "a", "--cgroups", "disabled", busybox, "sleep", "100")
    box.run("run", "-d", "--name", "b", "--cgroups", "no-conmon", busybox, "sleep", "100")
    box.run("run", "-d", "--name", "c", "--cgroups", "enabled", busybox, "sleep", "100")
    own = cgroups_of(os.getpid())["memory"]
    seen = {name: inspected(box, name) for name in "abc"}
    assert [seen[name]["HostConfig"]["Cgroups"] for name in "abc"] == ["disabled", "default", "default"]
    paths = [cgroups_of(seen[name]["State"]["Pid"])["memory"] for name in "abc"]
    if box.rootless:
        assert paths == [own] * 3
        done = box.run("create", "--cgroups", "split", busybox, check=False)
        assert (done.code, "cannot split the cgroup of this process: it is not delegated" in done.stderr) == (125, True)
        return
    assert paths == [own, f"/pod-{seen['b']['Id']}", f"/pod-{seen['c']['Id']}"]
    assert [seen[name]["State"]["CgroupPath"] for name in "abc"] == ["", *paths[1:]]


@legacy
@as_root
def test_the_own_cgroup_split(box: Pod, busybox: str) -> None:
    base = "/sys/fs/cgroup/memory" + cgroups_of(os.getpid())["memory"].rstrip("/") + f"/pod-test-{os.getpid()}"
    os.mkdir(base)
    try:
        command = " ".join(
            box.argv("run", "-d", "--name", "c", "--memory", "64m", "--cgroups", "split", busybox, "sleep", "100")
        )
        box.execute(["sh", "-c", f"echo 0 > {base}/cgroup.procs; exec {command}"])
        found = inspected(box, "c")
        own = base.removeprefix("/sys/fs/cgroup/memory")
        assert cgroups_of(found["State"]["Pid"])["memory"] == f"{own}/pod-payload-{found['Id']}"
        assert found["HostConfig"]["Cgroups"] == "split"
        assert box.run("exec", "c", "echo", "hi").out == "hi"
        box.run("rm", "-f", "-t", "0", "c")
    finally:
        _remove(base)


def _remove(cgroup: str) -> None:
    """Remove a cgroup as soon as the last process, a monitor or what syncs in the background, has left it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            os.rmdir(cgroup)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_limits_of_the_caller(box: Pod, busybox: str) -> None:
    conf = os.path.join(box.home, "containers.conf")
    with open(conf, "w") as file:
        file.write('[containers]\ndefault_ulimits = ["nofile=100:200"]\npids_limit = 55\noom_score_adj = 1000\n')
    env = {"CONTAINERS_CONF": conf}
    show = ["sh", "-c", "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj"]
    assert box.run("run", "--rm", busybox, *show, env=env).out.split() == ["100", "200", "1000"]
    assert box.run("run", "--rm", "--ulimit", "nofile=50", busybox, *show, env=env).out.split()[:2] == ["50", "50"]
    own = box.execute(["sh", "-c", "ulimit -Sn; ulimit -Hn"]).out.split()
    assert box.run("run", "--rm", "--ulimit", "host", busybox, *show, env=env).out.split()[:2] == own
    box.run("create", "--name", "c", busybox, env=env)
    assert inspected(box, "c")["HostConfig"]["PidsLimit"] == 55


def test_an_oom_score_that_cannot_be_had_is_told(box: Pod, busybox: str) -> None:
    with open("/proc/self/oom_score_adj") as file:
        now = file.read().strip()
    done = box.run("run", "--rm", "--oom-score-adj", "-999", busybox, "cat", "/proc/self/oom_score_adj")
    if done.out != "-999":  # the caller may lower it
        warning = f"Requested oom_score_adj=-999 is lower than the current one, changing to {now}\n"
        assert (done.out, done.stderr) == (now, warning)
