"""Reading registries.conf and its drop-ins: checked value by value, each mistake told with its file and key.

Source: containers-registries.conf(5) and containers-registries.conf.d(5). Format 1 ([registries.search] …) is read
where it is all that the main file has; a drop-in must be of format 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage import reference, toml
from storage.errors import BadReferenceError, RegistryError
from storage.registry.configuration import (
    AUTH_FILES,
    MODES,
    PERMISSIVE,
    PULLS,
    Alias,
    Configuration,
    Mirror,
    Registry,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KINDS = {str: "string", bool: "boolean", int: "integer", float: "float", list: "array", dict: "table"}
_KEYS = ("registry", "unqualified-search-registries", "credential-helpers", "short-name-mode", "aliases")


class BadConfigurationError(RegistryError):
    """A file of the configuration has something that cannot be."""


@dataclass(frozen=True)
class File:
    """What one file says; None where it says nothing."""

    registries: tuple[Registry, ...]
    search: tuple[str, ...] | None
    credential_helpers: tuple[str, ...] | None
    short_name_mode: str
    aliases: dict[str, Alias]


def load(main: str, drop_ins: Sequence[str], *, places: str = "", must_exist: bool = False) -> Configuration:
    """Read the main file and the drop-ins after it; what is missing says nothing, but for a main file that must exist.

    Raises BadConfigurationError, which names the file.
    """
    registries: dict[str, Registry] = {}
    aliases: dict[str, Alias] = {}
    search: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()
    origin = mode = ""
    says_search = False
    for path in (main, *drop_ins):
        document = _document(path, must_exist=must_exist and path == main)
        if document is None:
            continue
        try:
            said = read(document, path, may_be_old=path == main)
        except BadConfigurationError as error:
            raise _of_file(path, str(error)) from None
        registries |= {one.prefix: one for one in said.registries}
        aliases |= said.aliases
        says_search = says_search or said.search is not None
        if said.search is not None or (path == main and not origin):
            search, origin = said.search or (), path
        helpers = helpers if said.credential_helpers is None else said.credential_helpers
        mode = said.short_name_mode or mode
    return Configuration(
        registries=tuple(registries[prefix] for prefix in sorted(registries)),
        search=search,
        search_origin=origin,
        says_search=says_search,
        credential_helpers=helpers or (AUTH_FILES,),
        short_name_mode=mode or PERMISSIVE,
        aliases=aliases,
        places=places,
    )


def read_aliases(path: str) -> dict[str, Alias]:
    """Read a file that has nothing but [aliases]; it may be missing. Raises BadConfigurationError."""
    document = _document(path) or {}
    try:
        return _aliases(_value(document, "aliases", dict, {}), path)
    except BadConfigurationError as error:
        raise BadConfigurationError(f'loading short-name aliases config file "{path}": {error}') from None


def is_registry(text: str) -> bool:
    """Tell whether a text is a registry: HOST[:PORT]; a word without dot and port is one, too."""
    if not text or "/" in text:
        return False
    try:
        reference.parse(f"{text}/x" if reference.has_domain(f"{text}/x") else f"{text}:1/x")
    except BadReferenceError:
        return False
    return True


def _document(path: str, *, must_exist: bool = False) -> dict[str, Any] | None:
    try:
        return toml.load(path, verbatim=("aliases",))
    except FileNotFoundError:
        if must_exist:
            raise _of_file(path, f"open {path}: no such file or directory") from None
        return None
    except OSError as error:
        raise _of_file(path, f"open {path}: {(error.strerror or '').lower()}") from None
    except toml.NotTomlError as error:
        raise _of_file(path, f"toml: {error}") from None


def _of_file(path: str, text: str) -> BadConfigurationError:
    return BadConfigurationError(
        f'loading registries configuration "{path}": {text}', hint="see containers-registries.conf(5) for its format"
    )


def read(document: dict[str, Any], path: str, *, may_be_old: bool) -> File:
    """Check what a parsed file says. Raises BadConfigurationError, which does not name the file."""
    if _is_old(document):
        if not may_be_old:
            raise BadConfigurationError("registry must be in v2 format but is in v1")
        if any(document.get(key) for key in _KEYS):
            raise BadConfigurationError("mixing sysregistry v1/v2 is not supported")
        return _read_old(document["registries"])
    registries = [_registry(one) for one in _tables(document, "registry")]
    _check_conflicts(registries)
    search = _strings(document, "unqualified-search-registries")
    mode = _value(document, "short-name-mode", str, "")
    if mode and mode not in MODES:
        raise BadConfigurationError(f'invalid short-name mode: "{mode}"')
    return File(
        registries=_first_of_each(registries),
        search=None if search is None else tuple(_search_registry(one) for one in search),
        credential_helpers=_strings(document, "credential-helpers"),
        short_name_mode=mode,
        aliases=_aliases(_value(document, "aliases", dict, {}), path),
    )


def _is_old(document: dict[str, Any]) -> bool:
    old = document.get("registries")
    return isinstance(old, dict) and any(
        isinstance(old.get(key), dict) and old[key].get("registries") for key in ("search", "insecure", "block")
    )


def _read_old(old: dict[str, Any]) -> File:
    listed = {
        key: _strings(_value(old, key, dict, {}, inside="registries."), "registries", inside=f"registries.{key}.") or ()
        for key in ("search", "insecure", "block")
    }
    locations = dict.fromkeys(_location(one) for one in (*listed["block"], *listed["insecure"]))
    insecure, blocked = ({_location(one) for one in listed[key]} for key in ("insecure", "block"))
    registries = tuple(Registry(one, one, insecure=one in insecure, blocked=one in blocked) for one in locations)
    return File(registries, tuple(_search_registry(one) for one in listed["search"]), None, "", {})


def _registry(table: dict[str, Any]) -> Registry:
    inside = "registry."
    location = _location(_value(table, "location", str, "", inside=inside))
    prefix = _location(_value(table, "prefix", str, "", inside=inside)) or location
    if not prefix:
        raise BadConfigurationError("invalid condition: both location and prefix are unset")
    is_wildcard = prefix.startswith("*.")
    if not location and not is_wildcard:
        raise BadConfigurationError(
            "invalid condition: location is unset and prefix is not in the format: *.example.com"
        )
    if is_wildcard and any(letter in prefix for letter in "/@:"):
        raise BadConfigurationError(
            "Wildcarded prefix should be in the format: *.example.com. "
            f'Current prefix "{prefix}" is incorrectly formatted'
        )
    if _value(table, "pull-from-mirror", str, "", inside=inside):
        raise BadConfigurationError(f'pull-from-mirror must not be set for a non-mirror registry "{prefix}"')
    digest_only = _value(table, "mirror-by-digest-only", bool, False, inside=inside)
    return Registry(
        prefix=prefix,
        location=location,
        insecure=_value(table, "insecure", bool, False, inside=inside),
        blocked=_value(table, "blocked", bool, False, inside=inside),
        mirror_by_digest_only=digest_only,
        mirrors=tuple(_mirror(one, prefix, digest_only=digest_only) for one in _tables(table, "mirror", inside=inside)),
    )


def _mirror(table: dict[str, Any], prefix: str, *, digest_only: bool) -> Mirror:
    inside = "registry.mirror."
    location = _location(_value(table, "location", str, "", inside=inside))
    if not location:
        raise BadConfigurationError("invalid condition: mirror location is unset")
    pull_from = _value(table, "pull-from-mirror", str, "", inside=inside)
    if digest_only and pull_from:
        raise BadConfigurationError(
            f'cannot set mirror usage mirror-by-digest-only for the registry ("{prefix}") and pull-from-mirror for '
            f'per-mirror ("{location}") at the same time'
        )
    if pull_from not in PULLS:
        raise BadConfigurationError(f'unsupported pull-from-mirror value "{pull_from}" for mirror "{location}"')
    return Mirror(location, _value(table, "insecure", bool, False, inside=inside), pull_from)


def _location(text: str) -> str:
    trimmed = text.rstrip("/")
    if trimmed.startswith(("http://", "https://")):
        raise BadConfigurationError(f"invalid location '{text}': URI schemes are not supported")
    return trimmed


def _search_registry(text: str) -> str:
    registry = _location(text)
    if not is_registry(registry):
        raise BadConfigurationError(f'Invalid unqualified-search-registries entry "{registry}"')
    return registry


def _check_conflicts(registries: Sequence[Registry]) -> None:
    """Refuse a place that is described twice, and differently."""
    seen: dict[str, Registry] = {}
    for one in registries:
        other = seen.setdefault(one.location or one.prefix, one)
        for name, differs in (("insecure", one.insecure != other.insecure), ("blocked", one.blocked != other.blocked)):
            if differs:
                raise BadConfigurationError(
                    f"registry '{one.location}' is defined multiple times with conflicting '{name}' setting"
                )


def _first_of_each(registries: Sequence[Registry]) -> tuple[Registry, ...]:
    found: dict[str, Registry] = {}
    for one in registries:
        found.setdefault(one.prefix, one)
    return tuple(found.values())


def _aliases(table: Mapping[str, Any], path: str) -> dict[str, Alias]:
    """Read [aliases]; all mistakes are told at once."""
    found: dict[str, Alias] = {}
    mistakes: list[str] = []
    for name in table:
        value = _value(table, name, str, "", inside="aliases.")
        try:
            check_short_name(name)
            found[name] = Alias(alias_value(value) if value else None, path)
        except BadConfigurationError as error:
            mistakes.append(str(error))
    if mistakes:
        raise BadConfigurationError(f"validating short-name aliases: {'; '.join(mistakes)}")
    return found


def check_short_name(name: str) -> None:
    """Raise BadConfigurationError unless a text is a name without registry, tag and digest."""
    try:
        parsed = reference.parse(name)
    except BadReferenceError as error:
        raise BadConfigurationError(f'cannot parse short name: "{name}": {error}') from None
    if parsed.digest is not None:
        raise BadConfigurationError(f'invalid short name "{name}": must not contain digest')
    if parsed.tag is not None:
        raise BadConfigurationError(f'invalid short name "{name}": must not contain tag')
    if reference.has_domain(name):
        raise BadConfigurationError(f'invalid short name "{name}": must not contain registry')


def alias_value(text: str) -> reference.Reference:
    """Read what an alias stands for: a registry and a repository. Raises BadConfigurationError."""
    try:
        parsed = reference.parse(text)
    except BadReferenceError as error:
        raise BadConfigurationError(f'parsing alias "{text}": {error}') from None
    if parsed.digest is not None:
        raise BadConfigurationError(f'invalid alias "{text}": must not contain digest')
    if parsed.tag is not None:
        raise BadConfigurationError(f'invalid alias "{text}": must not contain tag')
    if not reference.has_domain(text):
        raise BadConfigurationError(f'invalid alias "{text}": must contain registry and repository')
    return parsed


def _value(table: Mapping[str, Any], key: str, kind: type, default: Any, *, inside: str = "") -> Any:
    value = table.get(key, default)
    if type(value) is not kind:
        raise _wrong_kind(f"{inside}{key}", value, _KINDS[kind])
    return value


def _strings(table: Mapping[str, Any], key: str, *, inside: str = "") -> tuple[str, ...] | None:
    if key not in table:
        return None
    listed = _value(table, key, list, [], inside=inside)
    for one in listed:
        if type(one) is not str:
            raise _wrong_kind(f"{inside}{key}", one, "string")
    return tuple(listed)


def _tables(table: Mapping[str, Any], key: str, *, inside: str = "") -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = _value(table, key, list, [], inside=inside)
    for one in listed:
        if type(one) is not dict:
            raise _wrong_kind(f"{inside}{key}", one, "table")
    return listed


def _wrong_kind(key: str, value: object, wanted: str) -> BadConfigurationError:
    given = _KINDS.get(type(value), "datetime")
    return BadConfigurationError(
        f'toml: (last key "{key}"): incompatible types: TOML value has type {given}; destination has type {wanted}'
    )
