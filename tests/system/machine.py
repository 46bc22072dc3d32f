"""A virtual machine with Debian 13, systemd and cgroup v2, and the project installed in it.

    with booted(image()) as machine:
        machine.run("alice", "pod", "ps").stdout
        machine.shell("root", "cat /sys/fs/cgroup/cgroup.controllers")
        machine.cut_power()

Commands go over one connection of ssh per user, as that user's login session: in a control group of its own, not in
that of the user's service manager. `Machine.user_unit` runs a command there, where systemd delegates.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

from tests.system.image import Image
from tests.system.qemu import Qemu, end_with_parent

BOOT_SECONDS = 240
_PREFIX = "pod-machine-"


class MachineError(Exception):
    """The machine does not do what a machine does."""


@contextlib.contextmanager
def booted(image: Image) -> Iterator[Machine]:
    """Boot a machine, and end it with all that it has written."""
    _sweep()
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir="/tmp") as directory:
        machine = Machine(image, directory)
        try:
            machine.wait_until_up()
            yield machine
        finally:
            machine.stop()


def _sweep() -> None:
    """Remove the directories of sessions that were killed."""
    for name in os.listdir("/tmp"):
        pid = name.removeprefix(_PREFIX).partition("-")[0]
        if name.startswith(_PREFIX) and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(os.path.join("/tmp", name), ignore_errors=True)


class Machine:
    """The running machine: commands as root and as alice, reboot and power cut."""

    def __init__(self, image: Image, directory: str) -> None:
        self._key = image.key
        self._directory = directory
        self._connections: dict[str, subprocess.Popen[bytes]] = {}
        self._qemu = Qemu(image, directory)
        self._port = 0

    def run(
        self, user: str, *command: str, input: str | bytes | None = None, check: bool = True, timeout: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as `user` in its home; with `check`, a code other than 0 fails the test."""
        __tracebackhide__ = True
        data = input.encode() if isinstance(input, str) else input
        argv = [*self._ssh(user), "-T", "--", shlex.join(command)]
        try:
            raw = subprocess.run(argv, input=data or b"", capture_output=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(
                f"{user}: {command}: no end after {timeout} s: {error.stdout!r} {error.stderr!r}"
            ) from None
        out, err = raw.stdout.decode(errors="replace"), raw.stderr.decode(errors="replace")
        done = subprocess.CompletedProcess(list(command), raw.returncode, out, err)
        assert not check or done.returncode == 0, f"{user}: {command}: {done.returncode}\n{out}{err}"
        return done

    def shell(
        self, user: str, script: str, *, input: str | bytes | None = None, check: bool = True, timeout: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of the shell, which ends at the first command that fails."""
        __tracebackhide__ = True
        return self.run(user, "sh", "-ec", script, input=input, check=check, timeout=timeout)

    def user_unit(
        self, user: str, *command: str, check: bool = True, timeout: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a scope of the user's service manager: there systemd delegates control groups."""
        __tracebackhide__ = True
        scope = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "-p", "Delegate=yes", "--"]
        return self.run(user, *scope, *command, check=check, timeout=timeout)

    def put(self, path: str, content: bytes, *, user: str = "root") -> None:
        """Write a file."""
        self.shell(user, f"cat > {shlex.quote(path)}", input=content)

    def interact(self, user: str, *command: str) -> int:
        """Give the caller's standard streams to a command in the machine, or his terminal to a login shell there."""
        words = ["--", shlex.join(command)] if command else ["-t"]
        return subprocess.run([*self._ssh(user), *words], check=False).returncode

    def boot_id(self) -> str:
        """Return what the kernel calls this boot."""
        return self.run("root", "cat", "/proc/sys/kernel/random/boot_id").stdout.strip()

    def reboot(self) -> None:
        """Shut down as an administrator does, and boot again."""
        self._boot_again(lambda: self.run("root", "systemctl", "reboot", "--no-block", check=False))

    def cut_power(self) -> None:
        """Reset the processor; what was not written to the disk is lost. Boot again."""
        self._boot_again(self._qemu.reset)

    def wait_until_up(self) -> None:
        """Wait for sshd, and until systemd has started everything."""
        deadline = time.monotonic() + BOOT_SECONDS
        self._port = self._qemu.port()
        while not self._has_sshd():
            self._check(deadline)
            time.sleep(0.2)
        while self._state() in ("initializing", "starting", ""):
            self._check(deadline)
            time.sleep(0.5)

    def stop(self) -> None:
        """End the machine."""
        self._hang_up()
        self._qemu.stop()

    def _boot_again(self, begin: Callable[[], object]) -> None:
        before = self.boot_id()
        begin()
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            self._hang_up()
            self.wait_until_up()
            if self.boot_id() != before:
                return
            self._check(deadline)
            time.sleep(0.5)

    def _state(self) -> str:
        return self.run("root", "systemctl", "is-system-running", check=False).stdout.strip()

    def _check(self, deadline: float) -> None:
        if time.monotonic() > deadline or not self._qemu.is_running():
            raise MachineError(f"the machine did not come up:\n{self._qemu.last_words()}")

    def _has_sshd(self) -> bool:
        # qemu accepts the connection whether or not somebody listens in the machine: the greeting tells.
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=3) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _ssh(self, user: str) -> list[str]:
        """Return the command line up to the host, once there is a connection."""
        path = os.path.join(self._directory, user)
        options = {
            "BatchMode": "yes",
            "ControlPath": path,
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
        }
        command = ["ssh", "-F", "none", "-i", self._key, "-p", str(self._port)]
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        command.append(f"{user}@127.0.0.1")
        connection = self._connections.get(user)
        if connection is None or connection.poll() is not None:
            self._connect(user, path, command)
        return command

    def _connect(self, user: str, path: str, command: list[str]) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            connection = subprocess.Popen(
                [*command, "-M", "-N"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=end_with_parent,
            )
            while connection.poll() is None:
                if os.path.exists(path):
                    self._connections[user] = connection
                    return
                time.sleep(0.05)
            self._check(deadline)  # pam_nologin turns users away until the boot has come far enough
            time.sleep(0.3)

    def _hang_up(self) -> None:
        for connection in self._connections.values():
            connection.kill()
            connection.wait()
        self._connections.clear()
