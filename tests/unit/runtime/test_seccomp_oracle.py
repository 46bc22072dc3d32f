"""Our filters decide as those that libseccomp makes from the same profile."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from runtime import seccomp
from runtime.seccomp.profile import AUDIT, parse_table
from runtime.seccomp.tables import TABLES
from tests.unit.runtime.seccomp_oracle import (
    COMPARE,
    TOKENS,
    Call,
    Simulator,
    action_value,
    compile_by_libseccomp,
    load_libseccomp,
)

X86_FAMILY, ARM_FAMILY = ("X86_64", "X86", "X32"), ("AARCH64", "ARM")
AUDITS = (0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0)
# All of these exist in all ABIs. (When a profile names one that an ABI lacks, libseccomp 2.5.4 can forget to load the
# number of the call: `fork` and a conditional `read` on aarch64 give a filter that compares 63 with the architecture.)
PLAIN = ["read", "write", "close", "personality", "madvise", "clone", "setns", "openat2"]
MULTIPLEXED = ["socket", "accept4", "bind", "sendmmsg", "shmat", "msgctl"]
LACKING = ["fork", "_llseek", "recv", "no_such_call"]
WORD = 1 << 32
VALUES = [0, 1, 2, 9, 16, 0x20008, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 32) + 1, 1 << 63, (1 << 64) - 1]


NUMBERS = {abi: parse_table(text) for abi, text in TABLES.items()}


def calls_of(abis: tuple[str, ...], names: list[str]) -> list[tuple[int, int]]:
    """Return (architecture, number) of some system calls, their neighbours, and the ends of the ranges."""
    calls = {(audit, number) for audit in AUDITS for number in (0, 0x3FFFFFFF, 0x40000000, 0x80000000, 0xFFFFFFFF)}
    for abi in abis:
        for number in (NUMBERS[abi][name] for name in names if name in NUMBERS[abi]):
            calls |= {(AUDIT[abi][0], near) for near in (max(number - 1, 0), number, number + 1)}
    return sorted(calls)


def differences(profile: dict[str, Any], abis: tuple[str, ...], calls: Sequence[Call]) -> list[Any]:
    machine = "x86_64" if "X86_64" in abis else "aarch64"
    profile = {**profile, "architectures": [f"SCMP_ARCH_{abi}" for abi in abis]}
    ours = Simulator(seccomp.compile_profile(profile, machine))
    theirs = Simulator(compile_by_libseccomp(profile, list(abis)))
    found = [(hex(call[0]), *call[1:], ours.run(call), theirs.run(call)) for call in calls]
    return [each for each in found if each[-1] != each[-2]]


actions: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"action": "SCMP_ACT_ALLOW"},
        {"action": "SCMP_ACT_ERRNO"},
        {"action": "SCMP_ACT_ERRNO", "errnoRet": 22},
        {"action": "SCMP_ACT_KILL"},
        {"action": "SCMP_ACT_KILL_PROCESS"},
        {"action": "SCMP_ACT_TRAP"},
        {"action": "SCMP_ACT_TRACE", "errnoRet": 7},
        {"action": "SCMP_ACT_LOG"},
    ]
)


def conditions(*, unique: bool) -> st.SearchStrategy[list[dict[str, Any]]]:
    argument = {
        "index": st.integers(0, 5),
        "value": st.sampled_from(VALUES),
        "valueTwo": st.sampled_from(VALUES),
        "op": st.sampled_from(sorted(COMPARE)).map("SCMP_CMP_".__add__),
    }
    if not unique:
        return st.lists(st.fixed_dictionaries(argument), min_size=1, max_size=3)
    # With an empty mask libseccomp takes a conditional rule for an unconditional one.
    any_one: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(argument)
    one = any_one.filter(lambda each: bool(each["op"] != "SCMP_CMP_MASKED_EQ" or each["value"] % WORD))
    return st.lists(one, min_size=1, max_size=3, unique_by=lambda each: each["index"])


@st.composite
def profiles(draw: st.DrawFn, *, for_libseccomp: bool) -> dict[str, Any]:
    """Draw a profile.

    For libseccomp a system call has at most one conditional rule, and those of socketcall and ipc one rule: when it
    merges several, conditions get lost (`a1 < 0` or `a1 < 1 << 32` does not hold for 1), or it refuses them.
    """
    default = draw(st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_LOG"]))
    entries: list[dict[str, Any]] = []
    conditional = list(PLAIN)
    unconditional = [*PLAIN, *MULTIPLEXED] if for_libseccomp else [*PLAIN, *MULTIPLEXED, *LACKING]
    for _ in range(draw(st.integers(1, 6))):
        if conditional and draw(st.integers(0, 1)) == 1:
            names = draw(st.lists(st.sampled_from(conditional), min_size=1, max_size=3, unique=True))
            entries.append({"names": names, "args": draw(conditions(unique=for_libseccomp)), **draw(actions)})
            if for_libseccomp:
                conditional = [name for name in conditional if name not in names]
        else:
            names = draw(st.lists(st.sampled_from(unconditional), max_size=8, unique=True))
            entries.append({"names": names, "args": None, **draw(actions)})
            if for_libseccomp:
                unconditional = [name for name in unconditional if name not in names or name not in MULTIPLEXED]
    profile: dict[str, Any] = {"defaultAction": default, "syscalls": entries}
    if default == "SCMP_ACT_ERRNO":
        profile["defaultErrnoRet"] = 38
    return profile


def random_calls(profile: dict[str, Any], abis: tuple[str, ...], choose: random.Random) -> list[Call]:
    names = sorted({name for entry in profile["syscalls"] for name in entry["names"]})
    return [
        (audit, number, tuple(choose.choice(VALUES) for _ in range(6)))
        for audit, number in calls_of(abis, names)
        for _ in range(6)
    ]


@pytest.mark.parametrize("abis", [("X86_64",), X86_FAMILY, ARM_FAMILY])
@settings(max_examples=25, phases=(Phase.generate,), suppress_health_check=[HealthCheck.too_slow])
@given(profile=profiles(for_libseccomp=True), choose=st.randoms(use_true_random=False))
def test_random_profiles_decide_alike(abis: tuple[str, ...], profile: dict[str, Any], choose: random.Random) -> None:
    calls = random_calls(profile, abis, choose)
    # The first argument of socketcall and ipc is the number of the call.
    calls += [(0x40000003, number, (call, 0, 9, 9, 9, 9)) for number in (101, 102, 117) for call in range(26)]
    assert differences(profile, abis, calls) == []


def holds(condition: dict[str, Any], arguments: tuple[int, ...], bits: int) -> bool:
    """Say what runtime-spec says about one condition."""
    width = (1 << bits) - 1
    argument: int = arguments[condition["index"]] & width
    value: int = condition["value"] & width
    masked: bool = argument & value == condition["valueTwo"] & value
    return {
        "MASKED_EQ": masked,
        "EQ": argument == value,
        "NE": argument != value,
        "LT": argument < value,
        "LE": argument <= value,
        "GT": argument > value,
        "GE": argument >= value,
    }[condition["op"].removeprefix("SCMP_CMP_")]


def meaning(profile: dict[str, Any], name: str, arguments: tuple[int, ...], bits: int) -> int:
    """Interpret the profile without compiling it."""
    default = action_value(profile, "defaultAction", "defaultErrnoRet")
    conditional: int | None = None
    for entry in profile["syscalls"]:
        value = action_value(entry)
        if name not in entry["names"] or value == default:
            continue
        tests = [holds(each, arguments, bits) for each in entry["args"] or ()]
        if not tests:
            return value
        indexes = {each["index"] for each in entry["args"]}
        if conditional is None and (all if len(indexes) == len(tests) else any)(tests):
            conditional = value
    return default if conditional is None else conditional


@pytest.mark.parametrize(("abi", "bits"), [("X86_64", 64), ("X32", 32), ("AARCH64", 64), ("ARM", 32)])
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(profile=profiles(for_libseccomp=False), choose=st.randoms(use_true_random=False))
def test_random_profiles_mean_what_they_say(
    abi: str, bits: int, profile: dict[str, Any], choose: random.Random
) -> None:
    machine = "x86_64" if abi.startswith("X") else "aarch64"
    program = seccomp.compile_profile({**profile, "architectures": [f"SCMP_ARCH_{abi}"]}, machine)
    simulator = Simulator(program)
    names = {number: name for name, number in NUMBERS[abi].items()}
    for audit, number, arguments in random_calls(profile, (abi,), choose):
        if audit == AUDIT[abi][0] and number in names:
            expected = meaning(profile, names[number], arguments, bits)
            assert simulator.run((audit, number, arguments)) == expected, (names[number], arguments)


@pytest.mark.parametrize("operator", ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"])
@pytest.mark.parametrize("abis", [X86_FAMILY, ARM_FAMILY])
def test_every_operator_at_every_edge(abis: tuple[str, ...], operator: str) -> None:
    for value in VALUES:
        arguments = [{"index": 3, "value": value, "valueTwo": value & 0xFFFF0000FFFF0000, "op": f"SCMP_CMP_{operator}"}]
        profile = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mmap", "mmap2"], "action": "SCMP_ACT_TRAP", "args": arguments}],
        }
        near = sorted({(each + delta) % (1 << 64) for each in VALUES for delta in (-1, 0, 1)})
        numbers = [(AUDIT[abi][0], NUMBERS[abi]["mmap2" if abi == "ARM" else "mmap"]) for abi in abis]
        calls = [(audit, number, (0, 0, 0, each, 0, 0)) for audit, number in numbers for each in near]
        assert differences(profile, abis, calls) == []


def test_numbers_agree_with_libseccomp() -> None:
    library = load_libseccomp()
    for abi, text in TABLES.items():
        table = parse_table(text)
        assert len(table) > 300
        for name, number in table.items():
            known = library.seccomp_syscall_resolve_name_arch(TOKENS[abi], name.encode())
            # Negative: libseccomp does not know it, or calls it by a number of its own because of socketcall and ipc.
            assert known in (number, -1) or known < -1, (abi, name)
