"""What the words of a command line stand for: users, signals, and where the state of containers is kept."""

from __future__ import annotations

import posix

from runtime import paths, process
from runtime.cli.arguments import UsageError
from runtime.errors import OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine

LARGEST_ID = 2**32 - 2
_SIGNAL_NAMES = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG "
    "XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
_REALTIME_MIN, _REALTIME_MAX = 34, 64
_UNITS = ("", "k", "m", "g", "t", "p")
_DURATIONS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
# Of a file's mode: what it is (S_IFMT), and what group and others may.
_KIND_AND_OTHERS, _DIRECTORY = 0o170077, 0o040000


def environment(name: str) -> str:
    """Return a variable of the environment; empty if it is not set: `os` would cost a millisecond."""
    return posix.environ.get(name.encode(), b"").decode("utf-8", "surrogateescape")


def root(line: CommandLine) -> str:
    """Return the directory of the containers' state: --root, else one of the system's or of the user's."""
    given = line.globals.get("root")
    if isinstance(given, str):
        return paths.absolute(given)
    uid = posix.geteuid()
    if not _is_rootless(line, uid):
        return "/run/pod-runtime"
    directory = environment("XDG_RUNTIME_DIR")
    if directory:
        return f"{paths.absolute(directory)}/pod-runtime"
    if uid == 0 and line.globals.get("rootless", "auto") == "auto":
        return "/run/pod-runtime"  # a container's root, rather than an ordinary user in a namespace of his engine
    return _private_directory(f"/tmp/pod-runtime-{uid}", uid)


def _is_rootless(line: CommandLine, uid: int) -> bool:
    given = line.globals.get("rootless", "auto")
    if given not in ("true", "false", "auto"):
        raise UsageError(f"--rootless is true, false or auto, not `{given}`")
    # Rootless podman starts its runtime as user 0 of a namespace.
    return given == "true" or (given == "auto" and (uid != 0 or process.in_user_namespace()))


def _private_directory(path: str, uid: int) -> str:
    """Return a directory that nobody else can enter, for want of XDG_RUNTIME_DIR (`su -` sets none)."""
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        pass
    status = posix.lstat(path)
    if status.st_mode & _KIND_AND_OTHERS != _DIRECTORY or status.st_uid != uid:
        raise OCIRuntimeError(
            f"use `{path}`: it is not a directory that only user {uid} can enter",
            hint="set XDG_RUNTIME_DIR to one, or say --root",
        )
    return path


def matching(line: CommandLine, root: str) -> list[str]:
    """Return the containers that a line names: the one, or with --regex all in whose ID the expression is found."""
    if not line.is_set("regex"):
        return line.arguments[:1]
    import re

    from runtime.status import list_ids

    try:
        expression = re.compile(line.arguments[0])
    except re.error as error:
        raise UsageError(f"`{line.arguments[0]}` is not a regular expression: {error}") from error
    return [name for name in list_ids(root) if expression.search(name)]


def size(text: str) -> int:
    """Read an amount of memory as runc does: bytes, or with a unit of 1024: 64m, 1.5GiB; -1 is no limit."""
    if text == "-1":
        return -1
    number = text.rstrip("bBiIkKmMgGtTpP ")
    unit = text[len(number) :].strip().lower().removesuffix("b").removesuffix("i")
    whole, _point, fraction = number.partition(".")
    digits = f"{whole}{fraction}"
    if unit not in _UNITS or not digits.isascii() or not digits.isdigit():
        raise UsageError(f"`{text}` is not an amount of memory: bytes, or with a unit as in 64m")
    return int(float(number) * 1024 ** _UNITS.index(unit)) if fraction else int(whole) * 1024 ** _UNITS.index(unit)


def duration(text: str) -> float:
    """Read a duration as Go writes it, in seconds: 5s, 1m30s, 500ms."""
    rest, seconds = text, 0.0
    good = bool(text)
    while rest and good:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("abcdefghijklmnopqrstuvwxyzµ"))]
        rest = rest[len(unit) :]
        good = unit in _DURATIONS and number.replace(".", "", 1).isdigit()
        seconds += float(number) * _DURATIONS[unit] if good else 0
    if not good:
        raise UsageError(f"`{text}` is not a duration as 5s or 1m30s")
    return seconds


def user(text: str) -> tuple[int, int | None]:
    """Read UID[:GID], numbers and nothing else (CVE-2026-30892)."""
    uid, colon, gid = text.partition(":")
    for number in (uid, *((gid,) if colon else ())):
        if not number.isascii() or not number.isdigit() or int(number) > LARGEST_ID:
            raise UsageError(f"user `{text}` is not of the form UID[:GID]")
    return int(uid), int(gid) if colon else None


def signal(text: str) -> int:
    """Read a signal: its number, or its name with or without SIG, RTMIN+n and RTMAX-n."""
    if text.isascii() and text.isdigit():
        number = int(text)
        if 0 <= number <= _REALTIME_MAX:
            return number
        raise UsageError(f"unknown signal `{text}`")
    name = text.upper().removeprefix("SIG")
    if name in _SIGNAL_NAMES:
        return _SIGNAL_NAMES.index(name) + 1
    for base, start, sign in (("RTMIN", _REALTIME_MIN, "+"), ("RTMAX", _REALTIME_MAX, "-")):
        offset = name.removeprefix(base)
        if offset == name:
            continue
        digits = offset[1:] if offset else "0"
        in_range = digits.isascii() and digits.isdigit() and int(digits) <= _REALTIME_MAX - _REALTIME_MIN
        if offset[:1] in ("", sign) and in_range:
            return start + int(f"{sign}{digits}")
    raise UsageError(f"unknown signal `{text}`")
