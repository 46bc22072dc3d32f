"""`run -it`, `exec -it` and `attach` on a real terminal."""

from __future__ import annotations

import os
import time

import pexpect
import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually

PROMPT = "# "


def leave(terminal: pexpect.spawn[str], code: int) -> None:
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == code


def test_shell(box: Pod, busybox: str) -> None:
    shell = box.spawn("run", "--rm", "-it", busybox, "sh")
    shell.expect(PROMPT)
    shell.sendline("tty; echo $((6 * 7)) $TERM")
    shell.expect(r"/dev/pts/0\r\n42 xterm")
    shell.sendline("exit 3")
    leave(shell, 3)


def test_size_and_resize(box: Pod, busybox: str) -> None:
    shell = box.spawn("run", "--rm", "-it", busybox, "sh", rows=33, columns=111)
    shell.expect(PROMPT)
    shell.sendline("stty size")
    shell.expect(r"33 111\r\n")
    shell.setwinsize(20, 70)
    for _ in range(600):
        shell.sendline("stty size")
        if shell.expect([r"20 70\r\n", r"33 111\r\n"]) == 0:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the container never learnt of the new size")
    shell.sendline("exit")
    leave(shell, 0)


def test_interrupt_goes_to_the_program(box: Pod, busybox: str) -> None:
    shell = box.spawn("run", "--rm", "-it", "--name", "c", busybox, "sh")
    shell.expect(PROMPT)
    shell.sendline("sleep 1000")
    eventually(lambda: "sleep 1000" in box.run("exec", "c", "ps").out)
    shell.sendintr()
    shell.expect(PROMPT)
    shell.sendline("echo code $?")
    shell.expect(r"code 130\r\n")
    shell.sendline("exit")
    leave(shell, 0)


def test_end_of_file_ends_the_shell(box: Pod, busybox: str) -> None:
    shell = box.spawn("run", "--rm", "-it", busybox, "sh")
    shell.expect(PROMPT)
    shell.sendeof()
    leave(shell, 0)


def test_detach_and_attach_again(box: Pod, busybox: str) -> None:
    shell = box.spawn("run", "-it", "--name", "c", busybox, "sh")
    shell.expect(PROMPT)
    shell.sendline("marker=before")
    shell.expect(PROMPT)
    shell.send("\x10\x11")
    leave(shell, 0)
    assert box.run("inspect", "--format", "{{.State.Status}}", "c").out == "running"
    again = box.spawn("attach", "c")
    again.sendline("echo $marker")
    again.expect(r"before\r\n")
    again.sendline("exit 4")
    leave(again, 4)


def test_other_detach_keys(box: Pod, busybox: str) -> None:
    shell = box.spawn("run", "-it", "--detach-keys", "ctrl-x,x", "--name", "c", busybox, "sh")
    shell.expect(PROMPT)
    shell.send("\x18x")
    leave(shell, 0)
    assert box.run("inspect", "--format", "{{.State.Status}}", "c").out == "running"


def test_exec_on_a_terminal(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sleep", "100")
    shell = box.spawn("exec", "-it", "c", "sh", rows=30, columns=99)
    shell.expect(PROMPT)
    shell.sendline("stty size; tty")
    shell.expect(r"30 99\r\n/dev/pts/\d")
    shell.sendline("exit 5")
    leave(shell, 5)


def test_the_terminal_is_restored(box: Pod, busybox: str) -> None:
    command = " ".join(box.argv("run", "--rm", "-it", busybox, "true"))
    identity = (
        f"setpriv --reuid={box.user.uid} --regid={box.user.gid} --clear-groups" if box.user.uid != os.getuid() else ""
    )
    script = f"stty -g; {identity} {command}; stty -g"
    shell = pexpect.spawn("sh", ["-c", script], env=box.environment, cwd=box.home, encoding="utf-8", timeout=60)
    shell.expect(pexpect.EOF)
    lines = (shell.before or "").split()
    assert lines[0] == lines[-1]


def test_terminal_without_a_terminal(box: Pod, busybox: str) -> None:
    # As podman: the container still has one, and output is as from a terminal.
    assert box.run("run", "--rm", "-t", busybox, "tty").out == "/dev/pts/0"
