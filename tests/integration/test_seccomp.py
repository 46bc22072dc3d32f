"""A filter in the kernel: a forked child loads it, and its system calls tell what it decides."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest

from pod.containers.security.seccomp_profile import default_profile
from runtime import seccomp, syscalls
from runtime.seccomp.profile import parse_table
from runtime.seccomp.tables import TABLES

PR_SET_NO_NEW_PRIVS = 38
MACHINE = os.uname().machine
ABI = {"x86_64": "X86_64", "aarch64": "AARCH64"}.get(MACHINE, "")
pytestmark = pytest.mark.skipif(not ABI, reason=f"no system call numbers for {MACHINE}")
NUMBERS = parse_table(TABLES[ABI or "X86_64"])
libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: int) -> int:
    """Make a system call; return 0 or its errno."""
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(NUMBERS[name]), *(ctypes.c_long(each) for each in arguments))
    return ctypes.get_errno() if result == -1 else 0


def under(profile: dict[str, Any], *actions: Callable[[], int]) -> list[int] | signal.Signals:
    """Run actions in a child under a profile; return their results, or the signal that ended it."""
    program, flags = seccomp.compile_profile(profile), seccomp.filter_flags(profile)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            syscalls.prctl(PR_SET_NO_NEW_PRIVS, 1)
            seccomp.load_filter(program, flags)
            os.write(writer, " ".join(str(action()) for action in actions).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        output = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return signal.Signals(-status) if status < 0 else [int(word) for word in output.split()]


def deny(name: str, action: str = "SCMP_ACT_ERRNO", **more: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [name], "action": action, **more}]}


def test_errno() -> None:
    assert under(deny("getppid"), lambda: call("getppid"), lambda: call("getpid")) == [errno.EPERM, 0]
    assert under(deny("getppid", errnoRet=errno.EXDEV), lambda: call("getppid")) == [errno.EXDEV]


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"])
def test_kill_and_trap(action: str) -> None:
    assert under(deny("getppid", action), lambda: call("getppid")) == signal.SIGSYS


def test_log_and_trace() -> None:
    assert under(deny("getppid", "SCMP_ACT_LOG"), lambda: call("getppid")) == [0]
    # Nobody traces: the kernel says that there is no such call.
    assert under(deny("getppid", "SCMP_ACT_TRACE"), lambda: call("getppid")) == [errno.ENOSYS]


def test_flags_are_taken() -> None:
    profile = {**deny("getppid"), "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"]}
    assert under(profile, lambda: call("getppid")) == [errno.EPERM]


def test_arguments_are_compared_with_64_bits() -> None:
    big = (1 << 40) + 5
    for operator, value, denied in (
        ("EQ", big, [False, True, False]),
        ("NE", big, [True, False, True]),
        ("LT", big, [True, False, False]),
        ("LE", big, [True, True, False]),
        ("GT", big, [False, False, True]),
        ("GE", big, [False, True, True]),
    ):
        args = [{"index": 2, "value": value, "op": f"SCMP_CMP_{operator}"}]
        actions = [(lambda argument=each: call("lseek", -1, 0, argument)) for each in (5, big, big + (1 << 33))]
        results = under(deny("lseek", args=args), *actions)
        assert results == [errno.EPERM if each else errno.EBADF for each in denied], operator


def test_masked_comparison() -> None:
    args = [{"index": 2, "value": 0xFF00, "valueTwo": 0x1200, "op": "SCMP_CMP_MASKED_EQ"}]
    results = under(
        deny("lseek", args=args), lambda: call("lseek", -1, 0, 0x1234), lambda: call("lseek", -1, 0, 0x1334)
    )
    assert results == [errno.EPERM, errno.EBADF]


def netlink(protocol: int) -> Callable[[], int]:
    return lambda: call("socket", socket.AF_NETLINK, socket.SOCK_RAW, protocol)


def test_default_profile() -> None:
    """Everyday calls work, those that need capabilities are refused, unknown ones do not exist."""
    results = under(
        default_profile(["CAP_SYS_CHROOT"]),
        lambda: call("getppid"),
        lambda: call("personality", 0xFFFFFFFF),
        lambda: call("personality", 0x4000000),
        lambda: call("acct", 0),
        lambda: call("kexec_load", 0, 0, 0, 0),
        lambda: call("bpf", 0, 0, 0),
        lambda: call("io_uring_setup", 1, 0),
        lambda: call("rseq_slice_yield"),
        netlink(0),
        netlink(9),
        lambda: call("chroot", 0),
        lambda: os.waitstatus_to_exitcode(os.system("exit 3")),
    )
    refused, unknown = errno.EPERM, errno.ENOSYS
    assert results == [0, 0, unknown, refused, refused, refused, unknown, unknown, 0, errno.EINVAL, errno.EFAULT, 3]


@pytest.mark.skipif(MACHINE != "x86_64", reason="x32 is an ABI of x86_64")
def test_x32_is_killed_unless_listed() -> None:
    number = 0x40000000 + NUMBERS["getppid"]

    def getppid() -> int:
        return int(libc.syscall(ctypes.c_long(number)) == -1)

    assert under(deny("acct"), getppid) == signal.SIGSYS
    assert under({**deny("acct"), "architectures": ["SCMP_ARCH_X32"]}, getppid) in ([0], [1])


def test_cached_filter_loads(tmp_path: Any) -> None:
    profile = default_profile([])
    first = seccomp.cached(profile, str(tmp_path / "cache"))
    assert seccomp.cached(profile, str(tmp_path / "cache")) == first == seccomp.compile_profile(profile)
