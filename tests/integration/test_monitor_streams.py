"""Much output, many and slow clients, input with back-pressure, terminals."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from pod.containers import attach
from runtime.monitor.clients import STALL
from tests.fixtures.monitor import (
    LATER,
    Fake,
    as_command,
    eventually,
    fake_container,  # noqa: F401
    is_bare,
    kill_command,
    packets,
    received,
    rests,
    take,
)

# 100-byte lines.
WRITE_MUCH = "yes " + ("0123456789" * 10)[:99] + " | head -c "


def test_100_mb_through_the_log(fake: Fake) -> None:
    link = fake.run(WRITE_MUCH + "100000000")
    assert link.wait() == 0
    expected = hashlib.sha256()
    line = (b"0123456789" * 10)[:99] + b"\n"
    for _ in range(1000):
        expected.update(line * 1000)
    found = hashlib.sha256()
    with open(fake.log, "rb") as log:
        for record in log:
            found.update(record[45:] if record[43:44] == b"F" else record[45:-1])
    assert found.digest() == expected.digest()


def test_slow_primary_client_loses_nothing_and_the_end_is_recorded(fake: Fake) -> None:
    link = fake.run(WRITE_MUCH + "3000000; exit 2")
    fd = take(link)
    time.sleep(STALL + 1)
    assert not fake.exit_path.exists()  # Its user's pipe is full, so the container waits.
    output = b""
    for number, (_, data) in enumerate(packets(fd)):
        output += data
        if number % 50 == 0:
            time.sleep(0.01)
    os.close(fd)
    assert len(output) == 3000000
    assert output == fake.logged()
    assert link.wait() == 2


def test_primary_client_gets_the_rest_after_the_end(fake: Fake) -> None:
    # More than the connection holds, less than connection and pipe together.
    link = fake.run(WRITE_MUCH + "140000; exit 2")
    fd = take(link)
    eventually(fake.exit_path.exists)
    eventually(lambda: not fake.monitor_files())
    assert len(received(fd)) == 140000
    os.close(fd)
    assert link.wait() == 2


def test_dead_client_is_cut_off_and_others_get_everything(fake: Fake) -> None:
    link = fake.run("read go; " + WRITE_MUCH + "5000000", stdin=True)
    fd = take(link)
    dead = attach.connect(str(fake.directory))
    good = attach.connect(str(fake.directory))
    collected: list[bytes] = []
    readers = [threading.Thread(target=lambda end=end: collected.append(received(end))) for end in (fd, good)]
    for reader in readers:
        reader.start()
    eventually(lambda: rests(link.monitor_pid))  # it has accepted them all
    os.write(good, b"go\n")
    for reader in readers:
        reader.join()
    assert [len(output) for output in collected] == [5000000, 5000000]
    assert link.wait() == 0
    assert 0 < len(received(dead)) < 5000000
    for end in (fd, dead, good):
        os.close(end)


def test_many_clients_and_clients_that_come_and_go(fake: Fake) -> None:
    link = fake.run("read go; echo hello; read end; exit 0", stdin=True)
    clients = [attach.connect(str(fake.directory)) for _ in range(60)]
    for client in clients[40:]:
        os.close(client)
    writer = clients[0]
    eventually(lambda: rests(link.monitor_pid))
    os.write(writer, b"go\n")
    for client in clients[:40]:
        assert os.read(client, 100) == b"\x02hello\n"
    os.write(writer, b"end\n")
    assert link.wait() == 0
    for client in clients[:40]:
        assert list(packets(client)) == []
        os.close(client)


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("delay", [0.5, LATER])
def test_input_has_back_pressure_and_an_end(fake: Fake, delay: float) -> None:
    go = fake.directory / "go"
    link = fake.run(f"while [ ! -e {go} ]; do sleep 0.05; done; sha256sum", stdin=True)
    fd = take(link)
    data = os.urandom(20_000_000)

    def feed() -> None:
        for offset in range(0, len(data), 8192):
            os.write(fd, data[offset : offset + 8192])
        with socket.socket(fileno=os.dup(fd)) as end:
            end.shutdown(socket.SHUT_WR)

    writer = threading.Thread(target=feed)
    before = resident_bytes(link.monitor_pid)  # at first the monitor is a fork of the tests, however big these are
    writer.start()
    time.sleep(delay)
    assert writer.is_alive()
    assert resident_bytes(link.monitor_pid) - before < 10_000_000
    go.touch()
    assert received(fd).split()[0].decode() == hashlib.sha256(data).hexdigest()
    writer.join()
    os.close(fd)
    assert link.wait() == 0


def test_killed_command_ends_the_input_as_a_pipe_would(fake: Fake) -> None:
    command = as_command(lambda: fake.run("cat; echo end", stdin=True))
    eventually(fake.has_become_its_program)
    kill_command(command)
    eventually(fake.exit_path.exists)
    assert fake.logged() == b"end\n"


def test_detached_command_leaves_the_input_open(fake: Fake) -> None:
    link = fake.run("read line; echo got $line", stdin=True)
    monitor = link.monitor_pid
    link.detach()
    time.sleep(0.2)
    client = attach.connect(str(fake.directory))
    os.write(client, b"word\n")
    assert received(client) == b"got word\n"
    os.close(client)
    os.waitpid(monitor, 0)
    assert fake.record()["code"] == 0


def test_onlooker_that_leaves_does_not_end_the_input(fake: Fake) -> None:
    link = fake.run("read line; echo got $line", stdin=True)
    os.close(attach.connect(str(fake.directory)))
    time.sleep(0.2)
    os.write(link.attach_fd, b"word\n")
    assert link.wait() == 0
    assert fake.logged() == b"got word\n"


def test_container_that_closes_its_input_does_not_disturb(fake: Fake) -> None:
    link = fake.run("exec <&-; sleep 0.5; echo end", stdin=True)
    fd = take(link)
    for _ in range(20):
        os.write(fd, b"x" * 8192)
    assert received(fd) == b"end\n"
    os.close(fd)
    assert link.wait() == 0


def size_of_terminal(pid: int) -> tuple[int, int]:
    with open(f"/proc/{pid}/fd/0", "rb", buffering=0) as terminal:
        columns, rows = os.get_terminal_size(terminal.fileno())
    return rows, columns


def test_terminal_can_be_resized(fake: Fake) -> None:
    link = fake.run("read line; stty size; tty >/dev/null && exit 8", terminal=True, stdin=True)
    fd = take(link)
    eventually(fake.has_become_its_program)  # with the terminal
    attach.resize(str(fake.directory), 44, 99)
    eventually(lambda: size_of_terminal(link.pid) == (44, 99))
    os.write(fd, b"x\n")
    assert received(fd) == b"x\r\n44 99\r\n"
    os.close(fd)
    assert link.wait() == 8


def test_terminal_output_at_the_very_end_is_not_lost(fake: Fake) -> None:
    link = fake.run("seq 1 2000", terminal=True)
    assert link.wait() == 0
    assert fake.logged() == b"".join(b"%d\r\n" % number for number in range(1, 2001))


def test_terminal_without_any_open_end_for_a_while(fake: Fake) -> None:
    go = fake.directory / "go"
    waits = f"until [ -e {go} ]; do sleep 0.05; done"
    link = fake.run(f'T=$(tty); exec <&- >&- 2>&-; {waits}; exec >"$T"; echo back', terminal=True)

    def used() -> int:
        return int(Path(f"/proc/{link.monitor_pid}/stat").read_text().split()[13])

    eventually(lambda: is_bare(link.monitor_pid))
    eventually(lambda: rests(link.monitor_pid))
    before = used()
    time.sleep(1)
    assert used() - before < 20  # It does not spin.
    go.touch()
    assert link.wait() == 0
    assert fake.logged() == b"back\r\n"
