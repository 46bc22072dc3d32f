"""Seccomp filters: OCI `linux.seccomp` compiled to BPF by ourselves, kept in a cache, loaded into the calling process.

A hit in the cache costs the reading of one small file: neither the compiler nor the tables are imported for it.
"""

from __future__ import annotations

import posix
import stat
import struct
from binascii import crc32

from runtime import jsontext, syscalls
from runtime.errors import SpecError
from runtime.kernel import (
    SECCOMP_FILTER_FLAG_NEW_LISTENER,
    SECCOMP_FILTER_FLAG_TSYNC,
    SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Part of the key of the cache: to be raised when the compiler or its tables change their output.
COMPILER_VERSION = 1

FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32,
}


def compile_profile(profile: dict[str, Any], arch: str | None = None, *, strict: bool = False) -> bytes:
    """Compile OCI `linux.seccomp` to an array of struct sock_filter; `arch` is a machine as `uname -m` prints it.

    `strict` refuses a name that no architecture has, instead of skipping it.
    """
    from runtime.seccomp import compiler

    return compiler.compile_profile(profile, arch or posix.uname().machine, strict=strict)


def filter_flags(profile: dict[str, Any]) -> int:
    """Return the flags for `load_filter`; without any in the profile SPEC_ALLOW, as runc and crun do."""
    result = 0
    flags = profile.get("flags")
    for name in ("SECCOMP_FILTER_FLAG_SPEC_ALLOW",) if flags is None else flags:
        if name not in FLAGS:
            raise SpecError(f"seccomp: unknown flag {name!r}")
        result |= FLAGS[name]
    if not notifies(profile):
        # The kernel takes this one only together with a listener.
        return result & ~SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    if result & SECCOMP_FILTER_FLAG_TSYNC:
        # Without it the result could be a thread's ID or the listener.
        result |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH
    return result | SECCOMP_FILTER_FLAG_NEW_LISTENER


def notifies(profile: dict[str, Any]) -> bool:
    """Tell whether a profile has an agent decide about some system calls."""
    return any(rule.get("action") == "SCMP_ACT_NOTIFY" for rule in profile.get("syscalls") or ())


def load_filter(program: bytes, flags: int = 0) -> int:
    """Put the calling process under a filter, for ever; return the listener's fd if the flags ask for one.

    Needs no_new_privs or CAP_SYS_ADMIN in the process's user namespace. Imports nothing: may be called in a container.
    """
    return syscalls.seccomp_set_filter(program, flags)


def cached(profile: dict[str, Any] | str, cache_dir: str, arch: str | None = None, *, strict: bool = False) -> bytes:
    """Return the compiled profile, from `cache_dir` if it is there; best effort on the cache, never on the profile.

    The file is named by a checksum and carries the whole key, which must be equal. A cache that others than the
    caller could have written to is not used. Concurrent callers may write the same file: each writes it whole.
    """
    uname = posix.uname()
    text = profile if isinstance(profile, str) else jsontext.dumps(profile)
    key = f"pod-seccomp {COMPILER_VERSION} {int(strict)} {arch or uname.machine} {uname.release}\n{text}".encode()
    head = struct.pack("=I", len(key)) + key
    path = f"{cache_dir}/{crc32(key):08x}.bpf"
    content = _read_own(path)
    if content is not None and content.startswith(head) and _is_program(content, len(head)):
        return content[len(head) :]
    parsed = jsontext.loads(profile) if isinstance(profile, str) else profile
    program = compile_profile(parsed, arch, strict=strict)
    _write(cache_dir, path, head + program)
    return program


def _is_program(content: bytes, start: int) -> bool:
    return len(content) > start and (len(content) - start) % 8 == 0


def _read_own(path: str) -> bytes | None:
    """Read a file if it is a regular one of the caller's that nobody else may write; None for any failure."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = posix.fstat(fd)
        if not _is_own(status) or not stat.S_ISREG(status.st_mode):
            return None
        return posix.read(fd, status.st_size)
    except OSError:
        return None
    finally:
        posix.close(fd)


def _is_own(status: posix.stat_result) -> bool:
    return status.st_uid == posix.geteuid() and not status.st_mode & 0o022


def _write(cache_dir: str, path: str, content: bytes) -> None:
    """Write the file by an atomic rename, in a directory that is made if it is missing; give up on any failure."""
    temporary = f"{path}.{posix.getpid()}"
    try:
        try:
            posix.mkdir(cache_dir, 0o700)
        except FileExistsError:
            if not _is_own(posix.lstat(cache_dir)):
                return
        fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o600)
        try:
            written = posix.write(fd, content)
        finally:
            posix.close(fd)
        if written == len(content):
            posix.rename(temporary, path)
        else:
            posix.unlink(temporary)
    except OSError:
        pass
