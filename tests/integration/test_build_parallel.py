"""Stages of `pod build` side by side: what takes long in one of them holds no other up."""

from __future__ import annotations

import http.server
import io
import os
import signal
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fakes.registry import Exchange, FakeRegistry
from tests.fixtures import leaks
from tests.fixtures.command import Pod
from tests.fixtures.images import entry, tar
from tests.integration.test_build import build, context, run


@contextmanager
def web(files: dict[str, bytes], held: threading.Event, asked: threading.Event | None = None) -> Iterator[str]:
    """Serve files once the event is set, and set another when one is asked for; yield the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.set()
            held.wait(60)
            body = files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        held.set()
        server.shutdown()
        server.server_close()


def release_after(pod: Pod, directory: str, line: str, held: threading.Event, *flags: str) -> tuple[int, str]:
    """Build; set the event when a line is printed. Return the exit code and all lines."""
    with pod.start("build", "--network", "none", *flags, directory, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        seen = []
        for row in process.stdout:
            seen.append(row.decode())
            if row.decode().strip() == line:
                assert not held.is_set()
                held.set()
        return process.wait(), "".join(seen)


def test_what_add_fetches_holds_no_other_stage_up(box: Pod, busybox: str) -> None:
    held = threading.Event()
    with web({"/f": b"content"}, held) as url:
        text = f"FROM {busybox} AS a\nADD {url}/f /f\nFROM {busybox}\nRUN echo done\nCOPY --from=a /f /f\n"
        code, seen = release_after(box, context(box, text), "[2/2] done", held, "-t", "added")
        assert code == 0, seen
    assert run(box, "added", "cat", "/f") == "content"


def test_images_are_pulled_side_by_side_and_hold_no_other_stage_up(box: Pod, busybox: str) -> None:
    held, asked = threading.Event(), threading.Barrier(2, action=None)

    def wait(exchange: Exchange) -> None:
        asked.wait(60)  # until the other image is asked for, too
        held.wait(60)
        exchange.send(exchange.answer)

    with FakeRegistry() as registry:
        for name in ("one", "two"):
            registry.add_image(name, "1", [tar(entry(name, name.encode()))])
            registry.script(f"/v2/{name}/manifests/", wait)
        froms = [
            f"FROM {registry.domain}/{name}:1 AS {name}\nCOPY --from=busy /said /said\n" for name in ("one", "two")
        ]
        last = f"FROM {registry.domain}/one:1\nCOPY --from=one /said /a\nCOPY --from=two /said /b\n"
        text = f"FROM {busybox} AS busy\nRUN echo done; echo said > /said\n" + "".join(froms) + last
        code, seen = release_after(box, context(box, text), "[1/4] done", held, "--tls-verify=false", "-t", "pulled")
        assert code == 0, seen
        manifests = [one.path for one in registry.requests if one.path == "/v2/one/manifests/1"]
        assert len(manifests) == 1  # once for two stages
    assert f"[2/4] Trying to pull {registry.domain}/one:1...\n" in seen
    mounted = ["--mount", "type=image,source=pulled,target=/i", busybox]
    assert run(box, *mounted, "cat", "/i/a", "/i/b", "/i/one") == "said\nsaid\none"


def test_who_looks_into_a_cache_holds_no_other_stage_up(box: Pod, busybox: str) -> None:
    held = threading.Event()

    def wait(exchange: Exchange) -> None:
        held.wait(60)
        exchange.send(exchange.answer)

    with FakeRegistry() as registry:
        registry.script("/manifests/", wait)  # whichever stage comes first
        text = "".join(f"FROM {busybox} AS {name}\nRUN echo done; echo {name} > /{name}\n" for name in "ab")
        directory = context(box, f"{text}FROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n")
        flags = ("--network", "none", "--cache-from", f"{registry.domain}/cache", "-t", "looked")
        with box.start("build", *flags, directory) as process:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, b"")
            next(line for line in lines if line.endswith(b"] done\n"))
            held.set()
            assert b"".join(lines).count(b"] done\n") == 1
            assert process.wait() == 0
        assert len(registry.seen("/manifests/")) == 2 + 4  # of COPY by its stage and by its files


def test_one_stage_at_a_time_pulls_when_its_turn_comes(box: Pod) -> None:
    with FakeRegistry() as registry:
        for name in ("one", "two"):
            registry.add_image(name, "1", [tar(entry(name, name.encode()))])
        text = "".join(f"FROM {registry.domain}/{name}:1\nCOPY Containerfile /\n" for name in ("one", "two"))
        text += "COPY --from=0 /one /\n"
        made = build(box, text, "--jobs", "1", "--tls-verify=false")
        assert [line[:13] for line in made.stdout.splitlines() if "STEP" in line] == [
            *("[1/2] STEP 1/", "[1/2] STEP 2/", "[2/2] STEP 1/", "[2/2] STEP 2/", "[2/2] STEP 3/"),
        ]


def test_an_image_that_cannot_be_had(box: Pod, busybox: str) -> None:
    with FakeRegistry() as registry:
        text = f"FROM {busybox}\nRUN true\nFROM {registry.domain}/none:1\nCOPY --from=0 /etc/passwd /\n"
        failed = build(box, text, "--tls-verify=false", "--retry", "0", check=False)
    assert failed.code == 125
    assert "Error: creating build container: " in failed.stderr
    assert f"reading manifest 1 in {registry.domain}/none: name unknown" in failed.stderr
    assert ">>> FROM" in failed.stderr
    assert os.listdir(f"{box.root}/staging") == []


def test_archives_are_unpacked_in_a_process_of_their_own(box: Pod, busybox: str) -> None:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("inner/f"), io.BytesIO())
    held = threading.Event()
    held.set()
    with web({"/a.tgz": memory.getvalue()}, held) as url:
        build(box, f"FROM {busybox}\nADD --unpack=true {url}/a.tgz /x/\nADD {url}/a.tgz /y/\n", "-t", "unpacked")
        missing = build(box, f"FROM {busybox}\nADD {url}/none /x/\n", check=False)
    assert run(box, "unpacked", "sh", "-c", "ls /x /x/inner /y") == "/x:\ninner\n\n/x/inner:\nf\n\n/y:\na.tgz"
    assert missing.code == 125
    assert f"invalid response status 404 Not Found from {url}/none" in missing.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("what", ["ADD", "git", "FROM"])
def test_an_interrupted_fetch_leaves_nothing(box: Pod, busybox: str, what: str, number: signal.Signals) -> None:
    held, asked = threading.Event(), threading.Event()
    with web({}, held, asked) as url:
        added = f"FROM {busybox}\nADD {url}/{'r.git' if what == 'git' else 'f'} /f\n"
        text = added if what != "FROM" else f"FROM {url.partition('//')[2]}/a:1\n"
        build = ("build", "--tls-verify=false", context(box, text))
        with box.start(*build, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            assert asked.wait(60)
            process.send_signal(number)
            process.wait(timeout=60)
        port = url.rpartition(":")[2]
        assert process.returncode in (128 + number, -number)
        assert leaks.wait_until_clean(lambda: fetching(port), timeout=30) == []
    box.run("build", "--network", "none", context(box, f"FROM {busybox}\nRUN true\n"))
    assert os.listdir(f"{box.root}/staging") == []


def fetching(port: str) -> list[str]:
    """Return the processes that still ask the server at a port for something."""
    return [one.command for one in leaks.processes() if f"127.0.0.1:{port}/" in one.command]
