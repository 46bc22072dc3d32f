"""`--change` of import: Containerfile instructions that set an image's config."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def config(changes: Sequence[str]) -> dict[str, Any]:
    """Return the image config that the instructions come to, in their order."""
    result: dict[str, Any] = {}
    for change in changes:
        keyword, _, rest = change.strip().replace("=", " ", 1 if _is_short(change) else 0).partition(" ")
        keyword, rest = keyword.upper(), rest.strip()
        maker = _MAKERS.get(keyword)
        if maker is None:
            raise PodError(f'invalid change "{change}" - invalid instruction {keyword}')
        if not rest:
            raise PodError(f'invalid change "{change}" - must provide an argument to {keyword}')
        maker(result, rest, change)
    return result


def _is_short(change: str) -> bool:
    """Whether it is written KEYWORD=argument."""
    return change.strip().partition("=")[0].upper() in _MAKERS


def _command(key: str, result: dict[str, Any], rest: str) -> None:
    if rest.startswith("["):
        try:
            words = json.loads(rest)
        except ValueError:
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            result[key] = words
            return
    result[key] = ["/bin/sh", "-c", rest]


def _cmd(result: dict[str, Any], rest: str, _: str) -> None:
    _command("Cmd", result, rest)


def _entrypoint(result: dict[str, Any], rest: str, _: str) -> None:
    _command("Entrypoint", result, rest)


def _pairs(rest: str, change: str) -> list[tuple[str, str]]:
    """Read KEY=VALUE… or KEY VALUE."""
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise PodError(f'invalid change "{change}" - {error}') from error
    if "=" not in words[0]:
        if len(words) < 2:
            raise PodError(f'invalid change "{change}" - {words[0]} has no value')
        return [(words[0], " ".join(words[1:]))]
    pairs = [word.partition("=") for word in words]
    if any(not key or not equals for key, equals, _ in pairs):
        raise PodError(f'invalid change "{change}" - must be formatted as KEY=VALUE')
    return [(key, value) for key, _, value in pairs]


def _env(result: dict[str, Any], rest: str, change: str) -> None:
    variables = dict(one.split("=", 1) for one in result.get("Env", []))
    variables.update(_pairs(rest, change))
    result["Env"] = [f"{key}={value}" for key, value in variables.items()]


def _label(result: dict[str, Any], rest: str, change: str) -> None:
    result.setdefault("Labels", {}).update(_pairs(rest, change))


def _expose(result: dict[str, Any], rest: str, change: str) -> None:
    for word in rest.split():
        port, slash, protocol = word.partition("/")
        protocol = protocol.lower() if slash else "tcp"
        first, _, last = port.partition("-")
        if not all(text.isdigit() and 0 < int(text) < 65536 for text in (first, last or first)):
            raise PodError(f'invalid change "{change}" - invalid port {word}')
        if protocol not in ("tcp", "udp", "sctp"):
            raise PodError(f'invalid change "{change}" - invalid protocol {protocol}')
        for number in range(int(first), int(last or first) + 1):
            result.setdefault("ExposedPorts", {})[f"{number}/{protocol}"] = {}


def _volume(result: dict[str, Any], rest: str, change: str) -> None:
    paths = json.loads(rest) if rest.startswith("[") else rest.split()
    for path in paths:
        if not isinstance(path, str) or not path:
            raise PodError(f'invalid change "{change}" - not a path')
        result.setdefault("Volumes", {})[path] = {}


def _onbuild(result: dict[str, Any], rest: str, _: str) -> None:
    result.setdefault("OnBuild", []).append(rest)


def _user(result: dict[str, Any], rest: str, _: str) -> None:
    result["User"] = rest


def _workdir(result: dict[str, Any], rest: str, _: str) -> None:
    result["WorkingDir"] = rest


def _stop_signal(result: dict[str, Any], rest: str, _: str) -> None:
    from pod.values import parse_signal

    parse_signal(rest)
    result["StopSignal"] = rest


_MAKERS = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
