"""`update`: limits of a running container at once, of a stopped one at its start; all of it or nothing."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from tests.fixtures.command import Pod
from tests.integration.test_limits import Kernel, _disk, as_root, legacy


def inspected(box: Pod) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.run("inspect", "c").out)[0]
    return found


@legacy
@as_root
def test_limits_of_a_running_container(box: Pod, busybox: str) -> None:
    container = box.run("run", "-d", "--name", "c", "--memory", "64m", busybox, "sleep", "100").out
    line = "update --memory 32m --memory-reservation 16m --memory-swap 48m --memory-swappiness 7 --cpus 0.5"
    assert (
        box.run(
            *line.split(), "--cpu-shares", "512", "--cpuset-cpus", "0", "--cpuset-mems", "0", "--pids-limit", "44", "c"
        ).out
        == container
    )
    kernel = Kernel(box, "c")
    expected = {
        "memory.limit_in_bytes": str(32 << 20),
        "memory.soft_limit_in_bytes": str(16 << 20),
        "memory.memsw.limit_in_bytes": str(48 << 20),
        "memory.swappiness": "7",
        "cpu.shares": "512",
        "cpu.cfs_quota_us": "50000",
        "cpuset.cpus": "0",
        "pids.max": "44",
    }
    assert {file: kernel.value(file) for file in expected} == expected
    host = inspected(box)["HostConfig"]
    assert (host["Memory"], host["CpuShares"], host["NanoCpus"], host["PidsLimit"]) == (32 << 20, 512, 500000000, 44)
    # Swap follows memory; a limit of processes can be lifted.
    box.run("update", "--memory", "128m", "--pids-limit", "-1", "c")
    assert kernel.value("memory.memsw.limit_in_bytes") == str(256 << 20)
    assert kernel.value("pids.max") == "max"
    box.run("update", "--cpu-period", "20000", "--cpu-quota", "10000", "--cpu-rt-period", "900000", "c")
    assert (kernel.value("cpu.cfs_period_us"), kernel.value("cpu.cfs_quota_us")) == ("20000", "10000")
    assert kernel.value("cpu.rt_period_us") == "900000"
    box.run("update", "--cpu-rt-runtime", "1000", "c")
    assert kernel.value("cpu.rt_runtime_us") == "1000"
    # What was changed holds after the next start.
    box.run("stop", "-t", "0", "c")
    box.run("start", "c")
    again = Kernel(box, "c")
    assert again.value("memory.limit_in_bytes") == str(128 << 20)
    assert (again.value("pids.max"), again.value("cpu.cfs_quota_us")) == ("max", "10000")


@legacy
@as_root
def test_limits_of_block_devices(box: Pod, busybox: str) -> None:
    number = _disk()
    path = f"/dev/{os.path.basename(os.path.realpath(f'/sys/dev/block/{number}'))}"
    box.run("run", "-d", "--name", "c", "--device-read-bps", f"{path}:1mb", busybox, "sleep", "100")
    box.run(
        "update", "--blkio-weight", "33", "--device-read-bps", f"{path}:2mb", "--device-write-bps", f"{path}:3mb", "c"
    )
    box.run("update", "--device-read-iops", f"{path}:4", "--device-write-iops", f"{path}:5", "c")
    kernel = Kernel(box, "c")
    files = ("read_bps_device", "write_bps_device", "read_iops_device", "write_iops_device")
    assert [kernel.value(f"blkio.throttle.{file}").split()[1] for file in files] == [
        str(2 << 20),
        str(3 << 20),
        "4",
        "5",
    ]
    host = inspected(box)["HostConfig"]
    assert (host["BlkioWeight"], host["BlkioDeviceReadBps"]) == (33, [{"Path": path, "Rate": 2 << 20}])
    box.run("stop", "-t", "0", "c")
    box.run("update", "--blkio-weight-device", f"{path}:300", "c")
    assert inspected(box)["HostConfig"]["BlkioWeightDevice"] == [{"Path": path, "Weight": 300}]


@legacy
@as_root
def test_under_load_each_update_counts(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sh", "-c", "while :; do :; done")
    commands = [box.start("update", "--cpus", f"0.{n}", "--memory", f"{n}0m", "c") for n in range(1, 7)]
    for command in commands:
        _, stderr = command.communicate(timeout=60)
        assert command.returncode == 0, stderr
    kernel, host = Kernel(box, "c"), inspected(box)["HostConfig"]
    assert int(kernel.value("cpu.cfs_quota_us")) == host["CpuQuota"]
    assert int(kernel.value("memory.limit_in_bytes")) == host["Memory"]
    assert host["Memory"] / (10 << 20) == host["CpuQuota"] / 10000


@as_root
def test_a_value_that_is_wrong_changes_nothing(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", "--memory", "64m", "--restart", "no", busybox, "sleep", "100")
    before = inspected(box)["HostConfig"]
    for line, message in (
        ("--memory x", "invalid value for memory: invalid size: 'x'"),
        ("--cpus 1 --cpu-quota 5000", "--cpu-quota and --cpus cannot be set together"),
        ("--cpus 0.5 --memory-swap 1m", "minimum memoryswap limit should be larger than memory limit, see usage"),
        ("--cpus 0.5 --memory-reservation 65m", "minimum memory limit cannot be less than memory reservation limit"),
        ("--cpus 0.5 --cpuset-cpus 60000", "requested CPUs are not available"),
        ("--memory 128m --restart bogus", '"bogus" is not a valid restart policy'),
        ("--cpu-shares 700 --memory 4k", ""),  # the kernel refuses it: less than is in use
    ):
        done = box.run("update", *line.split(), "c", check=False)
        assert (done.code, message in done.stderr) == (125, True), done.stderr
        assert inspected(box)["HostConfig"] == before
    if os.path.isdir("/sys/fs/cgroup/memory"):
        kernel = Kernel(box, "c")
        assert (kernel.value("cpu.shares"), kernel.value("memory.limit_in_bytes")) == ("1024", str(64 << 20))
        assert kernel.value("cpu.cfs_quota_us") == "-1"


def test_what_takes_no_cgroup(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", "-e", "A=1", "-e", "B=2", busybox, "sleep", "100")
    container = box.run("update", "--restart", "on-failure:3", "--env", "C=3", "--unsetenv", "A,PATH", "c").out
    assert inspected(box)["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    box.run("start", "c")
    assert sorted(box.run("exec", "c", "/bin/env").out.split())[:2] == ["B=2", "C=3"]
    box.run("update", "-e", "B=9", "--latest")
    assert "B=9" in box.run("exec", "c", "/bin/env").out.split()
    assert box.run("container", "update", "--restart", "no", "c").out == container
    box.run("rm", "-f", "-t", "0", "c")
    box.run("run", "-d", "--rm", "--name", "c", busybox, "sleep", "100")
    done = box.run("update", "--restart", "always", "c", check=False)
    assert (done.code, "the --rm option conflicts with --restart" in done.stderr) == (125, True)


@legacy
def test_wrong_objects(box: Pod, busybox: str) -> None:
    done = box.run("update", "--cpus", "1", "nope", check=False)
    assert (done.code, 'no container with name or ID "nope" found: no such container' in done.stderr) == (125, True)
    done = box.run("update", check=False)
    assert (done.code, "accepts 1 arg(s), received 0" in done.stderr) == (125, True)
    if "POD_TEST_RUNTIME" not in os.environ:  # runc makes no container without control groups
        box.run("create", "--name", "c", "--cgroups", "disabled", busybox)
        done = box.run("update", "--memory", "64m", "c", check=False)
        assert done.code == 125
        assert "cannot set resource limits when cgroups are disabled" in done.stderr
    box.run("create", "--name", "d", busybox)
    if box.rootless:
        for flag in ("--memory=64m", "--pids-limit=5"):
            done = box.run("update", flag, "d", check=False)
            assert (done.code, "no cgroup is delegated to user" in done.stderr) == (125, True)
    else:
        box.run("update", "--memory", "64m", "d")
        box.run("start", "d", check=False)


def test_health_check(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", "--health-cmd", "true", "--health-retries", "5", busybox, "sleep", "100")
    line = "update --health-interval 7s --health-timeout 4s --health-start-period 2s --health-on-failure kill"
    box.run(*line.split(), "--health-max-log-count", "3", "--health-max-log-size", "44", "c")
    box.run("update", "--health-log-destination", "events_logger", "c")
    line = "update --health-startup-interval 5s --health-startup-retries 6 --health-startup-success 2"
    box.run(*line.split(), "--health-startup-timeout", "3s", "--health-startup-cmd", "echo up", "c")
    config = inspected(box)["Config"]
    second = 10**9
    found = config["Healthcheck"]
    assert (found["Test"], found["Retries"]) == (["CMD-SHELL", "true"], 5)
    assert (found["Interval"], found["Timeout"], found["StartPeriod"]) == (7 * second, 4 * second, 2 * second)
    startup = config["StartupHealthCheck"]
    assert (startup["Test"], startup["Retries"]) == (["CMD-SHELL", "echo up"], 6)
    assert (startup["Interval"], startup["Timeout"]) == (5 * second, 3 * second)
    box.run("update", "--health-cmd", "false", "--health-retries", "1", "c")
    assert inspected(box)["Config"]["Healthcheck"]["Test"] == ["CMD-SHELL", "false"]
    done = box.run("update", "--health-timeout", "x", "c", check=False)
    assert (done.code, "invalid" in done.stderr) == (125, True)
    box.run("update", "--no-healthcheck", "c")
    assert (inspected(box)["Config"].get("Healthcheck") or {}).get("Test", ["NONE"]) == ["NONE"]
    done = box.run("update", "--health-interval", "1s", "c", check=False)
    assert (done.code, "cannot change the health check: the container has none" in done.stderr) == (125, True)


def test_health_check_of_a_running_container(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", "--health-cmd", "true", "--health-interval", "1h", busybox, "sleep", "100")
    box.run("update", "--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1", "c")
    deadline = time.monotonic() + 60
    while inspected(box)["State"]["Health"]["Status"] != "unhealthy":
        assert time.monotonic() < deadline
        time.sleep(0.2)
