"""The guard of devices in cgroup v2: an eBPF program (BPF_PROG_TYPE_CGROUP_DEVICE) decides on every open and mknod.

The kernel gives it the kind and access that are asked for, major and minor; it returns 1 to allow. Several programs on
the way up must all allow. The program lives as long as the cgroup.
"""

from __future__ import annotations

import posix
import struct
from errno import EPERM

from runtime import process, syscalls
from runtime.cgroups.device_rules import WILDCARD, reduce_rules
from runtime.cgroups.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cgroups.device_rules import DeviceAccess

_PROG_LOAD, _PROG_ATTACH, _PROG_DETACH, _PROG_GET_FD_BY_ID, _PROG_QUERY = 5, 8, 9, 13, 16
_PROG_TYPE_CGROUP_DEVICE = 15
_CGROUP_DEVICE = 6
_F_ALLOW_MULTI = 2
_MAX_ATTACHED = 64
_LICENSE = b"Apache-2.0\0"
_ALL_ACCESS = 7
_KINDS = {"b": 1, "c": 2}

_LOAD_WORD, _MOVE_REGISTER, _MOVE, _AND, _SHIFT_RIGHT = 0x61, 0xBC, 0xB4, 0x54, 0x74
_JUMP_EQUAL, _JUMP_NOT_EQUAL, _EXIT = 0x15, 0x55, 0x95
_RESULT, _CONTEXT, _KIND, _ACCESS, _MAJOR, _MINOR, _SCRATCH = range(7)


def _instruction(code: int, destination: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("=BBhi", code, destination | source << 4, offset, immediate)


def assemble(access: DeviceAccess) -> bytes:
    """Return the program for a set of rules."""
    code = [
        _instruction(_LOAD_WORD, _KIND, _CONTEXT, 0),
        _instruction(_MOVE_REGISTER, _ACCESS, _KIND),
        _instruction(_AND, _KIND, immediate=0xFFFF),
        _instruction(_SHIFT_RIGHT, _ACCESS, immediate=16),
        _instruction(_LOAD_WORD, _MAJOR, _CONTEXT, 4),
        _instruction(_LOAD_WORD, _MINOR, _CONTEXT, 8),
    ]
    for (kind, major, minor), bits in access.exceptions.items():
        checks = [(_JUMP_NOT_EQUAL, _KIND, _KINDS[kind])]
        if major != WILDCARD:
            checks.append((_JUMP_NOT_EQUAL, _MAJOR, major))
        if minor != WILDCARD:
            checks.append((_JUMP_NOT_EQUAL, _MINOR, minor))
        code += _exception(checks, bits, access.allow)
    code += _decide(access.allow)
    return b"".join(code)


def _decide(allow: bool) -> list[bytes]:
    return [_instruction(_MOVE, _RESULT, immediate=int(allow)), _instruction(_EXIT)]


def _exception(checks: list[tuple[int, int, int]], bits: int, allow: bool) -> list[bytes]:
    """Decide against the default if the device matches and all (to allow) or any (to deny) of the access is listed."""
    prepare: list[bytes] = []
    if allow or bits != _ALL_ACCESS:
        mask = bits if allow else _ALL_ACCESS & ~bits
        prepare = [_instruction(_MOVE_REGISTER, _SCRATCH, _ACCESS), _instruction(_AND, _SCRATCH, immediate=mask)]
        checks = [*checks, (_JUMP_EQUAL if allow else _JUMP_NOT_EQUAL, _SCRATCH, 0)]
    end = len(prepare) + len(checks) + 2
    tests = [
        _instruction(code, register, offset=end - len(prepare) - index - 1, immediate=value)
        for index, (code, register, value) in enumerate(checks)
    ]
    return [*prepare, *tests, *_decide(not allow)]


def guard(directory: str, rules: list[dict[str, Any]]) -> None:
    """Put the rules into force for a cgroup, in place of those that it has.

    In a user namespace the kernel lets nobody do this: then permissions alone guard the devices, as they did before.
    """
    try:
        program = _load(assemble(reduce_rules(rules)))
    except PermissionError as error:
        if process.in_user_namespace():
            return
        raise CgroupError(f"load the device rules of {directory}: {error.strerror}") from error
    try:
        cgroup = posix.open(directory, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        try:
            previous = attached(cgroup)
            _bpf(_PROG_ATTACH, struct.pack("=IIII", cgroup, program, _CGROUP_DEVICE, _F_ALLOW_MULTI))
            for identity in previous:
                _detach(cgroup, identity)
        finally:
            posix.close(cgroup)
    except OSError as error:
        raise CgroupError(f"attach the device rules to {directory}: {error.strerror}") from error
    finally:
        posix.close(program)


def attached(cgroup: int) -> list[int]:
    """Return the ids of the device programs of a cgroup, given by fd."""
    identities = syscalls.buffer(4 * _MAX_ATTACHED)
    attributes = struct.pack("=IIIIQII", cgroup, _CGROUP_DEVICE, 0, 0, syscalls.address(identities), _MAX_ATTACHED, 0)
    memory = syscalls.buffer(len(attributes), attributes)
    syscalls.call("bpf", _PROG_QUERY, memory, len(attributes))
    (count,) = struct.unpack_from("=I", memory.raw, 24)
    return list(struct.unpack_from(f"={count}I", identities.raw))


def _detach(cgroup: int, identity: int) -> None:
    program = _bpf(_PROG_GET_FD_BY_ID, struct.pack("=III", identity, 0, 0))
    try:
        _bpf(_PROG_DETACH, struct.pack("=III", cgroup, program, _CGROUP_DEVICE))
    finally:
        posix.close(program)


def _load(code: bytes) -> int:
    try:
        return _try_load(code)
    except PermissionError:
        # Before 5.11 programs were charged to RLIMIT_MEMLOCK, and its refusal has the same errno.
        unlimited = (1 << 64) - 1
        try:
            syscalls.prlimit(0, _RLIMIT_MEMLOCK, unlimited, unlimited)
        except OSError as error:
            if error.errno != EPERM:
                raise
        return _try_load(code)


_RLIMIT_MEMLOCK = 8


def _try_load(code: bytes) -> int:
    instructions = syscalls.buffer(len(code), code)
    license_text = syscalls.buffer(len(_LICENSE), _LICENSE)
    attributes = struct.pack(
        "=IIQQIIQII16s",
        _PROG_TYPE_CGROUP_DEVICE,
        len(code) // 8,
        syscalls.address(instructions),
        syscalls.address(license_text),
        0,
        0,
        0,
        0,
        0,
        b"pod_devices",
    )
    return _bpf(_PROG_LOAD, attributes)


def _bpf(command: int, attributes: bytes) -> int:
    return syscalls.call("bpf", command, syscalls.buffer(len(attributes), attributes), len(attributes))
