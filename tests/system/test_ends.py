"""The machine ends with the process that booted it, whatever happens to that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from tests.system import qemu
from tests.system.machine import Machine
from tests.system.project import SOURCE


def test_machine_ends_when_its_session_is_killed(machine: Machine) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tests.system import image, qemu; "
        "d = sys.argv[2]; q = qemu.Qemu(image.image(), d); q.port(); print(q.pid, flush=True); sys.stdin.read()"
    )
    directory = f"/tmp/pod-machine-test-{os.getpid()}"
    os.mkdir(directory)
    try:
        with subprocess.Popen(
            [sys.executable, "-c", code, SOURCE, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as session:
            assert session.stdout
            pid = int(session.stdout.readline())
            assert os.readlink(f"/proc/{pid}/exe").endswith(qemu.PROGRAM)
            session.send_signal(signal.SIGKILL)
            session.wait()
        deadline = time.monotonic() + 60
        while _runs(pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        for name in os.listdir(directory):
            os.unlink(os.path.join(directory, name))
        os.rmdir(directory)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
