"""What systemd is told: unit names, paths, limits as properties, devices, annotations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cgroups import systemd_properties as properties
from runtime.cgroups import v1_settings, v2_settings
from runtime.dbus.wire import Variant
from runtime.errors import SpecError


@pytest.mark.parametrize(
    ("path", "slice_name", "unit", "below"),
    [
        ("", "system.slice", "pod-abc.scope", "/system.slice/pod-abc.scope"),
        ("machine.slice:libpod:1f", "machine.slice", "libpod-1f.scope", "/machine.slice/libpod-1f.scope"),
        (":cri:1f", "system.slice", "cri-1f.scope", "/system.slice/cri-1f.scope"),
        ("a-b-c.slice::1f", "a-b-c.slice", "1f.scope", "/a.slice/a-b.slice/a-b-c.slice/1f.scope"),
        ("-.slice:p:1f", "-.slice", "p-1f.scope", "/p-1f.scope"),
        ("a.slice:p:x-y.slice", "a.slice", "x-y.slice", "/x.slice/x-y.slice"),
    ],
)
def test_units_and_their_place(path: str, slice_name: str, unit: str, below: str) -> None:
    assert properties.place(path, "abc", "system.slice") == (slice_name, unit)
    assert properties.unit_path(slice_name, unit) == below


@pytest.mark.parametrize(
    "path",
    [
        *("/pod/abc", "abc", "a.slice:b", "a.slice:b:c:d", "a.slice:b:", "a:b:c", "a--b.slice:b:c", "-a.slice:b:c"),
        *("a/b.slice:b:c", ".slice:b:c", "a.slice:b:../c", "a.slice:b:x--y.slice"),
    ],
)
def test_what_names_no_unit(path: str) -> None:
    with pytest.raises(SpecError, match=r"linux\.cgroupsPath"):
        properties.place(path, "abc", "system.slice")


def unified(resources: dict[str, Any], version: int = 257) -> dict[str, Any]:
    found = properties.limits(v2_settings.settings(resources), unified=True, version=version)
    return {name: variant.value for name, variant in found}


def test_limits_of_v2() -> None:
    assert unified(
        {
            "cpu": {"shares": 1024, "quota": 12345, "period": 100000, "cpus": "0-1,9", "mems": "0"},
            "memory": {"limit": 1000, "swap": 1500, "reservation": 500},
            "pids": {"limit": 9},
            "blockIO": {"weight": 10},
            "unified": {"memory.high": "700", "memory.min": "max", "memory.oom.group": "1", "io.max": "8:0 rbps=1"},
        }
    ) == {
        "CPUWeight": 100,
        "CPUQuotaPeriodUSec": 100000,
        "CPUQuotaPerSecUSec": 130000,
        "AllowedCPUs": b"\x03\x02",
        "AllowedMemoryNodes": b"\x01",
        "MemoryMax": 1000,
        "MemorySwapMax": 500,
        "MemoryLow": 500,
        "MemoryHigh": 700,
        "MemoryMin": properties.INFINITY,
        "TasksMax": 9,
        "IOWeight": 1,
    }


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, {}),
        ({"memory": {"limit": -1}}, {"MemoryMax": properties.INFINITY, "MemorySwapMax": properties.INFINITY}),
        ({"pids": {"limit": -1}}, {"TasksMax": properties.INFINITY}),
        ({"cpu": {"quota": -1}}, {"CPUQuotaPeriodUSec": 100000, "CPUQuotaPerSecUSec": properties.INFINITY}),
        ({"cpu": {"period": 5000}}, {"CPUQuotaPeriodUSec": 5000, "CPUQuotaPerSecUSec": properties.INFINITY}),
        ({"cpu": {"idle": 1, "shares": 1024}}, {"CPUWeight": 0}),
        ({"unified": {"cpu.max": "50000 200000"}}, {"CPUQuotaPeriodUSec": 200000, "CPUQuotaPerSecUSec": 250000}),
        ({"unified": {"io.weight": "default 50"}}, {"IOWeight": 50}),
    ],
)
def test_single_limits_of_v2(resources: dict[str, Any], expected: dict[str, Any]) -> None:
    assert unified(resources) == expected


def test_older_systemd_is_told_what_it_knows() -> None:
    resources = {"cpu": {"quota": 1000, "period": 1000, "cpus": "0"}}
    assert unified(resources, 241) == {"CPUQuotaPerSecUSec": 1000000}
    assert unified({"cpu": {"idle": 1}}, 251) == {}


def test_limits_of_v1() -> None:
    resources = {
        "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"},
        "memory": {"limit": 1000, "swap": 2000},
        "pids": {"limit": 9},
        "blockIO": {"weight": 100},
    }
    found = properties.limits(v1_settings.settings(resources), unified=False, version=257)
    assert {name: variant.value for name, variant in found} == {
        "CPUShares": 512,
        "CPUQuotaPeriodUSec": 100000,
        "CPUQuotaPerSecUSec": 500000,
        "MemoryLimit": 1000,
        "TasksMax": 9,
        "BlockIOWeight": 100,
    }


@given(st.sets(st.integers(0, 300), min_size=1))
def test_bits(numbers: set[int]) -> None:
    data = properties.bits(",".join(map(str, numbers)))
    assert {at * 8 + bit for at, byte in enumerate(data) for bit in range(8) if byte >> bit & 1} == numbers
    assert properties.bits("4-11") == b"\xf0\x0f"


@pytest.mark.parametrize("numbers", ["", "x", "3-1", "-1", "0,,1", "0-99999999"])
def test_bits_of_nonsense(numbers: str) -> None:
    with pytest.raises(SpecError, match=r"linux\.resources\.cpu"):
        properties.bits(numbers)


PROC_DEVICES = "Character devices:\n  1 mem\n136 pts\n 10 misc\n\nBlock devices:\n  8 sd\n259 blkext\n"


def test_devices() -> None:
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
        {"allow": True, "type": "b", "major": 8, "access": "r"},
        {"allow": True, "type": "b", "major": 77, "access": "r"},
    ]
    policy, reset, entries = properties.devices(rules, PROC_DEVICES)
    assert policy == ("DevicePolicy", Variant("s", "strict"))
    assert reset == ("DeviceAllow", Variant("a(ss)", []))
    found = dict(entries[1].value)
    assert found["/dev/char/10:229"] == "rw"
    assert found["block-sd"] == "r"
    assert (found["char-*"], found["block-*"], found["char-pts"], found["/dev/char/1:3"]) == ("m", "m", "rwm", "rwm")
    assert len(found) == 12  # a major number that no driver has is nothing to systemd
    assert properties.devices([{"allow": True, "access": "rwm"}], PROC_DEVICES) == [
        ("DevicePolicy", Variant("s", "auto")),
        reset,
    ]


def test_annotations() -> None:
    found = properties.annotated(
        {
            "other": "x",
            "org.systemd.property.TimeoutStopUSec": "uint64 5000000",
            "org.systemd.property.RuntimeMaxSec": "1.5",
            "org.systemd.property.CollectMode": "'inactive'",
            "org.systemd.property.After": "['a.service', 'b.service']",
        }
    )
    assert found == [
        ("TimeoutStopUSec", Variant("t", 5000000)),
        ("RuntimeMaxUSec", Variant("t", 1500000)),
        ("CollectMode", Variant("s", "inactive")),
        ("After", Variant("as", ["a.service", "b.service"])),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ab", "1"),
        ("With-Dash", "1"),
        ("Über", "1"),
        ("Slice", "bare"),
        ("WaitSec", "'a'"),
        ("WaitSec", "-1"),
        ("Abc", ""),
    ],
)
def test_annotations_that_say_nothing(name: str, value: str) -> None:
    with pytest.raises(SpecError, match=f"annotation org.systemd.property.{name}"):
        properties.annotated({f"org.systemd.property.{name}": value})


def test_a_slice_wants_its_parent_and_takes_no_process() -> None:
    names = dict(properties.start_properties("abc", "a.slice", "x.slice", 7))
    assert names["Wants"] == Variant("as", ["a.slice"])
    assert not names.keys() & {"PIDs", "Slice", "Delegate"}
    names = dict(properties.start_properties("abc", "a.slice", "x.scope", 7))
    assert (names["PIDs"], names["Slice"], names["Delegate"]) == (
        Variant("au", [7]),
        Variant("s", "a.slice"),
        Variant("b", True),
    )
