"""What --secret and --ssh say: read once, before the build, so that what is wrong is told at once."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Iterable

_LARGEST = 512_000  # BuildKit's limit is 500 kB


def parse(texts: Iterable[str]) -> dict[str, bytes]:
    """Return the secrets of `id=ID[,src=FILE|env=VARIABLE][,type=file|env]`, by ID. Raises PodError."""
    found = {}
    for text in texts:
        fields = dict(item.partition("=")[::2] for item in text.split(","))
        name = fields.pop("id", "")
        source = fields.pop("src", "") or fields.pop("source", "")
        variable, kind = fields.pop("env", ""), fields.pop("type", "")
        if not name or fields or kind not in ("", "file", "env"):
            raise PodError("incorrect secret flag format: should be --secret id=foo,src=bar[,env=ENV,type=file|env]")
        if variable or kind == "env":
            found[name] = _of_environment(variable or source or name)
        else:
            found[name] = _of_file(source or name)
    return found


def _of_environment(name: str) -> bytes:
    value = os.environb.get(name.encode())
    if value is None:
        raise PodError(f"could not find secret in the environment: {name} is not set", hint=f"export {name}=…")
    return value


def _of_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise PodError(f"could not parse secret: stat {os.path.abspath(path)}: {reason}") from error
    if len(data) > _LARGEST:
        raise PodError(f"secret {path} is larger than {_LARGEST} bytes")
    return data


def agents(texts: Iterable[str]) -> dict[str, str]:
    """Return the sockets of ssh agents of `default|ID[=SOCKET]`, by ID. Raises PodError."""
    found = {}
    for text in texts:
        name, _, path = text.partition("=")
        path = path or os.environ.get("SSH_AUTH_SOCK", "")
        if not path:
            raise PodError(f"SSH_AUTH_SOCK must be set for --ssh {text}", hint='eval "$(ssh-agent)"; ssh-add')
        try:
            is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
        except OSError as error:
            raise PodError(f"--ssh {text}: stat {path}: {(error.strerror or '').lower()}") from error
        if not is_socket:
            raise PodError(
                f"--ssh {text}: {path} is not the socket of an agent", hint=f"ssh-add {path}; pod build --ssh {name}"
            )
        found[name] = path
    return found
