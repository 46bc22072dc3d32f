"""The user's side: a command in miniature, with real terminals and pipes around it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pexpect

from tests.fixtures.monitor import (
    Fake,
    alive,
    eventually,
    fake_container,  # noqa: F401
)

ROOT = Path(__file__).parents[2]


COMMAND = """
import os, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from pod.containers import attach
from pod.cli import session
from tests.fixtures.monitor import Fake
options = {options!r}
fake = Fake(Path({directory!r}))
link = fake.spawn({command!r}, terminal=options["terminal"], stdin=options["stdin"])
fd, link.attach_fd = link.attach_fd, -1
link.start()
ended = session.attach(
    fd,
    relay=lambda number: os.kill(link.pid, number),
    resize=lambda h, w: attach.resize(str(fake.directory), h, w),
    **options,
)
if ended == "detached":
    link.detach()
    os.write(1, b"[detached]")
    os._exit(0)
os._exit(link.wait())
"""


def command_line(fake: Fake, command: str, **options: Any) -> list[str]:
    options = {"stdin": True, "terminal": False, "detach_keys": "ctrl-p,ctrl-q", "sig_proxy": True} | options
    code = COMMAND.format(root=str(ROOT), options=options, directory=str(fake.directory), command=command)
    return [sys.executable, "-c", code]


def run_command(fake: Fake, command: str, *, stdin: Any = subprocess.DEVNULL, **options: Any) -> Any:
    return subprocess.run(
        command_line(fake, command, **options), stdin=stdin, capture_output=True, timeout=60, check=False, cwd=ROOT
    )


def test_streams_and_code_arrive(fake: Fake) -> None:
    done = run_command(fake, "echo out; echo err >&2; exit 5")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 5)


def test_input_from_a_file_a_pipe_nothing(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"text" * 100000)
    with open(tmp_path / "input", "rb") as file:
        assert run_command(fake, "wc -c", stdin=file).stdout == b"400000\n"
    other = Fake(tmp_path)
    piped = subprocess.run(
        command_line(other, "cat"), input=b"a" * 300000, capture_output=True, timeout=60, check=True, cwd=ROOT
    )
    assert piped.stdout == b"a" * 300000
    assert run_command(other, "wc -c").stdout == b"0\n"


def test_closed_standard_streams(fake: Fake) -> None:
    line = command_line(fake, "wc -c; exit 3")
    script = 'exec "$@" <&- >&-'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *line], capture_output=True, timeout=60, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (3, b"")
    assert fake.logged() == b"0\n"


def test_reader_that_goes_away_ends_the_command(fake: Fake) -> None:
    line = command_line(fake, "while echo text; do sleep 0.01; done")
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        assert command.stdout.readline() == b"text\n"
        command.stdout.close()
        assert b"BrokenPipeError" in command.stderr.read()
    pid = int((fake.directory / "pid").read_text().split()[0])
    monitor = int((fake.directory / "monitor").read_text().split()[0])
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(monitor))


def test_signals_are_forwarded(fake: Fake) -> None:
    traps = "; ".join(f"trap 'echo {name}' {name}" for name in ("INT", "TERM", "HUP", "USR1", "QUIT"))
    line = command_line(fake, f"{traps}; trap 'exit 11' USR2; echo ready; while :; do sleep 0.05; done", stdin=False)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"ready\n"
        for name in ("INT", "TERM", "HUP", "USR1", "QUIT"):
            command.send_signal(getattr(signal, f"SIG{name}"))
            assert command.stdout.readline() == name.encode() + b"\n"
        command.send_signal(signal.SIGUSR2)
        assert command.wait(60) == 11


class Terminal:
    """A command under a real terminal."""

    def __init__(self, fake: Fake, command: str, **options: Any) -> None:
        line = command_line(fake, command, **({"terminal": True} | options))
        self.child = pexpect.spawn(line[0], line[1:], dimensions=(30, 100), timeout=60, cwd=str(ROOT), echo=True)
        self.mode = self._mode()

    def _mode(self) -> str:
        return subprocess.run(
            ["stty", "-a"], stdin=self.child.child_fd, capture_output=True, text=True, check=True
        ).stdout

    def restored(self) -> bool:
        return self._mode() == self.mode


def size_after_a_word(child: Any) -> str:
    child.send("word\r")
    child.expect("got word")
    child.expect(rb"\d+ \d+(?=\r\n)")
    return str(child.match.group().decode())


def test_terminal_session(fake: Fake) -> None:
    terminal = Terminal(fake, "echo ready; while read line; do echo got $line; stty size; done; exit 4")
    child = terminal.child
    child.expect("ready")
    for rows, columns in ((30, 100), (40, 120)):
        child.setwinsize(rows, columns)
        eventually(lambda size=f"{rows} {columns}": size_after_a_word(child) == size)  # type: ignore[misc]
    child.send("\x04")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 4


def test_terminal_is_restored_after_the_end_of_the_container(fake: Fake) -> None:
    shell = pexpect.spawn("/bin/sh", ["-i"], timeout=60, cwd=str(ROOT), env={**os.environ, "PS1": "$ "})
    shell.expect(r"\$ ")
    (fake.directory / "command").write_text(command_line(fake, "stty -echo; exit 0", terminal=True)[2])
    shell.sendline("stty -g | tr -d '\\n'; echo '|'")
    shell.expect(r"[0-9a-f:]{20,}\|")
    before = shell.after
    shell.sendline(f"{sys.executable} -c \"$(cat {fake.directory}/command)\"; stty -g | tr -d '\\n'; echo '|'")
    shell.expect(r"[0-9a-f:]{20,}\|")
    assert shell.after == before
    shell.close(force=True)


def test_detach_keys(fake: Fake) -> None:
    terminal = Terminal(fake, "echo ready; sleep 30")
    terminal.child.expect("ready")
    terminal.child.send("\x10")
    time.sleep(0.1)
    terminal.child.send("\x11")
    terminal.child.expect(r"\[detached\]")
    assert terminal.child.wait() == 0
    pid, monitor = (int((fake.directory / name).read_text().split()[0]) for name in ("pid", "monitor"))
    assert alive(pid)
    assert alive(monitor)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(monitor))


def test_empty_detach_keys_pass_everything(fake: Fake) -> None:
    terminal = Terminal(fake, "stty raw -echo; echo ready; head -c 3 | od -An -tx1", detach_keys="")
    terminal.child.expect("ready")
    terminal.child.send("\x10\x11\x03")
    terminal.child.expect("10 11 03")
    terminal.child.expect(pexpect.EOF)


def test_killing_signal_restores_the_terminal(fake: Fake) -> None:
    master, slave = os.openpty()
    line = command_line(fake, "echo ready; sleep 30", terminal=True, sig_proxy=False)

    def mode() -> bytes:
        return subprocess.run(["stty", "-g"], stdin=slave, capture_output=True, check=True).stdout

    before = mode()
    with subprocess.Popen(line, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT) as command:
        output = b""
        while b"ready" not in output:
            assert select.select([master], [], [], 60)[0]
            output += os.read(master, 4096)
        assert mode() != before
        command.send_signal(signal.SIGTERM)
        assert command.wait(60) == -signal.SIGTERM
    assert mode() == before
    pid, monitor = (int((fake.directory / name).read_text().split()[0]) for name in ("pid", "monitor"))
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(monitor))
    for fd in (master, slave):
        os.close(fd)


def test_terminal_on_stdin_without_one_in_the_container(fake: Fake) -> None:
    terminal = Terminal(fake, "read line; echo got $line; cat; exit 6", terminal=False)
    terminal.child.sendline("word")
    terminal.child.expect("got word")
    terminal.child.sendeof()
    terminal.child.expect(pexpect.EOF)
    terminal.child.close()
    assert terminal.child.exitstatus == 6


def test_end_of_input_for_a_container_with_a_terminal(fake: Fake) -> None:
    done = subprocess.run(
        command_line(fake, "cat; echo end", terminal=True),
        input=b"text\nmore",
        capture_output=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.stdout.endswith(b"end\r\n")
