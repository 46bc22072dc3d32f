"""What a policy comes to, a row for each requirement, as `podman image trust show` has it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from storage.errors import BadReferenceError
from storage.reference import parse
from storage.trust import gpg, policy, scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.trust.registries_d import Registries

_TYPES = {"insecureAcceptAnything": "accept", "signedBy": "signed"}


def rows(raw: bytes, path: str, registries: Registries, *, search_path: str) -> list[dict[str, str]]:
    """Describe a policy, the default first; members that are empty are left out (podman's `--json`).

    gpg, which knows the owners of keys, is looked for in `search_path`.
    Raises PolicyError for an invalid one.
    """
    policy.parse(raw, path)
    document = json.loads(raw)
    names = ("all", "* (default)", "default")
    found = list(_scope(names, document["default"], registries.store(""), search_path))
    for transport, by_scope in sorted(document.get("transports", {}).items()):
        shown = "repository" if transport == "docker" else transport
        for scope, requirements in sorted(by_scope.items()):
            found += _scope((shown, scope, scope), requirements, registries.store(scope), search_path)
    return found


def deciding(found: list[dict[str, str]], name: str) -> list[dict[str, str]]:
    """Choose the rows that decide on a registry, a repository or an image."""
    for scope in (*_above(name), "", "default"):
        chosen = [
            row
            for row in found
            if row.get("repo_name", "") == scope and row["transport"] == ("all" if scope == "default" else "repository")
        ]
        if chosen:
            return chosen
    return []


def _above(name: str) -> list[str]:
    """List a name, and before the registry alone what it lies below."""
    try:
        return scopes.of_reference(parse(name if "/" in name else f"{name}/x"))
    except BadReferenceError:
        return [name]


def _scope(
    names: tuple[str, str, str], requirements: list[dict[str, Any]], store: str, search_path: str
) -> Iterator[dict[str, str]]:
    transport, name, short = names
    for one in requirements:
        kind = one["type"]
        row = {
            "transport": transport,
            "name": name,
            "repo_name": short,
            "sigstore": store,
            "type": _TYPES.get(kind, kind),
            "gpg_id": _owners(one, search_path) if kind == "signedBy" else "N/A" if kind == "sigstoreSigned" else "",
        }
        yield {key: value for key, value in row.items() if value or key in ("transport", "type")}


def _owners(requirement: dict[str, Any], search_path: str) -> str:
    paths = [*([requirement["keyPath"]] if "keyPath" in requirement else []), *requirement.get("keyPaths", [])]
    keys = [base64.b64decode(requirement["keyData"])] if "keyData" in requirement else []
    for path in paths:
        try:
            with open(path, "rb") as file:
                keys.append(file.read(policy.MAX_SIZE))
        except OSError:
            continue
    return ", ".join(owner for key in keys for owner in gpg.owners(key, search_path))
