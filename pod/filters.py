"""`--filter key=value` of every list and every prune: reading them, and the keys that mean the same everywhere.

Filters of different keys must all fit. Those of one key are alternatives, except for labels: each of them must fit
(podman-ps(1), podman-volume-prune(1)).
"""

from __future__ import annotations

import time

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    One = TypeVar("One")


def parse(texts: Iterable[str]) -> dict[str, list[str]]:
    """Return the values of each key, in the order in which they were given; raise PodError for what is none."""
    found: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise PodError(f'invalid filter "{text}"', hint="a filter is written key=value, as in name=web")
        if key == "label" and value.startswith("!"):
            raise PodError(f'invalid filter "{text}"', hint=f"write label!={value[1:]}")
        found.setdefault(key, []).append(value)
    return found


def unknown(key: str, known: Iterable[str], *, what: str = "filter") -> PodError:
    """Return the error for a key that a list does not know."""
    return PodError(f"{key} is an invalid {what}", hint="known are " + ", ".join(sorted(known)))


def select(
    items: Sequence[One], filters: dict[str, list[str]], test: Callable[[str, list[str]], Callable[[One], bool]]
) -> list[One]:
    """Return the items that pass the test of every key."""
    tests = [test(key, values) for key, values in filters.items()]
    return [item for item in items if all(passes(item) for passes in tests)]


def has_labels(labels: dict[str, str], wanted: Iterable[str]) -> bool:
    """Tell whether all labels are there (`label=key`, `label=key=value`; a key may have `*` in it)."""
    return all(_has_label(labels, text) for text in wanted)


def lacks_labels(labels: dict[str, str], unwanted: Iterable[str]) -> bool:
    """Tell whether none of the labels is there (`label!=key`, `label!=key=value`)."""
    return not any(_has_label(labels, text) for text in unwanted)


def _has_label(labels: dict[str, str], text: str) -> bool:
    key, _, value = text.partition("=")
    if "*" not in key:
        return key in labels and (not value or labels[key] == value)
    from fnmatch import fnmatchcase

    return any(fnmatchcase(name, f"*{key}*") and (not value or labels[name] == value) for name in labels)


def until(values: Sequence[str]) -> float:
    """Return the moment, in seconds since the epoch, that the one value of `until` names."""
    from pod.times import parse_moment

    if len(values) != 1:
        raise PodError("specify exactly one timestamp for until", hint="leave out the other --filter until=…")
    try:
        return parse_moment(values[0]) / 1e9
    except PodError as error:
        raise PodError(f'failed to parse value as time or duration: "{values[0]}"', hint=error.hint) from None


def boolean(key: str, value: str) -> bool:
    """Return what a filter says that is either true or false; 1 and 0 count as well."""
    lower = value.lower()
    if lower in ("true", "1", "t"):
        return True
    if lower in ("false", "0", "f"):
        return False
    raise PodError(f'invalid {key} filter "{value}": not a boolean value', hint=f"write {key}=true or {key}=false")


def prunable(filters: dict[str, list[str]], *, others: Sequence[str] = ()) -> Callable[[dict[str, str], float], bool]:
    """Return the test of a prune command: by labels and moment of creation (label, label!, until).

    `others` are keys that the caller tests on his own. Raises PodError for any further one.
    """
    known = ("label", "label!", "until", *others)
    for key in filters:
        if key not in known:
            raise unknown(key, known)
    limit = until(filters["until"]) if "until" in filters else time.time() + 1

    def passes(labels: dict[str, str], created: float) -> bool:
        wanted, unwanted = filters.get("label", ()), filters.get("label!", ())
        return created < limit and has_labels(labels, wanted) and lacks_labels(labels, unwanted)

    return passes


def matches(pattern: str, text: str) -> bool:
    """Tell whether a regular expression fits somewhere in the text; one that is none fits nothing."""
    if pattern.replace("_", "").replace("-", "").isalnum():
        return pattern in text  # no need to load `re`
    import re

    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False
