"""Mirrors: asked in order, the first that has the image serves, and what one fails to give comes from the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from storage import documents
from storage.errors import ImageNotFoundError, RegistryError, UnauthorizedError
from storage.reference import parse
from storage.registry.configuration import BlockedError, Configuration, Mirror, Registry
from storage.registry.options import RegistryOptions
from storage.registry.origin import Clients, RegistryOrigin
from tests.fakes.actions import answer, broken_after, status
from tests.fakes.registry import Basic, FakeRegistry, basic

QUICK = RegistryOptions(retries=0, retry_delay=0.01, connect_timeout=5, read_timeout=5)


@pytest.fixture
def mirror() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def main() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        running.add_image("real/x", "1", [b"layer" * 100])
        yield running


def options(mirror: FakeRegistry, main: FakeRegistry, **changes: bool) -> RegistryOptions:
    """Make options by which names of example.io are looked for at both."""
    registry = Registry(
        "example.io", f"{main.domain}/real", mirrors=(Mirror(f"{mirror.domain}/copy"),), blocked="blocked" in changes
    )
    return replace(QUICK, configuration=Configuration((registry,), places="registries.conf"))


def origin(chosen: RegistryOptions, name: str = "example.io/x:1") -> RegistryOrigin:
    return RegistryOrigin(Clients(chosen), parse(name))


def layer(place: RegistryOrigin) -> tuple[documents.Descriptor, bytes]:
    """Fetch the one layer."""
    raw, content_type, _ = place.manifest()
    manifest = documents.parse_manifest(raw, content_type)
    assert isinstance(manifest, documents.Manifest)
    return manifest.layers[0], b"".join(place.open_blob(manifest.layers[0]))


def test_a_mirror_that_has_it_serves_alone(mirror: FakeRegistry, main: FakeRegistry) -> None:
    mirror.add_image("copy/x", "1", [b"layer" * 100])
    place = origin(options(mirror, main))
    assert layer(place)[1] == b"layer" * 100
    assert place.scope == "example.io/x:1"
    assert place.fresh().blob(documents.parse_manifest(*place.manifest()[:2]).config)  # type: ignore[union-attr]
    assert main.requests == []


def test_a_mirror_that_has_it_not_is_passed_over(mirror: FakeRegistry, main: FakeRegistry) -> None:
    told: list[str] = []
    place = origin(replace(options(mirror, main), note=told.append))
    assert layer(place)[1] == b"layer" * 100
    asked = len(mirror.requests)
    assert layer(place.fresh())[1] == b"layer" * 100
    assert len(mirror.requests) == asked
    assert told == [
        f'Trying to access "{mirror.domain}/copy/x:1"',
        f'Accessing "{mirror.domain}/copy/x:1" failed: reading manifest 1 in {mirror.domain}/copy/x: name unknown: '
        "manifest unknown",
        f'Trying to access "{main.domain}/real/x:1"',
    ]


def test_a_mirror_that_answers_with_a_web_page_is_passed_over(mirror: FakeRegistry, main: FakeRegistry) -> None:
    mirror.script("/manifests/", answer(200, b"<html>Sign in", {"Content-Type": "text/html"}))
    assert layer(origin(options(mirror, main)))[1] == b"layer" * 100


def test_a_blob_that_breaks_off_at_the_mirror_goes_on_at_the_registry(mirror: FakeRegistry, main: FakeRegistry) -> None:
    mirror.add_image("copy/x", "1", [b"layer" * 100])
    place = origin(options(mirror, main))
    raw, content_type, _ = place.manifest()
    manifest = documents.parse_manifest(raw, content_type)
    assert isinstance(manifest, documents.Manifest)
    mirror.script("/blobs/", broken_after(123))
    assert b"".join(place.open_blob(manifest.layers[0])) == b"layer" * 100
    assert main.seen("/blobs/")[0].headers["Range"] == "bytes=123-"


def test_when_all_fail_each_is_told(mirror: FakeRegistry, main: FakeRegistry) -> None:
    with pytest.raises(ImageNotFoundError) as caught:
        origin(options(mirror, main), "example.io/none:2").manifest()
    copy, real = f"{mirror.domain}/copy/none", f"{main.domain}/real/none"
    unknown = "name unknown: manifest unknown"
    assert str(caught.value) == (
        "initializing source docker://example.io/none:2: (Mirrors also failed: "
        f"[{copy}:2: reading manifest 2 in {copy}: {unknown}]): {real}:2: reading manifest 2 in {real}: {unknown}"
    )
    mirror.script("/manifests/", status(500))
    main.auth = Basic()
    with pytest.raises(UnauthorizedError):
        origin(options(mirror, main)).manifest()


def test_a_blocked_registry_is_not_asked(mirror: FakeRegistry, main: FakeRegistry) -> None:
    with pytest.raises(BlockedError, match=r"registry example\.io is blocked in registries\.conf$"):
        origin(options(mirror, main, blocked=True)).manifest()
    assert main.requests == []
    mirror.add_image("copy/x", "1", [b"l"])
    assert layer(origin(options(mirror, main, blocked=True)))[1] == b"l"
    with pytest.raises(BlockedError):
        options(mirror, main, blocked=True).of("example.io/x")


def test_credentials_of_the_command_line_are_not_for_mirrors(mirror: FakeRegistry, main: FakeRegistry) -> None:
    mirror.auth = Basic("user", "secret")
    registry = Registry(main.domain, f"{main.domain}/real", mirrors=(Mirror(f"{mirror.domain}/copy"),))
    chosen = replace(QUICK, configuration=Configuration((registry,)), credentials=("user", "secret"))
    main.auth = Basic("user", "secret")
    place = origin(chosen, f"{main.domain}/x:1")
    assert layer(place)[1] == b"layer" * 100
    assert all(request.headers.get("Authorization") is None for request in mirror.requests)
    assert main.seen("/blobs/")[0].headers["Authorization"] == basic("user", "secret")


def test_insecure_is_for_that_place_alone(main: FakeRegistry) -> None:
    insecure = Registry("a.io", "a.io", insecure=True, mirrors=(Mirror("m.io"),))
    chosen = replace(QUICK, configuration=Configuration((insecure,)))
    assert [one.insecure for one in chosen.configuration.endpoints(parse("a.io/x"))] == [False, True]
    assert chosen.of("a.io/x").tls_verify is False
    assert chosen.of("b.io/x").tls_verify is None
    assert replace(chosen, tls_verify=True).of("a.io/x").tls_verify is True
    assert chosen.trusting(insecure=False).tls_verify is None


def test_tags_are_those_of_the_first_that_knows_the_repository(mirror: FakeRegistry, main: FakeRegistry) -> None:
    mirror.script("/tags/", status(404))
    assert origin(options(mirror, main)).tags() == ["1"]
    mirror.script("/tags/", status(500))
    main.script("/tags/", status(500))
    with pytest.raises(RegistryError, match="Mirrors also failed"):
        origin(options(mirror, main)).tags()
