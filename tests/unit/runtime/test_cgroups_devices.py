"""Device rules: reduced, written for v1, and assembled for v2, where a small interpreter runs the program."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cgroups import devices_bpf
from runtime.cgroups.device_rules import DeviceAccess, reduce_rules
from runtime.cgroups.v1_settings import device_rules
from runtime.errors import SpecError

DENY_ALL = {"allow": False, "access": "rwm"}
ALLOW_ALL = {"allow": True, "access": "rwm"}
ALWAYS = [
    *("c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm"),
    *("c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"),
]
BITS = {"m": 1, "r": 2, "w": 4}


def rule(allow: bool, kind: str, major: int | None, minor: int | None, access: str) -> dict[str, Any]:
    return {"allow": allow, "type": kind, "major": major, "minor": minor, "access": access}


def run(program: bytes, kind: int, access: int, major: int, minor: int) -> int:
    """Interpret the few instructions that the assembler uses."""
    context = struct.pack("=III", access << 16 | kind, major, minor)
    registers = [0] * 11
    instructions = list(struct.iter_unpack("=BBhi", program))
    position = 0
    while True:
        code, pair, offset, immediate = instructions[position]
        destination, source = pair & 15, pair >> 4
        position += 1
        match code:
            case 0x61:
                assert source == 1
                (registers[destination],) = struct.unpack_from("=I", context, offset)
            case 0xBC:
                registers[destination] = registers[source]
            case 0xB4:
                registers[destination] = immediate
            case 0x54:
                registers[destination] &= immediate
            case 0x74:
                registers[destination] >>= immediate
            case 0x15:
                position += offset if registers[destination] == immediate else 0
            case 0x55:
                position += offset if registers[destination] != immediate else 0
            case 0x95:
                return registers[0]
            case _:
                raise AssertionError(hex(code))


def decide(rules: list[dict[str, Any]], kind: str, access: str, major: int, minor: int) -> bool:
    program = devices_bpf.assemble(reduce_rules(rules))
    return bool(run(program, {"b": 1, "c": 2}[kind], sum(BITS[each] for each in access), major, minor))


def test_v1_lines() -> None:
    assert device_rules([DENY_ALL]) == ("devices.deny", ALWAYS)
    assert device_rules([DENY_ALL, rule(True, "c", 10, 200, "rwm")]) == ("devices.deny", ["c 10:200 rwm", *ALWAYS])
    assert device_rules([DENY_ALL, rule(True, "c", 10, 229, "r"), ALLOW_ALL]) == ("devices.allow", [])
    assert device_rules([ALLOW_ALL, rule(False, "b", 8, None, "w")]) == ("devices.allow", ["b 8:* w"])
    assert device_rules([rule(True, "a", 7, None, "r")])[1][:2] == ["c 7:* r", "b 7:* r"]
    # What is allowed anyway is not written twice.
    assert device_rules([DENY_ALL, rule(True, "c", 1, 3, "r")])[1].count("c 1:3 rwm") == 1


def test_later_rules_take_back_what_earlier_ones_gave() -> None:
    rules = [DENY_ALL, rule(True, "b", 8, 0, "rw"), rule(True, "b", 8, 1, "rw"), rule(False, "b", 8, None, "w")]
    assert device_rules(rules)[1][:2] == ["b 8:0 r", "b 8:1 r"]
    assert "b 8:0" not in str(device_rules([*rules, rule(False, "b", 8, 0, "r")]))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([DENY_ALL, rule(True, "b", 8, None, "rw"), rule(False, "b", 8, 1, "w")], "b 8:1 cannot restrict"),
        ([rule(True, "p", 1, 1, "r")], "unknown type 'p'"),
        ([rule(True, "c", 1, 1, "rx")], "unknown access 'rx'"),
        ([rule(True, "c", -5, 1, "r")], "-5 is not a device number"),
    ],
)
def test_refused(rules: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        reduce_rules(rules)


def test_the_usual_rules() -> None:
    rules = [DENY_ALL, rule(True, "c", 10, 200, "rw")]
    assert decide(rules, "c", "rw", 1, 3)
    assert decide(rules, "c", "m", 77, 88)
    assert decide(rules, "b", "m", 8, 0)
    assert decide(rules, "c", "rw", 136, 42)
    assert decide(rules, "c", "rw", 10, 200)
    assert not decide(rules, "c", "rwm", 10, 200)
    assert not decide(rules, "b", "r", 8, 0)
    assert not decide(rules, "c", "r", 10, 201)
    assert not decide(rules, "b", "r", 10, 200)


def test_all_but_some() -> None:
    rules = [ALLOW_ALL, rule(False, "b", 8, None, "w")]
    assert decide(rules, "c", "rwm", 1, 1)
    assert decide(rules, "b", "r", 8, 3)
    assert not decide(rules, "b", "w", 8, 3)
    assert not decide(rules, "b", "rw", 8, 3)


numbers = st.sampled_from([-1, 0, 1, 8])


@given(
    allow=st.booleans(),
    exceptions=st.dictionaries(st.tuples(st.sampled_from("bc"), numbers, numbers), st.integers(1, 7), max_size=5),
)
def test_program_decides_as_the_rules_say(allow: bool, exceptions: dict[tuple[str, int, int], int]) -> None:
    access = DeviceAccess()
    access.allow = allow
    access.exceptions = exceptions
    program = devices_bpf.assemble(access)
    for kind, asked, major, minor in (
        (kind, asked, major, minor) for kind in "bc" for asked in range(1, 8) for major in (0, 1, 8) for minor in (0, 8)
    ):
        matching = [
            bits
            for (other, high, low), bits in exceptions.items()
            if other == kind and high in (-1, major) and low in (-1, minor)
        ]
        except_it = any(asked & bits if allow else not asked & ~bits for bits in matching)
        assert run(program, {"b": 1, "c": 2}[kind], asked, major, minor) == int(allow != except_it)
