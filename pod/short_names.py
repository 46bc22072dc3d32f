"""Short names, which do not tell their registry: what they may stand for, and remembering what they did.

Source: containers-registries.conf(5), "Short-Name Aliasing".
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod.errors import PodError
from storage import reference, replacing
from storage.registry import configuration_files
from storage.registry.configuration import DISABLED, ENFORCING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from storage.reference import Reference
    from storage.registry.configuration import Alias, Configuration

    Choose = Callable[[str, Sequence[str]], str]


@dataclass(frozen=True)
class Resolved:
    """What a text may stand for, in the order to try; `description` says why, empty for a full name.

    `record` is the short name that is to be an alias from now on for what was pulled, empty if none is.
    """

    candidates: tuple[Reference, ...]
    description: str = ""
    record: str = ""


def resolve(text: str, configuration: Configuration, *, aliases_file: str, choose: Choose | None) -> Resolved:
    """Return what to pull for a name: itself, its alias, or the name at each of the search registries.

    Where no file has a list of these (podman refuses then), docker.io is the one.

    `choose` asks the user for one of several; None where nobody can be asked. Raises PodError if there is nothing to
    pull, or the mode does not allow to choose; BadConfigurationError for a damaged file of aliases.
    """
    name = reference.parse(text)
    if reference.has_domain(text):
        return Resolved((reference.normalize(text),))
    short = _repository(text)
    alias = _alias(short, configuration, aliases_file)
    if alias is not None and alias.value is not None:
        found = (_with_version(alias.value, name),)
        return Resolved(found, f'Resolved "{short}" as an alias ({alias.origin})')
    candidates = tuple(_at(registry, text) for registry in configuration.searched)
    if not configuration.says_search:
        why = "no registries.conf says which registries to search"
        return Resolved(candidates, f'Resolving "{short}" at {reference.DOCKER_DOMAIN}: {why}')
    if not candidates:
        raise _nowhere(text, configuration)
    described = f'Resolving "{short}" using unqualified-search registries ({configuration.search_origin})'
    if configuration.short_name_mode == DISABLED or len(candidates) == 1:
        return Resolved(candidates, described)
    if choose is not None:
        offered = {str(one): one for one in candidates}
        return Resolved((offered[choose("Please select an image", list(offered))],), record=short)
    if configuration.short_name_mode == ENFORCING:
        raise PodError(
            "short-name resolution enforced but cannot prompt without a TTY",
            hint=f"name the image in full, for example {candidates[0]}",
        )
    return Resolved(candidates, described)


def local_candidates(text: str, configuration: Configuration, *, aliases_file: str) -> list[str]:
    """Return the full names that a short name stands for in the store, the likeliest first."""
    name = reference.parse(text)
    alias = _alias(_repository(text), configuration, aliases_file)
    aliased = [_with_version(alias.value, name)] if alias is not None and alias.value is not None else []
    return [str(one) for one in (*aliased, *(_at(registry, text) for registry in ("localhost", *configuration.search)))]


def remember(short: str, pulled: Reference, *, aliases_file: str) -> None:
    """Make a short name an alias for a repository from now on. Raises PodError if that cannot be written down."""
    value = pulled.name
    try:
        os.makedirs(os.path.dirname(aliases_file), mode=0o700, exist_ok=True)
        with _locked(aliases_file):
            known = configuration_files.read_aliases(aliases_file)
            pairs = {name: str(alias.value or "") for name, alias in known.items()} | {short: value}
            # A JSON string of these is one of TOML, too.
            lines = [f"  {json.dumps(name)} = {json.dumps(pairs[name])}\n" for name in sorted(pairs)]
            replacing.replace(aliases_file, "".join(["[aliases]\n", *lines]).encode(), 0o600)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PodError(f'recording short-name alias ("{short}"="{value}"): {aliases_file}: {reason}') from None


def _alias(short: str, configuration: Configuration, aliases_file: str) -> Alias | None:
    """Find an alias: what the machine wrote down goes before what people did."""
    return configuration_files.read_aliases(aliases_file).get(short) or configuration.aliases.get(short)


def _repository(text: str) -> str:
    name = text.partition("@")[0]
    colon = name.rfind(":")
    return name[:colon] if colon > name.rfind("/") else name


def _at(registry: str, text: str) -> Reference:
    return reference.normalize(text, default_domain=registry)


def _with_version(value: Reference, name: Reference) -> Reference:
    if name.digest is not None:
        return value.with_digest(name.digest)
    return value.with_tag(name.tag or reference.LATEST)


def _nowhere(text: str, configuration: Configuration) -> PodError:
    hint = f"name the image in full, for example docker.io/{reference.parse(text).path}"
    return PodError(
        f'short-name "{text}" did not resolve to an alias and no unqualified-search registries are defined in '
        f'"{configuration.search_origin}"',
        hint=hint,
    )


@contextlib.contextmanager
def _locked(aliases_file: str) -> Iterator[None]:
    """Hold podman's lock on the file, for it may write there at the same time."""
    descriptor = os.open(f"{aliases_file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
