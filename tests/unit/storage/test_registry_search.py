"""Searching: by the old API where there is one, else in the catalog; what strangers tell is made fit for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from storage.errors import RegistryError
from storage.registry.configuration import Configuration, Registry
from storage.registry.options import RegistryOptions
from storage.registry.search import Found, search
from tests.fakes.actions import answer, status
from tests.fakes.registry import Bearer, FakeRegistry

QUICK = RegistryOptions(retries=0, retry_delay=0.01, connect_timeout=5, read_timeout=5)
HTML = answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"})


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        running.tag_page = 2
        for name in ("app", "team/app", "team/apple", "zoo", "zz/app"):
            running.add_image(name, "1")
        yield running


def names(registry: FakeRegistry, term: str, limit: int = 25, options: RegistryOptions = QUICK) -> list[str]:
    return [one.name for one in search(registry.domain, term, limit, options)]


def test_the_catalog_is_read_page_by_page(registry: FakeRegistry) -> None:
    assert names(registry, "") == ["app", "team/app", "team/apple", "zoo", "zz/app"]
    assert names(registry, "zoo") == ["zoo"]
    assert names(registry, "app") == ["app", "team/app", "team/apple", "zz/app"]
    assert names(registry, "team/apple") == ["team/apple"]
    registry.requests.clear()
    assert names(registry, "app", limit=2) == ["app", "team/app"]
    assert len(registry.seen("/v2/_catalog")) == 1


def test_the_index_goes_first(registry: FakeRegistry) -> None:
    registry.index = [
        {
            "name": "x/app",
            "description": "one\ntwo\x1b[31m",
            "star_count": 3,
            "is_official": True,
            "is_automated": True,
        },
        {"name": "y"},
        {"name": 1, "description": "no name"},
        {},
        {"name": "z", "description": 7, "star_count": "9", "is_official": "yes"},
    ]
    found = search(registry.domain, "app", 25, QUICK)
    assert found == [Found("x/app", "one two [31m", 3, official=True, automated=True), Found("y"), Found("z")]
    assert registry.seen("/v1/search")[0].query == {"q": ["app"], "n": ["25"]}
    assert registry.seen("/v2/_catalog") == []


def test_a_page_of_html_is_no_index(registry: FakeRegistry) -> None:
    registry.script("/v1/search", HTML, status(503))
    assert names(registry, "zoo") == ["zoo"]
    assert names(registry, "zoo") == ["zoo"]


def test_the_catalog_may_need_a_token(registry: FakeRegistry) -> None:
    registry.auth = Bearer(registry, user="user", password="secret")
    options = replace(QUICK, credentials=("user", "secret"))
    assert names(registry, "zoo", options=options) == ["zoo"]
    assert registry.seen("/token")[-1].query["scope"] == ["registry:catalog:*"]


@pytest.mark.parametrize("action", [HTML, status(404), status(500)])
def test_a_registry_that_cannot_be_searched(registry: FakeRegistry, action: object) -> None:
    registry.script("/v2/_catalog", action)  # type: ignore[arg-type]
    with pytest.raises(RegistryError, match=f'couldn\'t search registry "{registry.domain}": listing the repositories'):
        names(registry, "zoo")


def test_a_blocked_registry_is_not_asked(registry: FakeRegistry) -> None:
    options = replace(QUICK, configuration=Configuration((Registry(registry.domain, blocked=True),), places="FILES"))
    with pytest.raises(RegistryError, match=f'search registry "{registry.domain}": registry .* is blocked in FILES'):
        names(registry, "zoo", options=options)
    assert registry.requests == []
