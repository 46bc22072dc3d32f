"""Images of a docker daemon, played by a server on a unix socket: what it says wrong is one clear error."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.errors import ImageNotFoundError, StorageError
from storage.transports import daemon, docker_archive
from storage.transports.daemon import DaemonOutput
from storage.transports.docker_archive_destination import SingleArchiveDestination
from tests.fixtures import images
from tests.unit.storage.test_transports import ONE, contents, expected, put


class Daemon:
    """What the server answers, and what it got."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.status, self.body = 200, b""
        self.cut = 0
        self.asked: list[str] = []
        self.loaded = b""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that listens."""
    found = Daemon(str(tmp_path / "socket"))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            assert self.headers["Transfer-Encoding"] == "chunked"
            while size := int(self.rfile.readline() or b"0", 16):
                found.loaded += self.rfile.read(size)
                self.rfile.readline()
            self.answer()

        def answer(self) -> None:
            found.asked.append(f"{self.command} {self.path}")
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(found.body) + found.cut))
            self.end_headers()
            self.wfile.write(found.body)

        def address_string(self) -> str:
            return ""

        def log_message(self, *_: Any) -> None:
            pass

    with _Server(found.path, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def test_fetch(docker: Daemon, tmp_path: Path) -> None:
    output = DaemonOutput(docker.path)
    docker.body = b'{"stream":"Loaded image: one:1"}\r\n'
    put(SingleArchiveDestination(output, ["docker.io/library/one:1"]), ONE)
    docker.body = docker.loaded
    before = set(os.listdir(tmp_path))
    archive = daemon.fetch(docker.path, "docker.io/library/one:1", str(tmp_path))
    item = docker_archive.items(archive)[0]
    assert item.names == ("docker.io/library/one:1",)
    assert contents(docker_archive.DockerArchiveOrigin(archive, item)) == expected(ONE)
    archive.close()
    assert set(os.listdir(tmp_path)) == before
    assert docker.asked == ["POST /images/load?quiet=1", "GET /images/docker.io/library/one:1/get"]


def test_what_docker_25_writes(docker: Daemon, tmp_path: Path) -> None:
    """An OCI layout with manifest.json beside it, whose layers have no names of their own."""
    config = ONE.config()
    blobs = [
        images.entry(f"blobs/sha256/{blob.digest[7:]}", blob.read())
        for blob in (config, *(at.blob for at in ONE.layers))
    ]
    fields = {
        "Config": f"blobs/sha256/{config.digest[7:]}",
        "RepoTags": ["one:1"],
        "Layers": [f"blobs/sha256/{layer.blob.digest[7:]}" for layer in ONE.layers],
        "LayerSources": {},
    }
    docker.body = images.tar(
        images.entry("blobs"),
        *blobs,
        images.entry("index.json", b"{}"),
        images.entry("manifest.json", json.dumps([fields]).encode()),
        images.entry("oci-layout", b"{}"),
    )
    archive = daemon.fetch(docker.path, "one:1", str(tmp_path))
    item = docker_archive.items(archive)[0]
    assert item.names == ("docker.io/library/one:1",)
    assert contents(docker_archive.DockerArchiveOrigin(archive, item)) == expected(ONE)
    archive.close()


@pytest.mark.parametrize(
    ("status", "body", "cut", "told"),
    [
        (404, b'{"message":"No such image: x"}', 0, "docker-daemon:x: No such image: x"),
        (500, b"<html>", 0, "docker-daemon:x: 500 Internal Server Error"),
        (500, b"[1]", 0, "docker-daemon:x: 500 Internal Server Error"),
        (200, b"<html>" * 200, 0, "docker-daemon:x: not a tar archive"),
        (200, b"", 0, "docker-daemon:x: not a tar archive: there is nothing in it"),
        (200, b"x" * 600, 1 << 20, "the daemon hung up"),
    ],
)
def test_fetching_fails(docker: Daemon, tmp_path: Path, status: int, body: bytes, cut: int, told: str) -> None:
    docker.status, docker.body, docker.cut = status, body, cut
    with pytest.raises(ImageNotFoundError if status == 404 else StorageError, match=told):
        daemon.fetch(docker.path, "x", str(tmp_path))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b'{"stream":"x"}\n{"errorDetail":{"message":"no"},"error":"no space"}\n', "docker-daemon: no space"),
        (400, b'{"message":"bad"}', "docker-daemon: bad"),
    ],
)
def test_loading_fails(docker: Daemon, status: int, body: bytes, told: str) -> None:
    docker.status, docker.body = status, body
    with pytest.raises(StorageError, match=told):
        put(SingleArchiveDestination(DaemonOutput(docker.path)), ONE)


def test_nobody_listens(tmp_path: Path) -> None:
    for attempt in (
        lambda: daemon.fetch(str(tmp_path / "no"), "x", str(tmp_path)),
        lambda: DaemonOutput(str(tmp_path / "no")),
    ):
        with pytest.raises(
            StorageError, match=r"cannot connect to the Docker daemon at unix://.*: no such file"
        ) as told:
            attempt()
        assert told.value.hint == "is the docker daemon running?"
