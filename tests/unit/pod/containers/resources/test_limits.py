"""Limits: from words to the runtime spec, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pod.cli.flags import cgroups, resources
from pod.config import Config
from pod.containers.create import CreateOptions
from pod.containers.resources import limits
from pod.errors import PodError


def asked(**flags: Any) -> dict[str, Any]:
    options = CreateOptions()
    resources.declare(options, **flags)
    limits.check(options.resources, unified=False)
    limits.complete(options.resources)
    return options.resources


def settings(**containers: Any) -> Config:
    config = Config(graphroot="/g", runroot="/r", uid=0, rootless=False, home="/", user="root")
    config.containers = containers
    return config


@pytest.mark.parametrize(("number", "quota"), [(1, 100000), (0.5, 50000), (2.25, 225000), (0.001, 1000)])
def test_cpus(number: float, quota: int) -> None:
    assert asked(cpus=number) == {"cpu": {"quota": quota, "period": 100000}}


@pytest.mark.parametrize("number", [0.0, -1.0, float("nan")])
def test_no_limit_of_cpus(number: float) -> None:
    assert asked(cpus=number) == {}


def test_swap_is_twice_the_memory_unless_it_is_said() -> None:
    assert asked(memory="64m") == {"memory": {"limit": 64 << 20, "swap": 128 << 20}}
    assert asked(memory="64m", memory_swap="-1") == {"memory": {"limit": 64 << 20, "swap": -1}}
    assert asked(memory="64m", memory_swap="64m", memory_reservation="1m", memory_swappiness=0) == {
        "memory": {"limit": 64 << 20, "swap": 64 << 20, "reservation": 1 << 20, "swappiness": 0}
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"cpus": 1.0, "cpu_quota": 5000}, "--cpu-quota and --cpus cannot be set together"),
        ({"cpus": 1.0, "cpu_period": 5000}, "--cpu-period and --cpus cannot be set together"),
        ({"cpus": float("inf")}, "invalid number of CPUs"),
        ({"memory_swap": "64m"}, "you should always set a memory limit when using a memoryswap limit, see usage"),
        (
            {"memory": "64m", "memory_swap": "1m"},
            "minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            {"memory": "1m", "memory_reservation": "2m"},
            "minimum memory limit cannot be less than memory reservation limit, see usage",
        ),
        ({"memory_swappiness": 101}, "invalid value: 101, valid memory swappiness range is 0-100"),
        ({"memory": "x"}, "invalid value for memory: invalid size: 'x'"),
        ({"memory_swap": "-2"}, "invalid value for memory-swap: invalid size: '-2'"),
        ({"cpu_period": 10}, "CPU cfs period cannot be less than 1ms"),
        ({"cpu_period": 1000001}, "CPU cfs period cannot be less than 1ms"),
        ({"cpu_quota": 5}, "CPU cfs quota cannot be less than 1ms"),
        ({"cpu_shares": 1}, "the minimum allowed cpu-shares is 2"),
        ({"cpuset_cpus": "60000"}, "requested CPUs are not available - requested 60000, available: 0"),
        *(
            ({"cpuset_cpus": text}, f"invalid value {text} for cpuset cpus")
            for text in ("a", "3-1", "0,", "0--1", "-1")
        ),
        ({"cpuset_mems": "60000"}, "requested memory nodes are not available - requested 60000"),
        ({"blkio_weight": "x"}, "invalid value for blkio-weight"),
        ({"blkio_weight": "5"}, "range of blkio weight is from 10 to 1000"),
        ({"blkio_weight_device": ["/dev/null"]}, "bad format: /dev/null"),
        ({"blkio_weight_device": ["null:100"]}, "bad format for device path: null:100"),
        ({"blkio_weight_device": ["/dev/null:5"]}, "invalid weight for device: /dev/null:5"),
        ({"blkio_weight_device": ["/dev/nope:100"]}, "failed to inspect '/dev/nope' in --blkio-weight-device"),
        ({"device_read_bps": ["/dev/nope:1mb"]}, "could not parse throttle device at /dev/nope: no such file"),
        ({"device_read_bps": ["/dev/null"]}, "bad format: /dev/null"),
        ({"device_read_bps": ["null:1"]}, "bad format for device path: null:1"),
        ({"device_write_bps": ["/dev/null:x"]}, "invalid rate for device: /dev/null:x. The correct format is"),
        ({"device_read_iops": ["/dev/null:1mb"]}, "invalid rate for device: /dev/null:1mb. The correct format is"),
        ({"device_write_iops": ["/dev/null:-1"]}, "Number must be a positive integer"),
        ({"device_write_iops": ["/dev:1"]}, "bad format for device path"),
    ],
)
def test_nonsense(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(PodError) as caught:
        asked(**flags)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("section", "key", "flag"),
    [
        ("memory", "swappiness", "--memory-swappiness"),
        ("memory", "disableOOMKiller", "--oom-kill-disable"),
        ("cpu", "realtimePeriod", "--cpu-rt-period"),
        ("cpu", "realtimeRuntime", "--cpu-rt-runtime"),
    ],
)
def test_what_only_v1_has_is_refused_on_v2(section: str, key: str, flag: str) -> None:
    wanted = {section: {key: 1}}
    limits.check(wanted, unified=False)
    with pytest.raises(PodError, match=f"{flag} is not supported on cgroups V2 systems"):
        limits.check(wanted, unified=True)


def test_files_of_v2_are_refused_on_v1() -> None:
    wanted = {"unified": limits.cgroup_conf(["memory.high=1"])}
    limits.check(wanted, unified=True)
    with pytest.raises(PodError, match="cannot use --cgroup-conf without cgroup v2"):
        limits.check(wanted, unified=False)
    for text in ("x", "=1", "../x=1"):
        with pytest.raises(PodError, match="--cgroup-conf must be formatted KEY=VALUE"):
            limits.cgroup_conf([text])


def test_throttles_name_the_device_by_its_number() -> None:
    wanted = asked(device_read_bps=["/dev/null:1mb,/dev/zero:5"], device_write_iops=["/dev/null:7"])
    assert wanted["blockIO"] == {
        "throttleReadBpsDevice": [
            {"major": 1, "minor": 3, "rate": 1 << 20},
            {"major": 1, "minor": 5, "rate": 5},
        ],
        "throttleWriteIOPSDevice": [{"major": 1, "minor": 3, "rate": 7}],
    }


def test_limits_of_the_process() -> None:
    options = CreateOptions()
    cgroups.declare(options, ulimit=["nofile=10:20,core=0", "nofile=5"])
    assert options.ulimits == [("nofile", 5, 5), ("core", 0, 0)]
    cgroups.declare(options, ulimit=["core=0", "host"])
    limits.settle(settings(default_ulimits=["core=1"]), options)
    assert options.ulimits == []


def test_defaults_of_containers_conf() -> None:
    options = CreateOptions()
    limits.settle(settings(default_ulimits=["nofile=10:20"], oom_score_adj=1000), options)
    assert (options.ulimits, options.oom_score_adj) == ([("nofile", 10, 20)], 1000)


def test_an_oom_score_is_lowered_by_nobody_but_root() -> None:
    options, config = CreateOptions(), settings()
    config.rootless = True
    options.oom_score_adj = -1000
    with open("/proc/self/oom_score_adj") as file:
        now = int(file.read())
    limits.settle(config, options)
    assert options.oom_score_adj == now
    assert options.warnings == [f"Requested oom_score_adj=-1000 is lower than the current one, changing to {now}"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"cgroups": "x"}, 'running container create option: invalid cgroup mode "x": invalid argument'),
        ({"cgroups": "split", "cgroup_parent": "/x"}, "cannot specify --cgroup-mode=split with a cgroup-parent"),
        ({"cgroups": "disabled", "cgroup_parent": "/x"}, "cannot specify --cgroups=disabled with a cgroup-parent"),
        ({"oom_score_adj": 1001}, "valid oom-score-adj range is -1000 to 1000"),
        ({"kernel_memory": "1m"}, "the --kernel-memory flag is no longer supported"),
        ({"rdt_class": "x"}, "Intel's Resource Director Technology is not supported"),
    ],
)
def test_nonsense_about_the_cgroup(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(PodError) as caught:
        cgroups.declare(CreateOptions(), **flags)
    assert message in str(caught.value)
