"""System calls that Python has no function for, and storage needs."""

from __future__ import annotations

import ctypes
import os
import struct

_FSOPEN = 430
_FSCONFIG = 431
_FSMOUNT = 432
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_ADD_RULE = 445
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_RULE_PATH_BENEATH = 1
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6
_MOUNT_ATTR_RDONLY = 1
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _call(
    number: int, *arguments: ctypes.c_void_p | ctypes.c_char_p | ctypes.c_long | ctypes.Array[ctypes.c_char]
) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def landlock_version() -> int:
    """Return the version of Landlock that the kernel offers; 0 if it has none or it is disabled."""
    try:
        flags = ctypes.c_long(_LANDLOCK_CREATE_RULESET_VERSION)
        return _call(_LANDLOCK_CREATE_RULESET, ctypes.c_void_p(None), ctypes.c_long(0), flags)
    except OSError:
        return 0


def landlock_create_ruleset(handled_access_fs: int) -> int:
    """Return the fd of a new ruleset that governs these accesses to files."""
    attribute = ctypes.create_string_buffer(struct.pack("=Q", handled_access_fs), 8)
    return _call(_LANDLOCK_CREATE_RULESET, attribute, ctypes.c_long(8), ctypes.c_long(0))


def landlock_add_path(ruleset: int, allowed_access: int, parent_fd: int) -> None:
    """Allow accesses beneath a directory."""
    attribute = ctypes.create_string_buffer(struct.pack("=Qi", allowed_access, parent_fd), 12)
    rule = ctypes.c_long(_LANDLOCK_RULE_PATH_BENEATH)
    _call(_LANDLOCK_ADD_RULE, ctypes.c_long(ruleset), rule, attribute, ctypes.c_long(0))


def landlock_restrict_self(ruleset: int) -> None:
    """Put the calling thread, and all that it starts from now on, under the ruleset."""
    _call(_LANDLOCK_RESTRICT_SELF, ctypes.c_long(ruleset), ctypes.c_long(0))


def mount_detached(filesystem: str, options: list[tuple[str, str]]) -> int:
    """Mount read-only, attached nowhere; return the fd of the mount's root. It is gone with its last fd.

    fsopen(2), fsconfig(2) and fsmount(2). An option's value has at most 255 bytes.
    """
    context = _call(_FSOPEN, ctypes.c_char_p(os.fsencode(filesystem)), ctypes.c_long(1))
    try:
        for name, value in options:
            key, text = ctypes.c_char_p(os.fsencode(name)), ctypes.c_char_p(os.fsencode(value))
            _call(_FSCONFIG, ctypes.c_long(context), ctypes.c_long(_FSCONFIG_SET_STRING), key, text, ctypes.c_long(0))
        nothing = ctypes.c_void_p(None)
        create = ctypes.c_long(_FSCONFIG_CMD_CREATE)
        _call(_FSCONFIG, ctypes.c_long(context), create, nothing, nothing, ctypes.c_long(0))
        return _call(_FSMOUNT, ctypes.c_long(context), ctypes.c_long(1), ctypes.c_long(_MOUNT_ATTR_RDONLY))
    finally:
        os.close(context)


def exchange(first: str, second: str) -> None:
    """Let two paths change places in one step: renameat2(2), RENAME_EXCHANGE."""
    here = ctypes.c_int(_AT_FDCWD)
    names = [ctypes.c_char_p(os.fsencode(path)) for path in (first, second)]
    if _libc.renameat2(here, names[0], here, names[1], ctypes.c_uint(_RENAME_EXCHANGE)) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def set_no_new_privileges() -> None:
    """Give up, for good, what set-user-ID programs would give."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def set_parent_death_signal(signal: int) -> None:
    """Have the kernel send `signal` when the thread that started this process ends."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def _prctl(option: int, argument: int) -> None:
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), zero, zero, zero) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
