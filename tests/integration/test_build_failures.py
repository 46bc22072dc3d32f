"""What fails while a build goes on: how it is told, with which exit code, and that nothing is left of it."""

from __future__ import annotations

import http.server
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.fixtures import leaks
from tests.fixtures.command import Pod
from tests.integration.test_build import build, context, run

if TYPE_CHECKING:
    from collections.abc import Iterator

SUM = "sha256:" + 64 * "0"


class Web(http.server.BaseHTTPRequestHandler):
    """Serves a Containerfile at /file, nothing at /missing, and begins to serve at /endless."""

    text = b""
    release = threading.Event()

    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", "1000000" if self.path == "/endless" else str(len(self.text)))
        self.end_headers()
        self.wfile.write(self.text)
        if self.path == "/endless":
            self.release.wait(60)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web(busybox: str) -> Iterator[str]:
    """The address of a server."""
    Web.text = f"FROM {busybox}\nRUN echo web > /web\n".encode()
    Web.release = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    Web.release.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("step", "code", "cause"),
    [
        ("RUN exit 7", 7, "while running runtime: exit status 7"),
        ("RUN none", 127, "while running runtime: exit status 127"),
        ('RUN ["/none"]', 127, "executable file `/none` not found: no such file or directory"),
        ('RUN ["/tmp"]', 126, "open executable `/tmp`: permission denied"),
        ("USER nosuch\nRUN true", 125, "unable to find user nosuch: no matching entries in passwd file"),
        ("COPY none /", 125, 'copier: stat: "/none": no such file or directory'),
        ("COPY --from=none:1 /x /", 125, "none:1: image not known"),
        ("COPY --chown=nosuch Containerfile /", 125, "unable to find user nosuch"),
        ("RUN --mount=type=secret,id=x,required true", 125, "secret required but no secret with id x found"),
        ("ADD {web}/missing /", 125, "invalid response status 404 Not Found from {web}/missing"),
        (f"ADD --checksum={SUM} {{web}}/file /", 125, f"unexpected response digest for {{web}}/file: expected {SUM}"),
    ],
)
def test_failures_tell_of_file_and_line(box: Pod, busybox: str, web: str, step: str, code: int, cause: str) -> None:
    text = f"FROM {busybox}\n# comment\n\nRUN echo kept > /kept\n{step.format(web=web)}\n"
    failed = build(box, text, "--pull=never", check=False)
    assert failed.code == code
    lines = failed.stderr.splitlines()
    [error] = [line for line in lines if line.startswith("Error: ")]
    line = text.count("\n")
    told = step.format(web=web).rpartition("\n")[2]
    assert error.startswith(f'Error: building at STEP "{told}": ')
    assert cause.format(web=web) in error
    assert f"Containerfile:{line}" in lines
    assert f"{line:>4} | >>> {told}" in lines
    assert "Using cache" in build(box, text, "--pull=never", check=False).stdout
    assert os.listdir(f"{box.root}/staging") == []


def test_variables_that_are_missing(box: Pod, busybox: str) -> None:
    failed = build(box, f"FROM {busybox}\nRUN true\nENV a=${{X:?missing}}\n", check=False)
    assert failed.code == 125
    assert 'Error: building at STEP "ENV a=${X:?missing}": Containerfile:3:7: X: missing' in failed.stderr
    failed = build(box, "ARG a\nFROM $nope\n", check=False)
    assert "Error: Containerfile:2:6: base name ($nope) should not be blank" in failed.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", ["RUN echo there; sleep 100", "COPY large /", "ADD {web}/endless /"])
def test_signals_leave_nothing(box: Pod, busybox: str, web: str, number: int, step: str) -> None:
    groups = leaks.control_groups()
    text = f"FROM {busybox}\nRUN echo kept > /kept\n{step.format(web=web)}\n"
    directory = context(box, text)
    with open(f"{directory}/large", "wb") as file:
        file.truncate(1 << 40)
    started = box.start("build", "--network", "none", directory)
    assert started.stdout is not None
    awaited = b"there\n" if "there" in step else b"STEP 3/3"
    assert any(line.startswith(awaited) for line in started.stdout)
    started.send_signal(number)
    started.communicate(timeout=60)
    assert started.returncode == 128 + number
    assert box.leftovers(groups) == []
    os.truncate(f"{directory}/large", 0)
    assert "Using cache" in build(box, text.replace(step.format(web=web), "RUN true")).stdout


def test_containerfiles_from_elsewhere(box: Pod, busybox: str, web: str) -> None:
    directory = context(box, "", {"more": "RUN cat /web /web > /more\n", "wrong": "\nRUNX\n"})
    box.run("build", "--network", "none", "-f", f"{web}/file", "-f", f"{directory}/more", "-t", "made", directory)
    assert run(box, "made", "cat", "/more") == "web\nweb"
    failed = box.run("build", "-f", f"{web}/file", "-f", f"{directory}/wrong", directory, check=False)
    assert failed.stderr.startswith(f'Error: {directory}/wrong:2:1: unknown instruction "RUNX"\n')
    failed = box.run("build", "-f", f"{web}/missing", directory, check=False)
    assert failed.stderr == f"Error: invalid response status 404 Not Found from {web}/missing\n"


def test_containerfiles_for_cpp(box: Pod, busybox: str) -> None:
    directory = context(box, "", {"C.in": f'FROM {busybox}\n#include "more"\n', "more": "# a\nRUN exit CODE\n"})
    words = ("build", "--network", "none", "--cpp-flag=-DCODE=5", "-f", f"{directory}/C.in", directory)
    failed = box.run(*words, check=False)
    assert failed.code == 5
    shown = ["more:2", "-" * 20, "   1 |", "   2 | >>> RUN exit 5", "-" * 20]
    assert failed.stderr.splitlines()[:-1] == shown


def test_what_is_not_wrong_but_better_mended_is_told(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nARG used\nMAINTAINER me\nCMD ['sh']\n"
    arguments = ("--build-arg", "used=1", "--build-arg", "lost=1", "--build-arg", "HTTP_PROXY=x")
    told = box.run("build", *arguments, context(box, text)).stderr
    assert "Containerfile:3: MAINTAINER is deprecated" in told
    assert "Containerfile:4: this is no JSON array" in told
    assert "one or more build args were not consumed: [lost]\n" in told


def test_a_checksum_of_what_is_not_fetched_is_refused(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nADD --checksum={SUM} file /file\n"
    refused = box.run("build", context(box, text, {"file": "x"}), check=False)
    assert refused.code == 125
    assert "checksum flag is not supported for local sources" in refused.stderr


def test_a_stage_that_is_misspelt(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS packages\nFROM {busybox}\nCOPY --from=pakages /a /a\n"
    refused = box.run("build", "--pull=never", context(box, text), check=False)
    assert refused.code == 125
    assert "did you mean the stage packages?" in refused.stderr
