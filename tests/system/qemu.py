"""The processor, memory, disk and network of the machine: qemu's software emulation, which needs no rights."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from typing import Any

from tests.system.image import Image

PROGRAM = "qemu-system-x86_64"
MEMORY = "2048"
PROCESSORS = "2"
_APPEND = "root=/dev/vda console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off systemd.getty_auto=no"
_PR_SET_PDEATHSIG = 1


def is_installed() -> bool:
    """Tell whether this system can emulate a machine."""
    return shutil.which(PROGRAM) is not None


class Qemu:
    """A running machine; what it writes to its disk is gone when it ends.

    `directory` holds the console's output and the control socket. The process ends with us, however we end.
    """

    def __init__(self, image: Image, directory: str) -> None:
        self.console = os.path.join(directory, "console")
        self._control = os.path.join(directory, "qmp")
        # One thread for all processors: with a thread each, qemu 7.2 may execute half of an instruction that Linux just
        # patches on another one (a jump label, as when the first cpuset is made), and the kernel panics.
        command = [PROGRAM, "-accel", "tcg,thread=single", "-cpu", "max", "-m", MEMORY, "-smp", PROCESSORS]
        command += ["-nodefaults", "-no-user-config", "-display", "none", "-serial", f"file:{self.console}"]
        command += ["-qmp", f"unix:{self._control},server=on,wait=off"]
        command += ["-kernel", image.kernel, "-initrd", image.initrd, "-append", _APPEND]
        command += ["-snapshot", "-drive", f"file={image.disk},format=raw,if=virtio,cache=unsafe"]
        # The host chooses the port; the machine reaches nothing but its own end of the network.
        command += ["-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"]
        command += ["-device", "virtio-net-pci,netdev=net,romfile="]
        environment = {**os.environ, "TMPDIR": "/var/tmp"}  # where the snapshot goes, as a file without a name
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            preexec_fn=end_with_parent,
        )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def is_running(self) -> bool:
        """Tell whether qemu has not ended."""
        return self._process.poll() is None

    def port(self) -> int:
        """Return the port of 127.0.0.1 that leads to the machine's sshd."""
        found = re.search(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", self._monitor("info usernet"))
        assert found, "qemu has no forwarded port"
        return int(found[1])

    def reset(self) -> None:
        """Cut the power and give it back: what the system did not write to the disk is lost."""
        self._command("system_reset")

    def stop(self) -> None:
        """End qemu at once."""
        self._process.kill()
        self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()

    def last_words(self) -> str:
        """Return the end of what the console and qemu said."""
        text = ""
        with contextlib.suppress(OSError), open(self.console, errors="replace") as file:
            text = file.read()[-3000:]
        if not self.is_running() and self._process.stderr:
            text += self._process.stderr.read().decode(errors="replace")
        return text

    def _monitor(self, line: str) -> str:
        return str(self._command("human-monitor-command", {"command-line": line}))

    def _command(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """Send one command over the control socket (docs/interop/qmp-spec) and return what it returned."""
        with self._connect() as connection, connection.makefile("rw") as stream:
            stream.readline()  # the greeting
            for request in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments or {}}):
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                while "event" in (answer := json.loads(stream.readline())):
                    pass
            assert "return" in answer, f"qemu: {answer}"
            return answer["return"]

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 60
        while True:
            try:
                connection.connect(self._control)
                return connection
            except OSError:
                if time.monotonic() > deadline or not self.is_running():
                    connection.close()
                    raise
                time.sleep(0.05)


def end_with_parent() -> None:
    """Let the kernel kill this process when the one that started it ends, even by SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
