"""Changing a policy file: what is required of one scope, with everything else as it is, in one step."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from storage import replacing
from storage.trust import policy
from storage.trust.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Requirements = Sequence[dict[str, Any]]

_INDENT = 4


def requirements(kind: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Make the requirements of a type: one for each file of keys, for all have to be met. Raises PolicyError."""
    if kind in ("insecureAcceptAnything", "reject"):
        return [{"type": kind}]
    common = {"type": kind, "keyType": "GPGKeys"} if kind == "signedBy" else {"type": kind}
    return [{**common, "keyPath": os.path.abspath(key)} for key in keys]


def change(raw: bytes | None, scope: str, wanted: Requirements, path: str) -> bytes:
    """Give a policy with these requirements for a scope: `default`, else one that some transport has, else of docker.

    None is a policy that is not there yet, which has to get its default first. `path` is for messages. Raises
    PolicyError for a policy that is invalid before or after the change.
    """
    document: dict[str, Any] = {}
    if raw is not None:
        policy.parse(raw, path)
        document = json.loads(raw)
    if scope == "default":
        document["default"] = list(wanted)
    elif "default" not in document:
        raise PolicyError("default trust policy must be set", hint="pod image trust set --type accept default")
    else:
        transports = document.setdefault("transports", {})
        owner = next((name for name, scopes in transports.items() if scope in scopes), "docker")
        transports.setdefault(owner, {})[scope] = list(wanted)
    changed = (json.dumps(document, indent=_INDENT, ensure_ascii=False) + "\n").encode()
    policy.parse(changed, path)
    return changed


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Let two that change a policy at once not lose one another's change. Raises PolicyError."""
    with contextlib.ExitStack() as stack:
        try:
            os.makedirs(os.path.dirname(os.path.realpath(path)), exist_ok=True)  # for all to read
            stack.enter_context(replacing.locked(path))
        except OSError as error:
            raise _cannot_write(path, error) from None
        yield


def write(path: str, raw: bytes) -> None:
    """Put a policy in place of another (storage/replacing.py); the caller holds its lock. Raises PolicyError."""
    try:
        replacing.replace(path, raw, 0o644)
    except OSError as error:
        raise _cannot_write(path, error) from None


def _cannot_write(path: str, error: OSError) -> PolicyError:
    return PolicyError(f"open {path}: {(error.strerror or str(error)).lower()}")
