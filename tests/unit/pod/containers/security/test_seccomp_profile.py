"""The default profile has the effect of podman's; files of podman and docker are read."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from pod.containers.security.seccomp_profile import default_profile, from_file
from pod.errors import PodError
from runtime import seccomp
from runtime.seccomp.profile import AUDIT, parse_table
from runtime.seccomp.tables import TABLES
from tests.unit.runtime.seccomp_oracle import Simulator, compile_by_libseccomp

DEBIAN = "/usr/share/containers/seccomp.json"
PODMAN_DEFAULT = [
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP"),
    *("CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT"),
]
CAPABILITIES = {
    "none": [],
    "podman": PODMAN_DEFAULT,
    "audit": [*PODMAN_DEFAULT, "CAP_AUDIT_WRITE"],
    "admin": [*PODMAN_DEFAULT, "CAP_SYS_ADMIN", "CAP_SYS_TIME"],
    "some": ["CAP_DAC_READ_SEARCH", "CAP_SYS_MODULE", "CAP_SYS_PACCT", "CAP_SYS_PTRACE", "CAP_SYS_RAWIO"],
    "tty": ["CAP_SYS_TTY_CONFIG"],
}
MACHINES = {"x86_64": ["X86_64", "X86", "X32"], "aarch64": ["AARCH64", "ARM"]}


def all_calls(abis: list[str]) -> list[tuple[int, int, tuple[int, ...]]]:
    """Return every number of some ABIs, and those around them, with arguments of which some matter to the profile."""
    choose = random.Random(1)
    values = [0, 8, 9, 10, 16, 17, 0x20000, 0x20008, 0xFFFFFFFF, 1 << 32, (1 << 64) - 1]
    calls: list[tuple[int, int, tuple[int, ...]]] = []
    for abi in abis:
        numbers = set(parse_table(TABLES[abi]).values())
        for number in sorted(numbers | {each + 1 for each in numbers} | {0x3FFFFFFF, 0x50000000, 0xFFFFFFFF}):
            calls += [(AUDIT[abi][0], number, tuple(choose.choice(values) for _ in range(6))) for _ in range(4)]
        for name in ("socket", "personality"):
            number = parse_table(TABLES[abi])[name]
            calls += [(AUDIT[abi][0], number, (first, 3, third, 0, 0, 0)) for first in values for third in values]
    return [*calls, (0, 0, (0,) * 6)]


@pytest.mark.skipif(not os.path.exists(DEBIAN), reason="golang-github-containers-common is not installed")
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("capabilities", CAPABILITIES.values(), ids=CAPABILITIES)
def test_default_profile_has_the_effect_of_debians_file(capabilities: list[str], machine: str) -> None:
    abis = MACHINES[machine]
    ours = default_profile(capabilities, arch=machine)
    theirs = from_file(DEBIAN, capabilities, arch=machine)
    assert ours["architectures"] == theirs["architectures"] == [f"SCMP_ARCH_{abi}" for abi in abis]
    filters = [
        Simulator(seccomp.compile_profile(ours, machine)),
        Simulator(seccomp.compile_profile(theirs, machine)),
        Simulator(compile_by_libseccomp(theirs, abis)),
    ]
    for call in all_calls(abis):
        assert len({each.run(call) for each in filters}) == 1, call


def test_default_profile_needs_few_instructions() -> None:
    simulator = Simulator(seccomp.compile_profile(default_profile(PODMAN_DEFAULT, arch="x86_64"), "x86_64"))
    calls = [(AUDIT["X86_64"][0], number, (0,) * 6) for number in parse_table(TABLES["X86_64"]).values()]
    for call in calls:
        simulator.run(call)
    assert len(simulator.instructions) < 500
    assert simulator.executed / len(calls) < 12


def write(path: Path, **document: Any) -> str:
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", **document}))
    return str(path)


def names(profile: dict[str, Any]) -> list[str]:
    return [name for rule in profile["syscalls"] for name in rule["names"]]


@pytest.mark.parametrize(
    ("conditions", "counts"),
    [
        ({}, True),
        ({"includes": {"caps": ["CAP_KILL"]}}, True),
        ({"includes": {"caps": ["CAP_KILL", "CAP_SYS_ADMIN"]}}, False),
        ({"excludes": {"caps": ["CAP_KILL"]}}, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}, True),
        ({"includes": {"arches": ["amd64", "x32"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"minKernel": "3.0"}}, True),
        ({"includes": {"minKernel": "99.1"}}, False),
        ({"excludes": {"minKernel": "3.0"}}, False),
    ],
)
def test_conditions_of_rules(tmp_path: Path, conditions: dict[str, Any], counts: bool) -> None:
    path = write(tmp_path / "p.json", syscalls=[{"names": ["acct"], "action": "SCMP_ACT_ALLOW", **conditions}])
    assert names(from_file(path, ["CAP_KILL"], arch="x86_64")) == (["acct"] if counts else [])


def test_names_errnos_and_flags(tmp_path: Path) -> None:
    rule = {"name": "acct", "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "errno": "EINVAL"}
    path = write(tmp_path / "p.json", defaultErrno="ENOSYS", flags=["SECCOMP_FILTER_FLAG_LOG"], syscalls=[rule])
    profile = from_file(path, [])
    assert profile["defaultErrnoRet"] == 38
    assert profile["flags"] == ["SECCOMP_FILTER_FLAG_LOG"]
    assert profile["syscalls"] == [{"names": ["acct"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22}]


def test_architectures_are_the_machines(tmp_path: Path) -> None:
    mapped = [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}]
    path = write(tmp_path / "p.json", archMap=mapped)
    assert from_file(path, [], arch="x86_64")["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert from_file(path, [], arch="aarch64")["architectures"] == []
    path = write(tmp_path / "p.json", archMap=mapped, architectures=["SCMP_ARCH_X86"])
    with pytest.raises(PodError, match="both architectures and archMap"):
        from_file(path, [])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"defaultAction": 1, "syscalls": [1]}', '{"syscalls": {"a": 1}}'])
def test_nonsense_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(PodError, match="loading seccomp profile"):
        from_file(str(path), [])


def test_missing_file_is_an_error() -> None:
    with pytest.raises(PodError, match="opening seccomp profile failed: open /nowhere: no such file or directory"):
        from_file("/nowhere", [])
