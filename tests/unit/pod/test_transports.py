"""What `TRANSPORT:REST` means."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pod.errors import PodError
from pod.images import transports
from pod.images.transports import Place
from storage.errors import StorageError

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("oci:/a/b", Place("oci", "/a/b")),
        ("oci:a:latest", Place("oci", "a", "latest")),
        ("oci:a:docker.io/library/b:v1", Place("oci", "a", "docker.io/library/b:v1")),
        ("oci:a:@12", Place("oci", "a", number=12)),
        ("oci-archive:a.tar:b", Place("oci-archive", "a.tar", "b")),
        ("docker-archive:a.tar", Place("docker-archive", "a.tar")),
        ("docker-archive:a.tar:b", Place("docker-archive", "a.tar", "docker.io/library/b:latest")),
        ("docker-archive:a.tar:localhost:5000/b:c", Place("docker-archive", "a.tar", "localhost:5000/b:c")),
        ("docker-archive:a.tar:@0", Place("docker-archive", "a.tar", number=0)),
        ("dir:a:b", Place("dir", "a:b")),
        ("docker-daemon:b:latest", Place("docker-daemon", name="docker.io/library/b:latest")),
        (f"docker-daemon:{DIGEST}", Place("docker-daemon", name=DIGEST)),
        (f"docker-daemon:b@{DIGEST}", Place("docker-daemon", name=f"docker.io/library/b@{DIGEST}")),
        ("containers-storage:b", Place("containers-storage", name="b")),
    ],
)
def test_parse(text: str, place: Place) -> None:
    assert transports.is_named(text)
    assert transports.parse(text) == place


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("oci:", "no path"),
        ("oci::latest", "no path"),
        ("oci:a:@x", "not the number"),
        ("oci:a:@", "not the number"),
        ("oci:a:@²", "not the number"),
        ("dir:", "no path"),
        ("docker-archive:a:B", "lowercase"),
        (f"docker-archive:a:b@{DIGEST}", "doesn't support digest references"),
        ("docker-daemon:", "invalid reference"),
        ("docker-daemon:b", "neither a tag nor a digest"),
        (f"docker-daemon:b:c@{DIGEST}", "both a tag and a digest"),
        ("docker-daemon:sha256:aa", "invalid"),
        ("containers-storage:", "always that of this user"),
        ("containers-storage:[overlay@/a+/b]c", "always that of this user"),
        ("ostree:a", "transport ostree is not supported"),
    ],
)
def test_parse_refuses(text: str, why: str) -> None:
    with pytest.raises((PodError, StorageError), match=why):
        transports.parse(text)


@pytest.mark.parametrize("text", ["busybox", "localhost:5000/a", "docker://a", "a:oci", "", "oci"])
def test_names_at_registries(text: str) -> None:
    assert not transports.is_named(text)


@example("0::", "oci")
@given(st.text(), st.sampled_from(["oci", "oci-archive", "docker-archive", "dir", "docker-daemon", "x"]))
def test_any_text_is_read_or_refused(rest: str, transport: str) -> None:
    try:
        place = transports.parse(f"{transport}:{rest}")
    except (PodError, StorageError):
        return
    if place.number is None and transport in ("oci", "oci-archive", "dir"):
        path, colon, name = (rest, "", "") if transport == "dir" else rest.partition(":")
        assert str(place) == f"{transport}:{path}" + (f"{colon}{name}" if name else "")


def test_the_socket_of_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///x/y")
    assert transports.daemon_socket() == "/x/y"
    monkeypatch.setenv("DOCKER_HOST", "tcp://x:1")
    with pytest.raises(PodError, match="only unix sockets"):
        transports.daemon_socket()
    monkeypatch.delenv("DOCKER_HOST")
    assert transports.daemon_socket() == "/var/run/docker.sock"
