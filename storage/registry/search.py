"""Searching a registry: by docker's old search API, else in the list of its repositories.

No specification has it: what is done is what podman does (`podman-search(1)`), so that both find the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from storage.errors import RegistryError, StorageError
from storage.reference import DOCKER_DOMAIN
from storage.registry.client import RegistryClient

if TYPE_CHECKING:
    from storage.registry.options import RegistryOptions

DOCKER_INDEX = "index.docker.io"
_MAX_ANSWER = 16 << 20


@dataclass(frozen=True)
class Found:
    """A repository of a registry, and what the registry tells of it."""

    name: str
    description: str = ""
    stars: int = 0
    official: bool = False
    automated: bool = False


def search(registry: str, term: str, limit: int, options: RegistryOptions) -> list[Found]:
    """Return at most so many repositories that have to do with a term; without any, of those that the registry lists.

    Raises StorageError.
    """
    try:
        client = RegistryClient(registry, options.of(registry), host=DOCKER_INDEX if registry == DOCKER_DOMAIN else "")
        try:
            found = _by_index(client, term, limit) if term else None
            return (_by_catalog(client, term, limit) if found is None else found)[:limit]
        finally:
            client.close()
    except StorageError as error:
        raise RegistryError(f'couldn\'t search registry "{registry}": {error}', hint=error.hint) from None


def _by_index(client: RegistryClient, term: str, limit: int) -> list[Found] | None:
    """Ask the old API; None where there is none, or something else in its place."""
    body = client.unversioned(f"/v1/search?{urlencode({'q': term, 'n': limit})}", _MAX_ANSWER)
    try:
        results = json.loads(body or b"").get("results")
    except (ValueError, AttributeError, RecursionError):
        return None
    return [_found(one) for one in results if _text(one, "name")] if isinstance(results, list) else None


def _found(told: dict[str, Any]) -> Found:
    stars = told.get("star_count")
    return Found(
        name=_text(told, "name"),
        description=_text(told, "description"),
        stars=stars if isinstance(stars, int) else 0,
        official=told.get("is_official") is True,
        automated=told.get("is_automated") is True,
    )


def _text(told: object, key: str) -> str:
    """Return a text fit for a terminal; empty if there is none."""
    text = told.get(key) if isinstance(told, dict) else None
    if not isinstance(text, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _by_catalog(client: RegistryClient, term: str, limit: int) -> list[Found]:
    """Look in the list of repositories until there are enough; one that is just the term comes first."""
    found: list[Found] = []
    for name in client.repositories():
        if term in name and name.isprintable():
            found.insert(0 if name == term else len(found), Found(name))
            if len(found) == limit:
                break
    return found
