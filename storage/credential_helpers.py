"""Programs that keep credentials in place of files: docker-credential-NAME, spoken to by stdin and stdout.

Source: docker's protocol of credential helpers (get, store, erase, list). No message has the secret.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from storage.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 60.0
_NOT_FOUND = "credentials not found"


def ask(helper: str, server: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return user name and secret for a server; None if the helper has none. Raises RegistryError."""
    output = _run(helper, "get", server, environment)
    if output is None:
        return None
    try:
        answer = json.loads(output)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _not_understood(helper) from None
    if not isinstance(username, str) or not isinstance(secret, str):
        raise _not_understood(helper)
    return username, secret


def store(helper: str, server: str, username: str, secret: str, environment: Mapping[str, str]) -> None:
    """Have the helper keep credentials for a server. Raises RegistryError."""
    _run(helper, "store", json.dumps({"ServerURL": server, "Username": username, "Secret": secret}), environment)


def erase(helper: str, server: str, environment: Mapping[str, str]) -> None:
    """Have the helper forget what it has for a server. Raises RegistryError."""
    _run(helper, "erase", server, environment)


def servers(helper: str, environment: Mapping[str, str]) -> list[str]:
    """Return the servers that the helper has credentials for. Raises RegistryError."""
    try:
        answer = json.loads(_run(helper, "list", "", environment) or b"{}")
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise _not_understood(helper)
    return list(answer)


def _not_understood(helper: str) -> RegistryError:
    return RegistryError(f"credential helper {helper}: answer is not understood")


def _run(helper: str, verb: str, text: str, environment: Mapping[str, str]) -> bytes | None:
    """Run docker-credential-HELPER VERB with the text on stdin; None when it knows no such credentials."""
    import subprocess

    if not helper.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise RegistryError(f"credential helper {helper!r}: bad name")
    program = f"docker-credential-{helper}"
    try:
        ended = subprocess.run(
            [program, verb],
            input=text.encode(),
            capture_output=True,
            timeout=SECONDS,
            env=dict(environment),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RegistryError(f"{program} {verb}: no answer in {SECONDS:.0f} seconds") from None
    except OSError as error:
        raise RegistryError(f"{program}: {(error.strerror or '').lower()}") from None
    if ended.returncode == 0:
        return ended.stdout
    said = (ended.stdout.strip() or ended.stderr.strip()).decode(errors="replace")
    if _NOT_FOUND in said:
        return None
    line = said.splitlines()[0][:200] if said and verb != "store" else f"exit status {ended.returncode}"
    raise RegistryError(f"{program} {verb}: {line if line.isprintable() else 'failed'}")
