"""`--filter` of images: several of one key are alternatives, different keys must all fit."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pod.errors import PodError
from storage import images
from storage.documents import INDEX_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storage.images import Image
    from storage.store import Store

    Test = Callable[[Image], bool]


def chosen(store: Store, candidates: Sequence[Image], filters: Sequence[str]) -> list[Image]:
    """Return the images that fit the filters."""
    tests: dict[str, list[Test]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals:
            raise PodError(f'invalid image filter "{text}": must be in the format "filter=value"')
        # `label!` asks for the contrary, and two of them for both.
        group = f"{key}={value}" if key.endswith("!") else key
        tests.setdefault(group, []).append(_test(store, key.removesuffix("!"), value, negated=key.endswith("!")))
    return [image for image in candidates if all(any(test(image) for test in group) for group in tests.values())]


def _test(store: Store, key: str, value: str, *, negated: bool) -> Test:
    makers: dict[str, Callable[[Store, str], Test]] = {
        "after": _since,
        "since": _since,
        "before": _before,
        "containers": lambda store, value: _is(value, lambda image: bool(images.pins(store, image.id))),
        "dangling": lambda _, value: _is(value, lambda image: not image.names),
        "digest": lambda _, value: lambda image: any(digest.startswith(value) for digest in image.digests),
        "id": lambda _, value: lambda image: image.id.startswith(value.removeprefix("sha256:")),
        "intermediate": lambda _, value: _is(value, lambda image: False),
        "label": lambda _, value: lambda image: has_label(image, value),
        "manifest": lambda _, value: _is(value, lambda image: image.media_type in INDEX_TYPES),
        "readonly": lambda _, value: _is(value, lambda image: image.readonly),
        "reference": lambda _, value: lambda image: any(matches(name, value) for name in image.names),
        "until": lambda _, value: _until(value),
    }
    if key not in makers:
        raise PodError(f'unsupported image filter "{key}"')
    test = makers[key](store, value)
    return (lambda image: not test(image)) if negated else test


def _is(value: str, question: Test) -> Test:
    from pod.values import parse_bool

    wanted = parse_bool(value)
    return lambda image: question(image) is wanted


def _since(store: Store, value: str) -> Test:
    moment = images.resolve(store, value).created
    return lambda image: image.created > moment


def _before(store: Store, value: str) -> Test:
    moment = images.resolve(store, value).created
    return lambda image: image.created < moment


def _until(value: str) -> Test:
    moment = timestamp(value)
    return lambda image: image.created < moment


def has_label(image: Image, wanted: str) -> bool:
    """Whether the image has a label KEY or KEY=VALUE."""
    key, equals, value = wanted.partition("=")
    labels = (json.loads(image.config).get("config") or {}).get("Labels") or {}
    return key in labels and (not equals or labels[key] == value)


def matches(name: str, pattern: str) -> bool:
    """Whether a full name fits a pattern, which may leave out the registry, the path and the tag."""
    repository = images.repository(name)
    shorter = [(name, repository)]
    while "/" in shorter[-1][0]:
        shorter.append((shorter[-1][0].partition("/")[2], shorter[-1][1].partition("/")[2]))
    return any(fnmatchcase(one, pattern) for pair in shorter for one in pair)


def timestamp(text: str) -> float:
    """Return the moment that a Unix time, a date (RFC 3339), or a duration before now stands for."""
    import time
    from datetime import UTC, datetime

    from pod.registries import duration

    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return time.time() - duration(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
