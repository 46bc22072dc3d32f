"""Values as people write them on command lines: sizes, limits, lists of processors, key=value files.

Sources: podman-run(1); docker/go-units for sizes and ulimits.
"""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Mapping
else:
    import _signal

# Seconds: poll(2) counts milliseconds in an int.
LONGEST_TIMEOUT = 2_000_000
_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
ULIMITS = ("as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack").split()


def parse_size(text: str) -> int:
    """Return bytes for "64m", "1.5GB", "1024", "8KiB"."""
    lower = text.strip().lower().removesuffix("ib")
    if lower.endswith("b") and lower[-2:-1] in _UNITS:
        lower = lower[:-1]
    unit = _UNITS.get(lower[-1:], 0)
    number = lower[:-1] if unit else lower
    try:
        value = float(number)
        if not 0 <= value < 2**63 or not (number[:1].isdigit() or number[:1] == "."):
            raise ValueError
        return int(value * (unit or 1))
    except ValueError:
        raise PodError(f"invalid size: '{text}'", hint="write a number and one of b, k, m, g: 512m") from None


def parse_bool(text: str) -> bool:
    """Return what Go's strconv.ParseBool makes of a text."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise PodError(f'invalid boolean "{text}": write true or false')


def parse_ulimit(text: str) -> tuple[str, int, int]:
    """Return name, soft and hard limit of "nofile=1024:2048"; -1 is unlimited."""
    name, equals, limits = text.partition("=")
    soft, colon, hard = limits.partition(":")
    failed = f'ulimit option "{text}" requires name=SOFT:HARD, failed to be parsed'
    if not equals:
        raise PodError(f"{failed}: invalid ulimit argument: {text}")
    if name not in ULIMITS:
        raise PodError(f"{failed}: invalid ulimit type: {name}", hint="known are " + ", ".join(ULIMITS))
    try:
        pair = int(soft), int(hard if colon else soft)
    except ValueError:
        raise PodError(f"{failed}: not a number", hint=f"write {name}=SOFT[:HARD]") from None
    if min(pair) < -1:
        raise PodError(f"{failed}: not a limit: {min(pair)}", hint="-1 is unlimited")
    if pair[1] != -1 and (pair[0] > pair[1] or pair[0] == -1):
        raise PodError(f"{failed}: ulimit soft limit must be less than or equal to hard limit: {pair[0]} > {pair[1]}")
    return name, pair[0], pair[1]


def parse_pair(text: str, what: str) -> tuple[str, str]:
    """Return key and value of "key[=value]"; `what` names the flag in the message."""
    key, _, value = text.partition("=")
    if not key:
        raise PodError(f'invalid {what} "{text}": the key is empty')
    return key, value


def parse_env(items: list[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables for --env: "K=V", "K" taken from the environment, "K*" for all that begin so."""
    result: dict[str, str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not key:
            raise PodError(f'invalid environment variable: "{item}"', hint="write NAME=VALUE, NAME or PREFIX*")
        if equals:
            result[key] = value
        elif key.endswith("*"):
            result.update({name: environ[name] for name in environ if name.startswith(key[:-1])})
        elif key in environ:
            result[key] = environ[key]
    return result


def read_env_file(path: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a file of lines "K=V" or "K", with comments."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or "not text").lower()
        raise PodError(f'parsing env file "{path}": open {path}: {reason}') from error
    items = [line.lstrip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for item in items:
        if " " in item.partition("=")[0].rstrip():
            name = item.partition("=")[0]
            raise PodError(f'parsing env file "{path}": name "{name}" has white spaces, poorly formatted name')
    return parse_env(items, environ)


def signal_name(number: int) -> str:
    """Return the name of a signal: SIGTERM, SIGRTMIN+3."""
    if number > _signal.SIGRTMIN:
        return f"SIGRTMIN+{number - _signal.SIGRTMIN}"
    others = ("SIGCLD", "SIGPOLL", "SIGIOT")
    names = (name for name in dir(_signal) if name[:3] == "SIG" and name[3] != "_" and name not in others)
    return next((name for name in names if getattr(_signal, name) == number), str(number))


def parse_signal(text: str) -> int:
    """Return the number of a signal given as 9, KILL, SIGKILL, RTMIN+3 or RTMAX-3."""
    upper = text.upper()
    if upper.isdigit() and 0 < int(upper) < 65:
        return int(upper)
    name = upper if upper.startswith("SIG") else f"SIG{upper}"
    sign = {"SIGRTMIN": "+", "SIGRTMAX": "-"}.get(name[:8], "")
    base, given, offset = name.partition(sign) if sign else (name, "", "")
    number = getattr(_signal, base, None)
    if not isinstance(number, int) or base.startswith("SIG_") or (given and not (offset.isdigit() and len(offset) < 3)):
        raise PodError(f"invalid signal: {text}", hint="write a number or a name such as TERM or SIGKILL")
    return int(number) + (int(f"{sign}{offset}") if given else 0)
