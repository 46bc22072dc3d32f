"""The command line of `pod-runtime`, read by hand: Go's flag style as runc has it, on a few milliseconds."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Options = dict[str, str | bool | list[str]]


class UsageError(Exception):
    """The command line is wrong."""


# name: takes a value
GLOBAL = {
    "root": True,
    "log": True,
    "log-format": True,
    "log-level": True,
    "debug": False,
    "systemd-cgroup": False,
    "cgroup-manager": True,
    "rootless": True,
    "criu": True,
    "version": False,
    "help": False,
}
_PROCESS_FILES = {"console-socket": True, "pidfd-socket": True, "pid-file": True, "preserve-fds": True}
_CREATE = {**_PROCESS_FILES, "bundle": True, "config": True, "no-pivot": False, "no-new-keyring": False}
VERBS: dict[str, dict[str, bool]] = {
    "create": _CREATE,
    "run": {**_CREATE, "detach": False, "keep": False, "no-subreaper": False},
    "start": {},
    "state": {},
    "kill": {"all": False},
    "delete": {"force": False},
    "list": {"format": True, "quiet": False},
    "exec": {
        **_PROCESS_FILES,
        "process": True,
        "detach": False,
        "tty": False,
        "cwd": True,
        "env": True,
        "user": True,
        "additional-gids": True,
        "cap": True,
        "no-new-privs": False,
        "apparmor": True,
        "process-label": True,
        "ignore-paused": False,
    },
}
_SHORT = {
    "create": {"b": "bundle"},
    "run": {"b": "bundle", "d": "detach"},
    "kill": {"a": "all"},
    "delete": {"f": "force"},
    "list": {"f": "format", "q": "quiet"},
    "exec": {
        "p": "process",
        "d": "detach",
        "t": "tty",
        "e": "env",
        "u": "user",
        "g": "additional-gids",
        "c": "cap",
    },
}
_REPEATED = ("env", "cap", "additional-gids")
_TRUE = ("true", "1", "t", "T", "TRUE", "True")
_FALSE = ("false", "0", "f", "F", "FALSE", "False")


class CommandLine:
    """What was asked: global options, the verb, its options, its arguments."""

    __slots__ = ("arguments", "globals", "options", "verb")

    def __init__(self, words: list[str]) -> None:
        self.globals: Options = {}
        self.options: Options = {}
        rest = _read(words, GLOBAL, {"v": "version", "h": "help"}, self.globals)
        self.verb = rest[0] if rest else ""
        self.arguments: list[str] = []
        if not self.verb or self.globals.get("help") or self.globals.get("version"):
            return
        if self.verb not in VERBS:
            raise UsageError(f"unknown command `{self.verb}`")
        known = {**VERBS[self.verb], "help": False}
        self.arguments = _read(rest[1:], known, {**_SHORT.get(self.verb, {}), "h": "help"}, self.options)

    def text(self, name: str) -> str | None:
        """Return the value of an option of the verb, None if it was not given."""
        value = self.options.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int:
        """Return the value of an option of the verb as a number, 0 if it was not given."""
        value = self.text(name) or "0"
        if not value.isascii() or not value.isdigit():
            raise UsageError(f"--{name} needs a number, not `{value}`")
        return int(value)

    def texts(self, name: str) -> list[str]:
        """Return the values of an option that may be given several times."""
        value = self.options.get(name)
        return value if isinstance(value, list) else []

    def is_set(self, name: str) -> bool:
        """Tell whether a switch of the verb is on."""
        return bool(self.options.get(name))


def _read(words: list[str], known: dict[str, bool], short: dict[str, str], found: Options) -> list[str]:
    """Read options up to the first word that is none; return the rest."""
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--":
            return words[index + 1 :]
        if not word.startswith("-") or word == "-":
            break
        index += 1
        name, equals, value = word.lstrip("-").partition("=")
        name = short.get(name, name)
        if name not in known:
            raise UsageError(f"unknown option `{word}`")
        if not known[name]:
            found[name] = _switch(name, value) if equals else True
            continue
        if not equals:
            if index == len(words):
                raise UsageError(f"option `--{name}` requires an argument")
            value = words[index]
            index += 1
        _add(found, name, value)
    return words[index:]


def _switch(name: str, value: str) -> bool:
    if value not in _TRUE and value not in _FALSE:
        raise UsageError(f"--{name} is true or false, not `{value}`")
    return value in _TRUE


def _add(found: Options, name: str, value: str) -> None:
    earlier = found.get(name)
    if name not in _REPEATED:
        found[name] = value
    elif isinstance(earlier, list):
        earlier.append(value)
    else:
        found[name] = [value]


def user(text: str) -> tuple[int, int | None]:
    """Read UID[:GID], numbers and nothing else (CVE-2026-30892)."""
    uid, colon, gid = text.partition(":")
    for number in (uid, *((gid,) if colon else ())):
        if not number.isascii() or not number.isdigit() or int(number) > 2**32 - 2:
            raise UsageError(f"user `{text}` is not of the form UID[:GID]")
    return int(uid), int(gid) if colon else None


_SIGNAL_NAMES = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG "
    "XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
_REALTIME_MIN, _REALTIME_MAX = 34, 64


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
