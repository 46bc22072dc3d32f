# ruff: noqa: D402, F405 - a docstring that starts with "mount(2)" names the manual page
"""The system calls that Python 3.11 lacks: one function each, with the kernel's name and the kernel's constants.

All go through libc's `syscall()`, so neither the age nor the kind of the C library matters. They raise OSError, with
the file name where there is one. ctypes passes a Python int as a C int: what may need 64 bits is wrapped in `_Long`.
"""

from __future__ import annotations

import _ctypes
import posix
import struct
from errno import EAGAIN, EINTR

from runtime.kernel import *  # noqa: F403 - the constants belong to the calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Path = str | bytes

# name: (x86_64, aarch64); from 424 on the numbers are the same everywhere.
_NUMBERS = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "unshare": (272, 97),
    "setns": (308, 268),
    "prctl": (157, 167),
    "capget": (125, 90),
    "capset": (126, 91),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "keyctl": (250, 219),
    "seccomp": (317, 277),
    "prlimit64": (302, 261),
    "fstatfs": (138, 44),
    "getcwd": (79, 17),
    "bpf": (321, 280),
    "mknodat": (259, 33),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "personality": (135, 92),
    "set_mempolicy": (238, 237),
    "pidfd_send_signal": (424, 424),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_open": (434, 434),
    "clone3": (435, 435),
    "close_range": (436, 436),
    "openat2": (437, 437),
    "mount_setattr": (442, 442),
}
MACHINE = posix.uname().machine
_COLUMN = 1 if MACHINE == "aarch64" else 0
SYSCALL_NUMBERS = {name: numbers[_COLUMN] for name, numbers in _NUMBERS.items()}


