"""`kill -9` of command and monitor at random moments of `run` and `stop` on bridges with published ports.

After the next command that writes nothing is left: no device, element, file, process, namespace, lease or port.
`POD_TEST_KILLS` sets the number of kills for each of the two (the promise is 200), `contrib/test --quick` takes few.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

from runtime.process import is_alive, start_time
from tests.fixtures.command import Pod
from tests.fixtures.nethost import OnHost, TestHost
from tests.fixtures.remains import Remains

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
KILLS = int(os.environ.get("POD_TEST_KILLS", "5" if os.environ.get("POD_TEST_QUICK") else "12"))
OPTIONS = ("--network", "one", "--network", "two", "-p", "8080:80", "-p", "[::]:8443:443/udp")


@pytest.fixture
def two(net: OnHost) -> OnHost:
    """`net` with two networks."""
    for name in ("one", "two"):
        net.run("network", "create", "--ipv6", name)
    return net


@pytest.fixture
def remains(two: OnHost, host: TestHost, busybox: str) -> Remains:
    two.run("run", "--rm", *OPTIONS, busybox, "true")  # loads the table, which stays
    return Remains(two, host)


def strike(victims: list[int]) -> None:
    """Kill processes, and wait until they are dead: one that is within the kernel comes to the end of that."""
    known = {pid: start_time(pid) for pid in victims}
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait_for(known)


def wait_for(processes: dict[int, int | None]) -> None:
    """Wait until processes, by their start times, have come to their ends."""
    while any(begun and is_alive(pid, begun) for pid, begun in processes.items()):
        time.sleep(0.001)


def family(process: subprocess.Popen[bytes]) -> list[int]:
    """Return a command and its monitor, which is its child."""
    try:
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            return [process.pid, *(int(word) for word in file.read().split())]
    except FileNotFoundError:
        return [process.pid]


def monitors(net: Pod) -> list[int]:
    """Return the monitors of the store's containers."""
    found = []
    directory = os.path.join(net.runroot, "containers")
    for name in os.listdir(directory):
        try:
            with open(os.path.join(directory, name, "monitor")) as file:
                found.append(int(file.read().split()[0]))
        except (FileNotFoundError, NotADirectoryError, IndexError):
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("what", ["command", "monitor", "both"])
def test_killed_runs(net: OnHost, host: TestHost, busybox: str, remains: Remains, what: str) -> None:
    chance = random.Random(what)
    seconds, hits = 0.15, 0
    while hits < max(2, KILLS // 3):
        process = net.start("run", "--rm", "--name", "c", *OPTIONS, busybox, "true")
        time.sleep(chance.uniform(0, seconds))
        pids = family(process)
        victims = {"command": pids[:1], "monitor": pids[1:] or monitors(net), "both": pids}[what]
        hits += process.poll() is None and bool(victims)
        known = {pid: start_time(pid) for pid in pids}
        strike(victims)
        process.communicate(timeout=60)
        wait_for(known)  # a monitor whose command was killed has to find that out
        if hits % 2:
            net.run("rm", "--force", "--time", "0", "c", check=False)
        else:
            net.run("run", "--rm", "--replace", "--name", "c", *OPTIONS, busybox, "true")
        net.run("network", "prune", "--force", "--filter", "label=none")
        assert not (found := remains.after_next_command()), f"after {hits} kills:\n" + "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["command", "monitor", "both"])
def test_killed_stops(net: OnHost, host: TestHost, busybox: str, remains: Remains, what: str) -> None:
    chance = random.Random(what)
    seconds, hits = 0.1, 0
    while hits < max(2, KILLS // 3):
        net.run("run", "-d", "--name", "c", *OPTIONS, busybox, "sleep", "1000")
        known = monitors(net)
        process = net.start("stop", "--time", "0", "c")
        time.sleep(chance.uniform(0, seconds))
        victims = {"command": [process.pid], "monitor": known, "both": [process.pid, *known]}[what]
        hits += process.poll() is None
        strike(victims)
        process.communicate(timeout=60)
        net.run("rm", "--force", "--time", "0", "c")
        assert not (found := remains.after_next_command()), f"after {hits} kills:\n" + "\n".join(found)
        # Ports and addresses are free.
        net.run("run", "--rm", *OPTIONS, busybox, "true")


@pytest.mark.slow
def test_a_killed_deleter_of_devices(net: OnHost, host: TestHost, busybox: str, remains: Remains) -> None:
    """Whoever deletes the devices is a process of its own, which may be killed as well."""
    for number in range(KILLS):
        net.run("run", "--rm", *OPTIONS, busybox, "true")
        time.sleep(0.001 * (number % 10))
        ended = os.path.join(net.runroot, "networks", ".ended")
        strike(remains.processes_with(ended))
        net.run("network", "prune", "--force", "--filter", "label=none")
        assert not (found := remains.after_next_command()), "\n".join(found)
