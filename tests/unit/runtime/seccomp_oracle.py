"""A simulator of classic BPF, and libseccomp by ctypes as the oracle for our compiler."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import struct
import unittest
from typing import Any

TOKENS = {"X86_64": 0xC000003E, "X86": 0x40000003, "X32": 0x4000003E, "AARCH64": 0xC00000B7, "ARM": 0x40000028}
COMPARE = {"NE": 1, "LT": 2, "LE": 3, "EQ": 4, "GE": 5, "GT": 6, "MASKED_EQ": 7}
ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
Call = tuple[int, int, tuple[int, ...]]


class Simulator:
    """Runs a program; counts what it executes."""

    def __init__(self, program: bytes) -> None:
        self.instructions = list(struct.iter_unpack("=HBBI", program))
        self.executed = 0

    def run(self, call: Call) -> int:
        audit, number, arguments = call
        data = struct.pack("=iIQ6Q", _signed(number), audit, 0, *arguments)
        accumulator = position = 0
        while True:
            code, jt, jf, k = self.instructions[position]
            position += 1
            self.executed += 1
            if code == 0x20:
                (accumulator,) = struct.unpack_from("=I", data, k)
            elif code == 0x54:
                accumulator &= k
            elif code == 0x05:
                position += k
            elif code == 0x06:
                return int(k)
            else:
                holds = {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k}[code]
                position += jt if holds else jf


def _signed(number: int) -> int:
    return number - (1 << 32) if number & 0x80000000 else number


class _Argument(ctypes.Structure):
    _fields_ = [("index", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def load_libseccomp() -> Any:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        raise unittest.SkipTest("libseccomp.so.2 is not installed")
    library = ctypes.CDLL(name)
    library.seccomp_init.restype = ctypes.c_void_p
    return library


def action_value(entry: dict[str, Any], action: str = "action", errno: str = "errnoRet") -> int:
    value = ACTIONS[entry[action]]
    if entry[action] in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        value |= 1 if entry.get(errno) is None else entry[errno]
    return value


def compile_by_libseccomp(profile: dict[str, Any], abis: list[str]) -> bytes:
    """Do with libseccomp what runc and crun do with it."""
    library = load_libseccomp()
    default = action_value(profile, "defaultAction", "defaultErrnoRet")
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    try:
        for abi in abis:
            if abi != "X86_64":
                assert library.seccomp_arch_add(context, TOKENS[abi]) == 0
        if "X86_64" not in abis:
            assert library.seccomp_arch_remove(context, TOKENS["X86_64"]) == 0
        for entry in profile["syscalls"]:
            _add(library, context, entry, default)
        fd = os.memfd_create("bpf")
        try:
            assert library.seccomp_export_bpf(context, fd) == 0
            return os.pread(fd, 1 << 20, 0)
        finally:
            os.close(fd)
    finally:
        library.seccomp_release(context)


def _add(library: Any, context: ctypes.c_void_p, entry: dict[str, Any], default: int) -> None:
    value = action_value(entry)
    if value == default:
        return
    conditions = [
        _Argument(each["index"], COMPARE[each["op"].removeprefix("SCMP_CMP_")], each["value"], each.get("valueTwo", 0))
        for each in entry.get("args") or ()
    ]
    alternatives = [conditions]
    if len({each.index for each in conditions}) != len(conditions):
        alternatives = [[each] for each in conditions]
    for name in entry["names"]:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == -1:
            continue
        for alternative in alternatives:
            array = (_Argument * max(1, len(alternative)))(*alternative)
            result = library.seccomp_rule_add_array(
                context, ctypes.c_uint32(value), number, ctypes.c_uint(len(alternative)), array
            )
            assert result == 0, (name, result)