class _Long(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "l"


class _Char(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "c"


class _Syscall(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = _Long


_syscall: Any = _Syscall(_ctypes.dlsym(_ctypes.dlopen(None, 2), "syscall"))  # type: ignore[arg-type]


def buffer(size: int, content: bytes = b"") -> Any:
    """Return memory that the kernel can write into; `.raw` gives its bytes."""
    memory = (_Char * size)()
    if content:
        memory[: len(content)] = content  # type: ignore[call-overload]
    return memory


def address(memory: Any) -> int:
    """Return the address of what `buffer` returned, for a pointer inside of a structure."""
    return _ctypes.addressof(memory)


def call(name: str, *arguments: Any, filename: Path | None = None) -> int:
    """Make the system call `name`; raise OSError with `filename` if it fails."""
    result: int = _syscall(SYSCALL_NUMBERS[name], *arguments)
    if result < 0:
        number = _ctypes.get_errno()
        raise OSError(number, posix.strerror(number), filename)
    return result


def _path(path: Path) -> bytes:
    encoded = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else path
    if b"\0" in encoded:
        raise ValueError("embedded null byte in a path")
    return encoded


def _text(value: Path | None) -> bytes | None:
    return None if value is None else _path(value)


def mount(
    source: Path | None, target: Path, fstype: str | None = None, flags: int = 0, data: Path | None = None
) -> None:
    """mount(2)."""
    call("mount", _text(source), _path(target), _text(fstype), _Long(flags), _text(data), filename=target)


def remount(target: Path, flags: int) -> None:
    """mount(2) with MS_REMOUNT."""
    mount(None, target, None, flags | MS_REMOUNT)


def umount2(target: Path, flags: int = 0) -> None:
    """umount2(2)."""
    call("umount2", _path(target), flags, filename=target)


def pivot_root(new_root: Path, put_old: Path) -> None:
    """pivot_root(2)."""
    call("pivot_root", _path(new_root), _path(put_old), filename=new_root)


def unshare(flags: int) -> None:
    """unshare(2)."""
    call("unshare", flags)


def setns(fd: int, flags: int) -> None:
    """setns(2): `fd` is a namespace, or a pidfd with the set of namespaces to enter."""
    call("setns", fd, flags)


def clone3(flags: int, exit_signal: int, *, cgroup: int = -1) -> tuple[int, int]:
    """Fork into new namespaces: (pid, pidfd) in the parent, (0, -1) in the child.

    Only in a process with one thread: libc is not told of this fork.
    """
    pidfd = buffer(4)
    if cgroup >= 0:
        flags |= CLONE_INTO_CGROUP
    flags |= CLONE_PIDFD
    arguments = struct.pack("=11Q", flags, address(pidfd), 0, 0, exit_signal, 0, 0, 0, 0, 0, max(cgroup, 0))
    pid = call("clone3", arguments, len(arguments))
    return (pid, struct.unpack("=i", pidfd.raw)[0]) if pid else (0, -1)


def open_tree(directory: int, path: Path, flags: int) -> int:
    """open_tree(2)."""
    return call("open_tree", directory, _path(path), _Long(flags), filename=path)


def move_mount(from_fd: int, from_path: Path, to_fd: int, to_path: Path, flags: int) -> None:
    """move_mount(2)."""
    call("move_mount", from_fd, _path(from_path), to_fd, _path(to_path), flags, filename=to_path or None)


def attach_mount(mount_fd: int, target_fd: int) -> None:
    """Attach a detached mount to the file or directory that `target_fd` is."""
    move_mount(mount_fd, b"", target_fd, b"", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)


def mount_setattr(
    fd: int,
    path: Path = b"",
    *,
    flags: int = AT_EMPTY_PATH,
    attr_set: int = 0,
    attr_clr: int = 0,
    propagation: int = 0,
    userns_fd: int = 0,
) -> None:
    """mount_setattr(2)."""
    attributes = struct.pack("=4Q", attr_set, attr_clr, propagation, userns_fd)
    call("mount_setattr", fd, _path(path), flags, attributes, _Long(len(attributes)), filename=path or None)


def fsopen(fstype: str, flags: int = 1) -> int:
    """fsopen(2), close-on-exec."""
    return call("fsopen", _path(fstype), flags, filename=fstype)


def fsconfig_set_flag(fd: int, key: str) -> None:
    """fsconfig(FSCONFIG_SET_FLAG)."""
    call("fsconfig", fd, 0, _path(key), None, 0, filename=key)


def fsconfig_set_string(fd: int, key: str, value: Path) -> None:
    """fsconfig(FSCONFIG_SET_STRING); the kernel takes at most 255 bytes."""
    call("fsconfig", fd, 1, _path(key), _path(value), 0, filename=key)


def fsconfig_create(fd: int) -> None:
    """fsconfig(FSCONFIG_CMD_CREATE)."""
    call("fsconfig", fd, 6, None, None, 0)


def fsconfig_reconfigure(fd: int) -> None:
    """fsconfig(FSCONFIG_CMD_RECONFIGURE)."""
    call("fsconfig", fd, 7, None, None, 0)


def fspick(directory: int, path: Path) -> int:
    """fspick(2): the configuration of a mounted file system; close-on-exec, without following links."""
    return call("fspick", directory, _path(path), 0x1 | 0x2 | 0x8, filename=path or None)


def fsmount(fd: int, attributes: int = 0, flags: int = 1) -> int:
    """fsmount(2): a detached mount, close-on-exec."""
    return call("fsmount", fd, flags, attributes)


def openat2(directory: int, path: Path, flags: int, *, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2), close-on-exec."""
    how = struct.pack("=3Q", flags | posix.O_CLOEXEC, mode, resolve)
    while True:
        try:
            return call("openat2", directory, _path(path), how, _Long(len(how)), filename=path)
        except OSError as error:
            # EAGAIN: a rename somewhere raced with a lookup of `..` below a root; the kernel asks us to try again.
            if error.errno not in (EINTR, EAGAIN):
                raise


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """close_range(2)."""
    if first <= last:
        call("close_range", first, _Long(last), flags)


def prctl(option: int, argument2: int = 0, argument3: int = 0, argument4: int = 0, argument5: int = 0) -> int:
    """prctl(2)."""
    return call("prctl", option, _Long(argument2), _Long(argument3), _Long(argument4), _Long(argument5))


def capget() -> tuple[int, int, int]:
    """Return (effective, permitted, inheritable) of this process as bit sets."""
    data = buffer(24)
    call("capget", struct.pack("=Ii", 0x20080522, 0), data)
    low_e, low_p, low_i, high_e, high_p, high_i = struct.unpack("=6I", data.raw)
    return low_e | high_e << 32, low_p | high_p << 32, low_i | high_i << 32


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set the capabilities of this process."""
    sets = (effective, permitted, inheritable)
    low, high = [value & 0xFFFFFFFF for value in sets], [value >> 32 for value in sets]
    call("capset", struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", *low, *high))


def seccomp_set_filter(program: bytes, flags: int = 0) -> int:
    """seccomp(SECCOMP_SET_MODE_FILTER) with an array of struct sock_filter; the listener's fd if one was asked for."""
    memory = buffer(len(program), program)
    return call("seccomp", 1, flags, struct.pack("@HP", len(program) // 8, address(memory)))


def keyctl_join_session(name: str) -> int:
    """keyctl(KEYCTL_JOIN_SESSION_KEYRING): the session keyring of that name, made if there is none; its number."""
    return call("keyctl", 1, _path(name), 0, 0, 0)


def keyctl_describe(key: int) -> bytes:
    """keyctl(KEYCTL_DESCRIBE): `type;uid;gid;permissions;description`, the permissions in hexadecimal."""
    memory = buffer(4096)
    length = call("keyctl", 6, key, memory, _Long(4096), 0)
    text: bytes = memory.raw[: length - 1]
    return text


def keyctl_set_permissions(key: int, permissions: int) -> None:
    """keyctl(KEYCTL_SETPERM)."""
    call("keyctl", 5, key, _Long(permissions), 0, 0)


def sched_setattr(pid: int, attributes: bytes) -> None:
    """sched_setattr(2) with a struct sched_attr."""
    call("sched_setattr", pid, attributes, 0)


def ioprio_set(which: int, who: int, priority: int) -> None:
    """ioprio_set(2)."""
    call("ioprio_set", which, who, priority)


def personality(domain: int) -> None:
    """personality(2)."""
    call("personality", _Long(domain))


def set_mempolicy(mode: int, nodes: list[int]) -> None:
    """set_mempolicy(2); the kernel counts one bit less than it is told of (its BUGS section)."""
    bits = 0
    for node in nodes:
        bits |= 1 << node
    size = (bits.bit_length() + 63) // 64 * 8
    call("set_mempolicy", mode, bits.to_bytes(size, "little") or None, _Long(size * 8 + 1 if size else 0))


def sethostname(name: str) -> None:
    """sethostname(2)."""
    encoded = _path(name)
    call("sethostname", encoded, _Long(len(encoded)))


def setdomainname(name: str) -> None:
    """setdomainname(2)."""
    encoded = _path(name)
    call("setdomainname", encoded, _Long(len(encoded)))


def prlimit(pid: int, resource: int, soft: int, hard: int) -> None:
    """prlimit(2): set a limit of a process, 0 for this one."""
    call("prlimit64", pid, resource, struct.pack("=2Q", soft, hard), None)


def read_limit(pid: int, resource: int) -> tuple[int, int]:
    """prlimit(2): return (soft, hard)."""
    memory = buffer(16)
    call("prlimit64", pid, resource, None, memory)
    soft, hard = struct.unpack("=2Q", memory.raw)
    return soft, hard


def filesystem_type(fd: int) -> int:
    """Return f_type of fstatfs(2): the magic number of the file system."""
    memory = buffer(128)
    call("fstatfs", fd, memory)
    magic: int = struct.unpack_from("=q", memory.raw)[0]
    return magic & 0xFFFFFFFF


def getcwd() -> bytes:
    """getcwd(2) as the kernel answers: a directory outside of our root is `(unreachable)…`, which libc would hide."""
    memory = buffer(4096)
    length = call("getcwd", memory, _Long(4096))
    content: bytes = memory.raw[: length - 1]
    return content


def pidfd_send_signal(pidfd: int, signal: int) -> None:
    """pidfd_send_signal(2)."""
    call("pidfd_send_signal", pidfd, signal, None, 0)


def open_directory(path: Path, directory: int = AT_FDCWD) -> int:
    """Open a directory that is no symbolic link, as a handle only."""
    flags = posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
    return posix.open(path, flags, dir_fd=None if directory == AT_FDCWD else directory)
