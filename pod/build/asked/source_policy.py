"""Which images a build may take, and which it takes in place of others (--source-policy-file). Pure.

The first rule counts that matches an image's identifier, docker-image:// and its full name; an image that none matches
is taken. Source: podman-build(1), after BuildKit's source policies; as with podman, ADD's addresses are not judged.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod.errors import PodError
from storage import reference
from storage.errors import StorageError

if TYPE_CHECKING:
    from typing import Any

_IMAGE = "docker-image://"
_ACTIONS = ("ALLOW", "DENY", "CONVERT")


@dataclass(frozen=True)
class Rule:
    """What is done about the images that a pattern matches; `exact`: it is no pattern."""

    action: str
    identifier: str
    exact: bool = False
    target: str = ""  # of CONVERT, an identifier

    def matches(self, identifier: str) -> bool:
        """Tell whether the rule is about a source."""
        if self.exact:
            return identifier == self.identifier
        parts = {"*": ".*", "?": "."}
        pattern = "".join(parts.get(char) or re.escape(char) for char in self.identifier)
        return re.fullmatch(pattern, identifier, re.DOTALL) is not None


@dataclass(frozen=True)
class SourcePolicy:
    """Rules, in their order."""

    rules: tuple[Rule, ...] = ()

    def image(self, name: str) -> str:
        """Return the name of the image to take where this one is named. Raises PodError for one that is denied."""
        known = identifiers(name)
        for number, rule in enumerate(self.rules):
            if not any(map(rule.matches, known)):
                continue
            if rule.action == "DENY":
                raise PodError(
                    f'source "{name}" denied by source policy: matched rule {number} (selector: "{rule.identifier}")',
                    hint="name another image, or change the file of --source-policy-file",
                )
            return rule.target.removeprefix(_IMAGE) if rule.action == "CONVERT" else name
        return name


def identifiers(name: str) -> tuple[str, ...]:
    """Return what a policy may call an image.

    One without a tag goes by its name alone (buildah) and with the tag that it gets (BuildKit): else a rule on a tag
    would not hold for an image that leaves it out.
    """
    plain = name.removeprefix(_IMAGE).removeprefix("docker://")
    try:
        names = [str(reference.parse(plain)), str(reference.normalize(plain))]
    except StorageError:
        names = [plain]
    return tuple(f"{_IMAGE}{one}" for one in dict.fromkeys(names))


def parse(text: str) -> SourcePolicy:
    """Read a file's JSON. Raises PodError for what is no policy."""
    try:
        document = _lowered(json.loads(text))
    except ValueError as error:
        raise PodError(f"loading source policy: parsing source policy JSON: {error}") from None
    try:
        return SourcePolicy(tuple(_rules(document)))
    except ValueError as error:
        raise PodError(
            f"loading source policy: validating source policy: {error}", hint="podman-build(1) tells of the format"
        ) from None


def _lowered(value: Any) -> Any:
    """Return a document with its keys in lower case: how they are written does not matter to podman."""
    if isinstance(value, dict):
        return {key.lower(): _lowered(one) for key, one in value.items()}
    return [_lowered(one) for one in value] if isinstance(value, list) else value


def _rules(document: Any) -> list[Rule]:
    rules = _field(document, "rules", list, "a list") or []
    found = []
    for number, rule in enumerate(rules):
        try:
            found.append(_rule(rule))
        except ValueError as error:
            raise ValueError(f"rule {number}: {error}") from None
    return found


def _rule(rule: Any) -> Rule:
    action = _text(rule, "action")
    if not action:
        raise ValueError("action is required")
    if action not in _ACTIONS:
        raise ValueError(f'unknown action "{action}" (valid: {", ".join(_ACTIONS)})')
    selector = _field(rule, "selector", dict, "an object") or {}
    identifier, kind = _text(selector, "identifier"), _text(selector, "matchtype")
    if not identifier:
        raise ValueError("selector.identifier is required")
    if kind == "REGEX":
        raise ValueError("REGEX match type is not supported in this version")
    if kind not in ("", "EXACT", "WILDCARD"):
        raise ValueError(f'unknown matchType "{kind}" (valid: EXACT, WILDCARD)')
    if selector.get("constraints"):
        raise ValueError("selector.constraints are not supported")  # the rule would hold for more than it says
    target = _text(_field(rule, "updates", dict, "an object") or {}, "identifier")
    if action == "CONVERT" and not target:
        raise ValueError("updates.identifier is required for CONVERT action")
    return Rule(action, identifier, kind == "EXACT", target)


def _text(document: Any, name: str) -> str:
    return str(_field(document, name, str, "a text") or "")


def _field(document: Any, name: str, kind: type, told: str) -> Any:
    """Return a field; None if there is none. Raises ValueError for one of another kind, and where no field can be."""
    if document is None:
        return None
    if not isinstance(document, dict):
        raise ValueError(f"not an object: {json.dumps(document)}")
    value = document.get(name)
    if value is not None and not isinstance(value, kind):
        raise ValueError(f"{name}: not {told}: {json.dumps(value)}")
    return value
