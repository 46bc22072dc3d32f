#!/usr/bin/env python3
"""The default seccomp profile: compiled by pod and by libseccomp, and what each filter executes per system call.

Both filters are run in a simulator of classic BPF over every system call of the machine's ABIs and some others, with
several arguments; they must decide alike. `--profile FILE` takes another `linux.seccomp`. Needs no privileges.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import unittest
from typing import TYPE_CHECKING, Any

CLONE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, CLONE)

from pod.containers.security.seccomp_profile import default_profile  # noqa: E402 - the clone's own
from runtime import seccomp  # noqa: E402
from runtime.seccomp.profile import AUDIT, MACHINES, parse_table  # noqa: E402
from runtime.seccomp.tables import TABLES  # noqa: E402
from tests.unit.runtime.seccomp_oracle import Call, Simulator, compile_by_libseccomp  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

CAPABILITIES = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"
# What a program does all day long: by these a filter's speed is felt.
FREQUENT = "read write close openat newfstatat fstat mmap munmap futex epoll_wait recvfrom sendto clock_gettime".split()
ARGUMENTS = ((0,) * 6, (1,) * 6, (8, 8, 8, 8, 8, 8), (0xFFFFFFFF,) * 6, (1 << 40,) * 6, (40, 3, 9, 0x7E020000, 5, 6))


def calls(abis: list[str]) -> list[Call]:
    """Return the sweep: every number up to some beyond the last, in each ABI."""
    found = []
    for abi in abis:
        numbers = parse_table(TABLES[abi]).values()
        sweep = range(min(numbers), min(numbers) + 620)
        found += [(AUDIT[abi][0], number, arguments) for number in sweep for arguments in ARGUMENTS]
    return found


def frequent(abi: str) -> list[Call]:
    """Return the calls of everyday life in the native ABI."""
    numbers = parse_table(TABLES[abi])
    return [(AUDIT[abi][0], numbers[name], (3, 0, 0, 0, 0, 0)) for name in FREQUENT if name in numbers]


def median_ms(action: Callable[[], object], runs: int) -> float:
    """Return the median time of an action."""
    times = []
    for _run in range(runs):
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def first_ms(profile: dict[str, Any], runs: int) -> float:
    """Return the median time of the first compile of a process, which imports the compiler and its tables."""
    code = (
        "import sys, json, time; sys.path.insert(0, sys.argv[1]); from runtime import seccomp\n"
        "profile = json.loads(sys.stdin.read()); began = time.perf_counter()\n"
        "seccomp.compile_profile(profile); print((time.perf_counter() - began) * 1000)"
    )
    command = [sys.executable, "-I", "-S", "-c", code, CLONE]
    done = [subprocess.run(command, input=json.dumps(profile), capture_output=True, text=True) for _ in range(runs)]
    return statistics.median(float(each.stdout) for each in done)


def executed(program: bytes, sweep: list[Call]) -> tuple[float, int]:
    """Return the mean and the largest number of instructions that a call costs."""
    simulator = Simulator(program)
    counts = []
    for call in sweep:
        before = simulator.executed
        simulator.run(call)
        counts.append(simulator.executed - before)
    return statistics.mean(counts), max(counts)


def row(title: str, ours: str, theirs: str) -> None:
    """Print one line of the table."""
    print(f"| {title} | {ours} | {theirs} |")


def main() -> int:
    """Measure and report; 1 if the filters differ, or ours is not the better one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", help="a file with linux.seccomp; default: pod's profile for its capabilities")
    parser.add_argument("--runs", type=int, default=50)
    options = parser.parse_args()
    profile: dict[str, Any] = default_profile([f"CAP_{name}" for name in CAPABILITIES.split()])
    if options.profile:
        with open(options.profile, encoding="utf-8") as file:
            profile = json.load(file)
    abis = list(MACHINES[os.uname().machine])
    profile["architectures"] = [f"SCMP_ARCH_{abi}" for abi in abis]
    return report(profile, abis, options.runs)


def report(profile: dict[str, Any], abis: list[str], runs: int) -> int:
    """Print the table of one profile; return the exit status."""
    ours = seccomp.compile_profile(profile)
    try:
        theirs = compile_by_libseccomp(profile, abis)
    except unittest.SkipTest as error:
        print(error, file=sys.stderr)
        return 1
    sweep = calls(abis)
    one, other = Simulator(ours), Simulator(theirs)
    known = {(AUDIT[abi][0], number) for abi in abis for number in parse_table(TABLES[abi]).values()}
    named = [call for call in sweep if call[:2] in known]
    differing = [call for call in named if one.run(call) != other.run(call)]
    row("", "pod", "libseccomp")
    row("---", "---", "---")
    row(
        "compile",
        f"{median_ms(lambda: seccomp.compile_profile(profile), runs):.2f} ms",
        compile_time(profile, abis, runs),
    )
    row("first compile of a process, with its imports", f"{first_ms(profile, max(3, runs // 5)):.2f} ms", "")
    with tempfile.TemporaryDirectory() as cache:
        row("from the cache", f"{median_ms(lambda: seccomp.cached(profile, cache), runs):.2f} ms", "")
    row("instructions", str(len(ours) // 8), str(len(theirs) // 8))
    means = []
    for title, chosen in (("every call", sweep), ("frequent calls", frequent(abis[0]))):
        mean, most = executed(ours, chosen)
        their_mean, their_most = executed(theirs, chosen)
        row(f"executed, {title}: mean (most)", f"{mean:.1f} ({most})", f"{their_mean:.1f} ({their_most})")
        means.append(mean < their_mean)
    row("decisions that differ", f"{len(differing)} of {len(named)}", "")
    return int(bool(differing) or not all(means))


def compile_time(profile: dict[str, Any], abis: list[str], runs: int) -> str:
    """Return how long libseccomp takes, as a cell."""
    return f"{median_ms(lambda: compile_by_libseccomp(profile, abis), max(3, runs // 5)):.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
