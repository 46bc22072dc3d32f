"""Searching registries for images, and for the tags of one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from pod.errors import PodError
from storage import reference
from storage.errors import BadReferenceError, RegistryError, StorageError
from storage.registry import search as registry_search
from storage.registry.origin import Clients

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.reference import Reference
    from storage.registry.options import RegistryOptions
    from storage.registry.search import Found

LIMIT = 25
_AT_ONCE = 6


@dataclass(frozen=True)
class Hit:
    """What was found at a registry: an image, or a tag of one."""

    index: str
    name: str
    found: Found
    tag: str = ""


@dataclass(frozen=True)
class Filters:
    """What hits must be; None: either."""

    stars: int = 0
    official: bool | None = None
    automated: bool | None = None

    def match(self, found: Found) -> bool:
        """Tell whether a hit is wanted."""
        return (
            found.stars >= self.stars
            and self.official in (None, found.official)
            and self.automated in (None, found.automated)
        )


def parse_filters(texts: Sequence[str]) -> Filters:
    """Read filters as `stars=3`, `is-official` or `is-automated=false`. Raises PodError."""
    filters = Filters()
    for text in texts:
        name, equals, value = text.partition("=")
        if name == "is-official":
            filters = replace(filters, official=value != "false")
        elif name == "is-automated":
            filters = replace(filters, automated=value != "false")
        elif name != "stars":
            raise PodError(f'invalid filter type "{text}"', hint="choose stars, is-official or is-automated")
        elif not equals:
            raise PodError(f'invalid filter ["{text}"], should be stars=<value>')
        elif not value.isascii() or not value.lstrip("+-").isdigit():
            raise PodError(f'incorrect value type for stars filter: strconv.Atoi: parsing "{value}": invalid syntax')
        else:
            filters = replace(filters, stars=int(value))
    return filters


def search(term: str, filters: Filters, limit: int, options: RegistryOptions) -> list[Hit]:
    """Search the registry that the term names, else all that short names are searched at.

    Raises PodError if none has anything and one failed.
    """
    registry, slash, rest = term.partition("/")
    registries = (registry,) if slash else options.configuration.searched

    def ask(registry: str) -> list[Found] | StorageError:
        try:
            return registry_search.search(registry, rest if slash else term, limit, options)
        except StorageError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as executor:
        answers = list(executor.map(ask, registries))
    hits = [
        Hit(registry, _full_name(registry, found.name), found)
        for registry, answer in zip(registries, answers, strict=True)
        if not isinstance(answer, StorageError)
        for found in answer
        if filters.match(found)
    ]
    failures = [answer for answer in answers if isinstance(answer, StorageError)]
    if not hits and failures:
        raise _failed(failures)
    return hits


def tags(term: str, limit: int, options: RegistryOptions) -> list[Hit]:
    """List the tags of an image: at the registry that the term names, else at all that short names are searched at.

    Raises StorageError if none has the image, or none can be asked.
    """
    try:
        names = [reference.parse(term.removeprefix("docker://"))]
        if "/" not in term:
            searched = options.configuration.searched
            names = [reference.normalize(term, default_domain=registry) for registry in searched]
    except BadReferenceError:
        raise PodError(f'reference "{term}" must be a docker reference') from None
    hits: list[Hit] = []
    failures: list[StorageError] = []
    for name in names:
        try:
            hits += _tags_of(name, limit, options)
        except StorageError as error:
            failures.append(RegistryError(f"getting repository tags: {error}", hint=error.hint))
    if not hits and failures:
        raise failures[0] if len(failures) == 1 else _failed(failures)
    return hits


def _tags_of(name: Reference, limit: int, options: RegistryOptions) -> list[Hit]:
    # The registry itself knows best, and its mirrors only what was fetched from them.
    place = options.configuration.endpoints(name)[-1]
    clients = Clients(options)
    try:
        found = list(islice(clients.of(place, name).tags(place.reference.path), limit))
    finally:
        clients.close()
    return [Hit(name.domain, name.name, registry_search.Found(name.path), tag) for tag in found]


def _full_name(registry: str, name: str) -> str:
    if registry == reference.DOCKER_DOMAIN and "/" not in name:
        return f"{registry}/library/{name}"
    return f"{registry}/{name}"


def _failed(failures: Sequence[StorageError]) -> PodError:
    if len(failures) == 1:
        return PodError(str(failures[0]), hint=failures[0].hint)
    told = "".join(f"\n\t* {one}" for one in failures)
    return PodError(f"{len(failures)} errors occurred:{told}")
