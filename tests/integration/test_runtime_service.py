"""What a service manager tells by the environment and hears by a socket: sd_listen_fds(3), sd_notify(3)."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.bundle import COMMAND, Runtime, configuration, with_python, with_user_namespace
from tests.fixtures.user import current_user

_numbers = itertools.count()


@pytest.fixture
def as_root(workplace: str) -> Iterator[Runtime]:
    if os.getuid():
        pytest.skip("needs root")
    made = Runtime(f"{workplace}/service{next(_numbers)}", current_user())
    yield made
    assert made.leftovers() == []


TELL = """
import os, socket, time
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.connect(os.environ["NOTIFY_SOCKET"])
end.send(b"STATUS=warming up\\nFDSTORE=1")
end.send(b"MAINPID=1\\nREADY=1\\nWATCHDOG=1")
time.sleep(60)
"""


@pytest.mark.parametrize("with_user", [True, False], ids=["user", "no-user"])
@pytest.mark.parametrize("abstract", [True, False], ids=["abstract", "path"])
def test_notifications_reach_the_service_manager(as_root: Runtime, with_user: bool, abstract: bool) -> None:
    path = f"@podruntime{os.getpid()}" if abstract else f"{as_root.directory}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path.replace("@", "\0"))
        manager.settimeout(60)
        os.mkdir(f"{as_root.rootfs}/run", 0o755)
        os.makedirs(f"{as_root.rootfs}/run/notify")
        os.makedirs(f"{as_root.rootfs}/usr")
        spec = with_python(as_root, configuration("/usr/bin/python3", "-I", "-S", "-c", TELL))
        as_root.configure(with_user_namespace(spec) if with_user else spec)
        environment = {**os.environ, "NOTIFY_SOCKET": path}
        with open(f"{as_root.directory}/out", "w") as out:
            done = as_root("run", "-d", "box", env=environment, stdout=out, stderr=out)
        try:
            assert done.returncode == 0
            pid = json.loads(as_root("state", "box").stdout)["pid"]
            assert manager.recv(1000) == b"STATUS=warming up"
            assert manager.recv(1000).split(b"\n") == [b"READY=1", b"MAINPID=%d" % pid]
        finally:
            as_root("delete", "--force", "box")


def test_a_container_that_ends_before_it_is_ready_does_not_hang_its_start(as_root: Runtime) -> None:
    as_root.configure(configuration("env"))
    environment = {**os.environ, "NOTIFY_SOCKET": "/no/where"}
    done = as_root("run", "box", env=environment)
    assert "NOTIFY_SOCKET=/run/notify/notify" in done.stdout.splitlines()
    assert done.returncode == 0
    # One that the configuration has already is left alone.
    as_root.configure(configuration("env", env=["PATH=/bin", "NOTIFY_SOCKET=/its/own"]))
    assert "NOTIFY_SOCKET=/its/own" in as_root("run", "box", env=environment).stdout.splitlines()


def test_socket_activation(runtime: Runtime) -> None:
    reading, writing = os.pipe()
    runtime.configure(configuration("sh", "-c", "echo kept >&3; env; echo $$; ls /proc/self/fd >&2"))
    words = [*runtime.prefix(), *COMMAND, "--root", runtime.state, "run", "box"]
    script = f"exec 3>&{writing} {writing}>&-; LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=$$ exec {shlex.join(words)}"
    options: dict[str, Any] = {"cwd": runtime.bundle, "capture_output": True, "text": True, "check": False}
    done = subprocess.run(["bash", "-c", script], pass_fds=(writing,), **options)
    os.close(writing)
    assert os.read(reading, 100) == b"kept\n", done.stderr
    os.close(reading)
    seen = done.stdout.splitlines()
    assert {"LISTEN_FDS=1", "LISTEN_FDNAMES=web", "LISTEN_PID=1"} <= set(seen)
    assert done.stderr.split()[:4] == ["0", "1", "2", "3"]
    # Not for us: the variables are those of somebody above.
    done = runtime("run", "box", env={**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert "LISTEN_FDS" not in done.stdout
