"""OCI resources as values for the kernel's files: pure functions, compared as data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cgroups import CgroupUnavailableError, has_limits, v1_settings, v2_settings
from runtime.errors import SpecError

GIB = 1 << 30
BLOCK_IO = {
    "weight": 500,
    "weightDevice": [{"major": 8, "minor": 0, "weight": 10}],
    "throttleReadBpsDevice": [{"major": 8, "minor": 16, "rate": 1000}],
    "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 7}],
}


def v1(**resources: Any) -> list[str]:
    return [repr(each) for each in v1_settings.settings(resources)]


def v2(**resources: Any) -> list[str]:
    return [repr(each) for each in v2_settings.settings(resources)]


@pytest.mark.parametrize(
    ("resources", "in_v1", "in_v2"),
    [
        ({}, [], []),
        ({"memory": {}, "cpu": {"shares": 0, "quota": 0}, "pids": {}}, [], []),
        ({"pids": {"limit": 100}}, ["pids.max=100"], ["pids.max=100"]),
        ({"pids": {"limit": -1}}, ["pids.max=max"], ["pids.max=max"]),
        (
            {"memory": {"limit": GIB, "swap": 3 * GIB, "reservation": 5}},
            [f"memory.limit_in_bytes={GIB}", f"memory.memsw.limit_in_bytes={3 * GIB}", "memory.soft_limit_in_bytes=5"],
            [f"memory.max={GIB}", f"memory.swap.max={2 * GIB}", "memory.low=5"],
        ),
        (
            {"memory": {"limit": GIB, "swap": -1}},
            [f"memory.limit_in_bytes={GIB}", "memory.memsw.limit_in_bytes=-1"],
            [f"memory.max={GIB}", "memory.swap.max=max"],
        ),
        (
            {"memory": {"limit": -1}},
            ["memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"],
            ["memory.max=max", "memory.swap.max=max"],
        ),
        (
            {"memory": {"limit": GIB, "swap": GIB, "kernel": 5, "kernelTCP": 6}},
            [f"memory.limit_in_bytes={GIB}", f"memory.memsw.limit_in_bytes={GIB}"],
            [f"memory.max={GIB}", "memory.swap.max=0"],
        ),
        (
            {"cpu": {"shares": 1024, "quota": 50000, "period": 20000, "burst": 100}},
            ["cpu.shares=1024", "cpu.cfs_period_us=20000", "cpu.cfs_quota_us=50000", "cpu.cfs_burst_us=100"],
            ["cpu.weight=100", "cpu.max=50000 20000", "cpu.max.burst=100"],
        ),
        ({"cpu": {"quota": -1}}, ["cpu.cfs_quota_us=-1"], ["cpu.max=max 100000"]),
        ({"cpu": {"idle": 1, "shares": 0}}, ["cpu.idle=1"], ["cpu.idle=1"]),
        (
            {"cpu": {"cpus": "0-1", "mems": "0"}},
            ["cpuset.cpus=0-1", "cpuset.mems=0"],
            ["cpuset.cpus=0-1", "cpuset.mems=0"],
        ),
        (
            {"blockIO": BLOCK_IO},
            [
                "blkio.bfq.weight=500 or blkio.weight=500",
                "blkio.bfq.weight_device=8:0 10 or blkio.weight_device=8:0 10",
                "blkio.throttle.read_bps_device=8:16 1000",
                "blkio.throttle.write_iops_device=8:16 7",
            ],
            [
                "io.bfq.weight=500 or io.weight=4950",
                "io.bfq.weight=8:0 10 or io.weight=8:0 1",
                "io.max=8:16 rbps=1000",
                "io.max=8:16 wiops=7",
            ],
        ),
        (
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]},
            ["hugetlb.2MB.limit_in_bytes=0", "hugetlb.2MB.rsvd.limit_in_bytes=0 or nothing"],
            ["hugetlb.2MB.max=0", "hugetlb.2MB.rsvd.max=0 or nothing"],
        ),
        (
            {"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10}}},
            ["rdma.max=mlx5_1 hca_handle=3 hca_object=10"],
            ["rdma.max=mlx5_1 hca_handle=3 hca_object=10"],
        ),
    ],
)
def test_what_both_versions_have(resources: dict[str, Any], in_v1: list[str], in_v2: list[str]) -> None:
    assert v1(**resources) == in_v1
    assert v2(**resources) == in_v2


def test_what_only_v1_has() -> None:
    assert v1(memory={"swappiness": 0, "disableOOMKiller": True}) == ["memory.swappiness=0", "memory.oom_control=1"]
    assert v1(cpu={"realtimeRuntime": 5}) == ["cpu.rt_runtime_us=5"]
    network = {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 5}]}
    assert v1(network=network) == ["net_cls.classid=1048577", "net_prio.ifpriomap=eth0 5"]
    for section in (
        {"memory": {"swappiness": 0}},
        {"memory": {"disableOOMKiller": True}},
        {"cpu": {"realtimePeriod": 5}},
        {"network": network},
        {"blockIO": {"leafWeight": 10}},
    ):
        with pytest.raises(CgroupUnavailableError, match="cgroup v2 has no"):
            v2(**section)


def test_unified_is_written_as_it_is() -> None:
    assert v2(pids={"limit": 5}, unified={"memory.high": "1000", "pids.max": "7"}) == [
        "pids.max=5",
        "memory.high=1000",
        "pids.max=7",
    ]
    for file, value in (("../memory.max", "1"), ("memory/max.x", "1"), ("memory", "1"), ("memory.max", 1)):
        with pytest.raises(SpecError, match=r"linux\.resources\.unified"):
            v2(unified={file: value})


@pytest.mark.parametrize(
    "memory", [{"swap": GIB}, {"limit": -1, "swap": GIB}, {"limit": 2 * GIB, "swap": GIB}, {"limit": "1g"}]
)
def test_memory_that_makes_no_sense_in_v2(memory: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        v2(memory=memory)


@pytest.mark.parametrize(
    "resources",
    [
        {"pids": {"limit": "5"}},
        {"pids": {"limit": True}},
        {"cpu": {"cpus": 1}},
        {"memory": 5},
        {"pids": {"limit": 1.5}},
    ],
)
def test_values_of_the_wrong_kind(resources: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"linux\.resources"):
        v1(**resources)


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(2, 1), (3, 2), (10, 4), (512, 59), (1024, 100), (2048, 174), (131072, 5478), (262144, 10000), (1 << 20, 10000)],
)
def test_cpu_weight(shares: int, weight: int) -> None:
    assert v2_settings.weight_of_shares(shares) == weight


@given(st.integers(2, 262143))
def test_cpu_weight_is_monotonous_and_in_range(shares: int) -> None:
    assert 1 <= v2_settings.weight_of_shares(shares) <= v2_settings.weight_of_shares(shares + 1) <= 10000


def test_has_limits() -> None:
    assert not has_limits({})
    assert not has_limits({"devices": [{"allow": False, "access": "rwm"}], "memory": {}, "cpu": {"shares": 0}})
    assert has_limits({"pids": {"limit": 1}})
    assert has_limits({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]})
    assert has_limits({"unified": {"memory.high": "1"}})
