#!/usr/bin/env python3
"""The monitor beside podman's, conmon: memory of 50 idle ones, and processor time to log output.

The containers are plain processes, so neither runtime takes part.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import engines
from engines import Row

sys.path.insert(0, engines.CLONE)

from runtime import process
from runtime.monitor.spawn import Container, MonitorConfig, Stdio, spawn

# Runs a shell command in a directory; yields the monitor's pid.
Monitor = Callable[[Path, str], AbstractContextManager[int]]

IDLE = 50
MEGABYTES = {"2-byte lines": ("y", 30), "100-byte lines": ("0123456789" * 9 + "012345678", 300)}
MEGABYTES["8000-byte lines"] = ("x" * 7999, 300)
REPEATS = 3
# By now our monitor has moved into the bare interpreter.
SETTLED = 2.0
TICKS = os.sysconf("SC_CLK_TCK")
# conmon calls it as `RUNTIME … create … --pid-file PATH ID`; what to run lies in the bundle.
RUNTIME = """#!/bin/sh
while [ $# -gt 1 ]; do
    case "$1" in --pid-file) pid_file=$2 ;; --bundle) bundle=$2 ;; esac
    shift
done
sh "$bundle/command" &
printf %d $! >"$pid_file"
"""


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    monitors: dict[str, Monitor] = {"pod": pod}
    if shutil.which("conmon"):
        monitors["podman"] = conmon
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        sizes = {name: idle(monitor, Path(directory)) / 1000 for name, monitor in monitors.items()}
        rows = [Row(f"memory (PSS) of an idle monitor, mean of {IDLE} (aim: 3 MB)", sizes, {}, unit="MB")]
        for title, (line, megabytes) in MEGABYTES.items():
            seconds = {}
            for name, monitor in monitors.items():
                found = [cpu_seconds_to_log(monitor, Path(directory), line, megabytes) for _ in range(REPEATS)]
                seconds[name] = statistics.median(found)
            rows.append(Row(f"monitor's processor time to log {megabytes} MB of {title}", seconds, {"podman": 1.0}))
    engines.report(rows, as_json=options.json)


@contextmanager
def pod(directory: Path, command: str) -> Iterator[int]:
    """Run a shell under our monitor; yields the monitor's pid."""

    def create(stdio: Stdio) -> Container:
        wait_end, start_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(wait_end, 1)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            for target, fd in enumerate((stdio.stdin, stdio.stdout, stdio.stderr)):
                os.dup2(fd, target)
            os.execv("/bin/sh", ["sh", "-c", command])

        def start() -> None:
            os.write(start_end, b"x")

        return Container(pid=pid, start_time=process.start_time(pid) or 0, start=start)

    config = MonitorConfig(
        id="c" * 64, directory=str(directory), log_path=f"{directory}/log", exit_path=f"{directory}/exit"
    )
    link = spawn(config, create)
    link.start()
    monitor_pid, pid = link.monitor_pid, link.pid
    link.detach()
    yield monitor_pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(monitor_pid, 0)


@contextmanager
def conmon(directory: Path, command: str) -> Iterator[int]:
    """Run a shell under conmon, with a runtime that only forks; yields conmon's pid."""
    (directory / "command").write_text(command)
    runtime = directory / "runtime"
    runtime.write_text(RUNTIME)
    runtime.chmod(0o755)
    arguments = {
        "--api-version": "1",
        "--cid": "c" * 64,
        "--cuuid": "c" * 64,
        "--name": "bench",
        "--runtime": str(runtime),
        "--bundle": str(directory),
        "--container-pidfile": f"{directory}/pid",
        "--conmon-pidfile": f"{directory}/conmon-pid",
        "--exit-dir": str(directory),
        "--socket-dir-path": str(directory),
        "--log-path": f"k8s-file:{directory}/log",
    }
    line = ["conmon", *(word for pair in arguments.items() for word in pair), "--full-attach"]
    subprocess.run(line, check=True, stdin=subprocess.DEVNULL)
    while not (directory / "pid").exists() or not (directory / "pid").read_text():
        time.sleep(0.01)
    monitor_pid = int((directory / "conmon-pid").read_text())
    yield monitor_pid
    os.kill(int((directory / "pid").read_text()), signal.SIGKILL)
    while process.is_alive(monitor_pid, None):
        time.sleep(0.01)


def idle(monitor: Monitor, directory: Path) -> float:
    """Return the mean PSS in kB of monitors with nothing to do."""
    with ExitStack() as stack:
        pids = [stack.enter_context(monitor(fresh(directory), "exec sleep 1000")) for _ in range(IDLE)]
        time.sleep(SETTLED + IDLE / 20)
        return statistics.mean(pss(pid) for pid in pids)


def pss(pid: int) -> int:
    """Return a process's share of memory in kB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def cpu_seconds_to_log(monitor: Monitor, directory: Path, line: str, megabytes: int) -> float:
    """Return the processor time that the monitor itself takes for so much output."""
    place = fresh(directory)
    log = place / "log"
    with monitor(place, f"sleep {SETTLED}; yes {line} | head -c {megabytes}000000; exec sleep 1000") as pid:
        time.sleep(SETTLED - 0.3)
        before = cpu_seconds(pid)
        size = -1
        while size < megabytes * 1_000_000 or log.stat().st_size != size:
            size = log.stat().st_size
            time.sleep(0.2)
        seconds = cpu_seconds(pid) - before
    shutil.rmtree(place)
    return seconds


def cpu_seconds(pid: int) -> float:
    """Return the processor time of one process, without its children's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def fresh(directory: Path) -> Path:
    """Return a new directory below another."""
    return Path(tempfile.mkdtemp(dir=directory))


if __name__ == "__main__":
    main()
