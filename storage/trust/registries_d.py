"""registries.d: where the signatures of an image are, by its name (containers-registries.d(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storage import yaml
from storage.trust import scopes
from storage.trust.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from storage.reference import Reference

_MAX_FILE = 1 << 20


@dataclass(frozen=True)
class Section:
    """What is said of one scope; "" and None are what is not said."""

    lookaside: str = ""
    staging: str = ""
    attachments: bool | None = None


@dataclass(frozen=True)
class Registries:
    """All that a directory says; `builtin` is the directory of signatures where nothing is said."""

    builtin: str
    default: Section = field(default_factory=Section)
    docker: Mapping[str, Section] = field(default_factory=dict)

    def lookaside(self, reference: Reference) -> str:
        """Give the URL below which signatures of an image are read."""
        return self._first(reference, lambda section: section.lookaside) or f"file://{self.builtin}"

    def staging(self, reference: Reference) -> str:
        """Give the URL below which they are written."""
        found = self._first(reference, lambda section: section.staging or section.lookaside)
        return found or f"file://{self.builtin}"

    def store(self, scope: str) -> str:
        """Give the URL of signatures that is configured for a scope of docker ("": for all), "" if there is none."""
        while scope:
            if scope in self.docker:
                return self.docker[scope].lookaside
            scope = scope.rpartition("/")[0]
        return self.default.lookaside

    def uses_attachments(self, reference: Reference) -> bool:
        """Tell whether signatures of sigstore are attached to the image at its registry."""
        return bool(self._first(reference, lambda section: section.attachments, unsaid=None))

    def _first(self, reference: Reference, of: Callable[[Section], Any], *, unsaid: object = "") -> Any:
        """Give what the most specific section says that says anything of it."""
        named = [scope for scope in scopes.of_reference(reference) if not scope.startswith("*.")]
        for scope in named:
            if scope in self.docker and (value := of(self.docker[scope])) != unsaid:
                return value
        return of(self.default)


def load(directories: Sequence[str], builtin: str) -> Registries:
    """Read the first of the directories that is there. Raises PolicyError."""
    directory = next((path for path in directories if os.path.isdir(path)), None)
    if directory is None:
        return Registries(builtin)
    origins: dict[str, str] = {}
    default = Section()
    docker: dict[str, Section] = {}
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise PolicyError(f"open {directory}: {(error.strerror or str(error)).lower()}") from None
    for path in (os.path.join(directory, name) for name in names if name.endswith(".yaml")):
        document = _document(path)
        sections = {
            f'"docker" namespace "{scope}"': value for scope, value in _mapping(document, "docker", path).items()
        }
        if document.get("default-docker") is not None:
            sections['"default-docker"'] = document["default-docker"]
            default = _section(document["default-docker"], path)
        for name in sections:
            if name in origins:
                raise PolicyError(f"registries.d: {name} is defined both in {origins[name]} and {path}")
            origins[name] = path
        for scope, value in _mapping(document, "docker", path).items():
            docker[scope] = _section(value, path)
    return Registries(builtin, default, docker)


def _document(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX_FILE + 1)
        document = yaml.loads(text[:_MAX_FILE])
    except OSError as error:
        raise PolicyError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"parsing {path}: {error}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise PolicyError(f"parsing {path}: not a mapping")
    return document


def _mapping(document: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PolicyError(f"parsing {path}: {name} is not a mapping")
    return value


def _section(value: object, path: str) -> Section:
    if value is None:
        return Section()
    if not isinstance(value, dict):
        raise PolicyError(f"parsing {path}: not a mapping: {value}")
    attachments = value.get("use-sigstore-attachments")
    if attachments is not None and not isinstance(attachments, bool):
        raise PolicyError(f"parsing {path}: use-sigstore-attachments is neither true nor false")
    return Section(
        # The second name is what it was before there was sigstore.
        _text(value, ("lookaside", "sigstore"), path),
        _text(value, ("lookaside-staging", "sigstore-staging"), path),
        attachments,
    )


def _text(value: dict[str, Any], names: tuple[str, ...], path: str) -> str:
    found = next((value[name] for name in names if value.get(name) is not None), "")
    if not isinstance(found, str):
        raise PolicyError(f"parsing {path}: {names[0]} is not a URL: {found}")
    return found
