from __future__ import annotations

import posix

import pytest

from pod.containers.inside.environment import Variables, compose, expand
from pod.errors import PodError

IMAGE = {"PATH": "/image", "hello": "world"}


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "ftp_proxy", "https_proxy", "HTTP_PROXY"):
        monkeypatch.delitem(posix.environ, name.encode(), raising=False)
    monkeypatch.setitem(posix.environ, b"http_proxy", b"http://proxy")
    monkeypatch.setitem(posix.environ, b"NO_PROXY", b"localhost")
    monkeypatch.setitem(posix.environ, b"FROM_HOST", b"1")


def asked(**changes: object) -> Variables:
    variables = Variables()
    for name, value in changes.items():
        setattr(variables, name, value)
    return variables


def test_proxies_are_passed_on_unless_refused() -> None:
    proxies = {"http_proxy": "http://proxy", "NO_PROXY": "localhost"}
    assert compose(IMAGE, {}, None, {}) == proxies | IMAGE
    assert compose(IMAGE, {}, None, {"http_proxy": False}) == IMAGE
    assert compose(IMAGE, {}, asked(http_proxy=False), {}) == IMAGE
    assert compose(IMAGE, {}, asked(http_proxy=True), {"http_proxy": False}) == proxies | IMAGE
    assert compose(IMAGE, {"http_proxy": "mine"}, None, {})["http_proxy"] == "mine"


def test_the_host_comes_below_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(posix.environ, b"hello", b"host")
    found = compose(IMAGE, {}, asked(host=True), {})
    assert (found["FROM_HOST"], found["hello"]) == ("1", "world")
    assert compose(IMAGE, {}, None, {"env_host": True})["FROM_HOST"] == "1"
    assert "FROM_HOST" not in compose(IMAGE, {}, asked(host=False), {"env_host": True})


def test_containers_conf_comes_below_the_image() -> None:
    settings = {"env": ["hello=conf", "MORE=1", "FROM_HOST"], "http_proxy": False}
    assert compose(IMAGE, {}, None, settings) == {"hello": "world", "MORE": "1", "PATH": "/image", "FROM_HOST": "1"}


def test_merging_and_unsetting() -> None:
    settings = {"http_proxy": False}
    merged = compose(IMAGE, {}, asked(merge=["hello=${hello}-some", "other=$hello"]), settings)
    assert merged == {"PATH": "/image", "hello": "world-some"}, "podman changes only what is there"
    assert compose(IMAGE, {"A": "1"}, asked(unset=["hello", "A"]), settings) == {"PATH": "/image", "A": "1"}
    assert compose(IMAGE, {"A": "1"}, asked(unset_all=True), settings) == {"A": "1"}
    with pytest.raises(PodError, match="write NAME=VALUE"):
        compose(IMAGE, {}, asked(merge=["hello"]), settings)


def test_expansion() -> None:
    variables = {"a": "1", "b_2": "2"}
    assert expand("$a${b_2}$b_2x-$zz$", variables) == "12-$"
    assert expand("${unclosed $a", variables) == "${unclosed 1"
