"""A place for private contexts, a server of files, and a server of git repositories, on the loopback device."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pod.build.context import archives
from pod.build.context.opening import Workshop

DAEMON = "/usr/lib/git-core/git-daemon"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    place = tmp_path / "workshop"
    place.mkdir()
    return Workshop(str(place), dict(os.environ), archives.options(rootless=False, single_id=True))


class Web:
    """A server of what is put into `files`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        files = self.files

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.send_header("Last-Modified", "Sun, 09 Sep 2001 01:46:40 GMT")
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


class Repository:
    """A repository, served; `git` runs a command in it."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self.url = url
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", "-C", str(self.path), "-c", "protocol.file.allow=always", *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | who)
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        for name, text in files.items():
            path = self.path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--message=change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repositories(tmp_path: Path) -> Iterator[Callable[[str], Repository]]:
    if not shutil.which("git") or not os.path.exists(DAEMON):
        pytest.skip("git is not installed")
    top = tmp_path / "served"
    top.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--listen=127.0.0.1", f"--port={port}", "--reuseaddr", f"--base-path={top}", "--export-all"]
    with subprocess.Popen([DAEMON, *options, str(top)], stderr=subprocess.DEVNULL) as daemon:
        _await(port)
        yield lambda name: Repository(top / f"{name}.git", f"git://127.0.0.1:{port}/{name}.git")
        daemon.terminate()


def _await(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise AssertionError("the git daemon does not listen")
