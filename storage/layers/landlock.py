"""Confine a process that reads a hostile tar: it can change nothing outside its directories.

The directory fds of `tree` hold the tar in already; this holds should they fail. Reading stays allowed:
certificates, and modules that Python imports late.
"""

from __future__ import annotations

import contextlib
import os

from storage import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# linux/landlock.h, LANDLOCK_ACCESS_FS_*
_WRITE_FILE = 1 << 1
_REMOVE_AND_MAKE = 0b1_1111_1111 << 4  # REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, _DIR, _REG, _SOCK, _FIFO, _BLOCK, _SYM
_REFER = 1 << 13
_TRUNCATE = 1 << 14


def confine(*directories: str, donors: Iterable[str] = ()) -> bool:
    """Let this process write beneath `directories` only; return False where the kernel cannot do it.

    Files beneath `donors`, those of them that are there, can be linked from there, nothing be made or removed.
    Irrevocable. Call it before any thread starts, for it binds the calling thread and its descendants.
    """
    version = syscalls.landlock_version()
    if version < 2:
        return False  # The first version forbids all links and renames from one directory to another.
    accesses = _WRITE_FILE | _REMOVE_AND_MAKE | _REFER | (_TRUNCATE if version >= 3 else 0)
    ruleset = syscalls.landlock_create_ruleset(accesses)
    try:
        for directory in directories:
            _allow(ruleset, accesses, directory)
        for directory in donors:
            # No file may be linked to where more is allowed with it: writing has to be, though nothing does.
            with contextlib.suppress(FileNotFoundError):
                _allow(ruleset, accesses & ~_REMOVE_AND_MAKE, directory)
        syscalls.set_no_new_privileges()
        syscalls.landlock_restrict_self(ruleset)
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, accesses: int, directory: str) -> None:
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscalls.landlock_add_path(ruleset, accesses, fd)
    finally:
        os.close(fd)
