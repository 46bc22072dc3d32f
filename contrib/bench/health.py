#!/usr/bin/env python3
"""Health checks of 100 containers every second: the share of one processor core that they take in all.

Counted is what the monitors and all that they start take, the probes themselves included, from the kernel's own
accounting (/proc/<pid>/stat of each monitor and of its prober, with their reaped children). Beside it stands what as
many plain fork-and-execs of the probe's program take on the host, without any container.

    contrib/bench/health.py [--containers 100] [--interval 1s] [--seconds 10] [--json]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import engines

TICKS = os.sysconf("SC_CLK_TCK")
PROBE = ["/bin/busybox", "true"]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--containers", type=int, default=100)
    parser.add_argument("--interval", default="1s")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(
        dir=os.environ.get("POD_TEST_DIRECTORY", "/var/tmp"), prefix="pod-bench-"
    ) as place:
        pod = [*command(), "--root", f"{place}/root", "--runroot", f"{place}/run"]
        try:
            found = measure(pod, options.containers, options.interval, options.seconds)
        finally:
            subprocess.run([*pod, "rm", "--all", "--force", "--time", "0"], stdout=subprocess.DEVNULL, check=False)
    found["plain"] = plain(found["checks"], options.seconds)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{options.containers} containers, a check every {options.interval}, {found['checks']} checks seen")
    print(f"health checks in all:        {found['share']:5.1f} % of a core ({found['each']:.2f} ms a check; aim: 10 %)")
    print(f"  of that the monitors:      {found['monitors']:5.1f} %")
    print(f"as many plain fork and exec: {found['plain']:5.1f} %")


def command() -> list[str]:
    """Return the command line of this source tree's pod."""
    code = f"import sys; sys.path.insert(0, {engines.CLONE!r}); from pod.__main__ import main; main()"
    return [sys.executable, "-c", code]


def measure(pod: list[str], containers: int, interval: str, seconds: float) -> dict[str, float]:
    """Start the containers, let them settle, and count for some seconds."""
    subprocess.run([*pod, "import", "-", "bench"], input=image(), check=True, capture_output=True)
    run = [*pod, "run", "-d", "--network", "none", "--health-cmd", json.dumps(PROBE), "--health-interval", interval]
    for _ in range(containers):
        subprocess.run([*run, "bench", *PROBE[:1], "sleep", "100000"], check=True, capture_output=True)
    listed = subprocess.run([*pod, "ps", "-q", "--no-trunc"], check=True, capture_output=True, text=True).stdout.split()
    runroot = pod[pod.index("--runroot") + 1]
    monitors = [int(Path(f"{runroot}/containers/{one}/monitor").read_text().split()[0]) for one in listed]
    time.sleep(3.0)
    pages = [Path(f"{runroot}/containers/{one}/answers") for one in listed]
    before, own, seen, begin = cpu(monitors), cpu(monitors, own=True), count(pages), time.monotonic()
    time.sleep(seconds)
    checks = count(pages) - seen
    elapsed = time.monotonic() - begin
    used = cpu(monitors) - before
    return {
        "checks": checks,
        "share": 100 * used / elapsed,
        "monitors": 100 * (cpu(monitors, own=True) - own) / elapsed,
        "each": 1000 * used / max(1, checks),
    }


def count(pages: list[Path]) -> int:
    """Return how many checks have ended, by what the programs that probe have noted (runtime/answers.py)."""
    return sum(int.from_bytes(page.read_bytes()[:8], "little") for page in pages)


def cpu(monitors: list[int], *, own: bool = False) -> float:
    """Return the seconds of processor time of monitors, of their probers, and of the children that these reaped."""
    total = 0
    for monitor in monitors:
        children = Path(f"/proc/{monitor}/task/{monitor}/children").read_text().split()
        for pid in [monitor] if own else [monitor, *children]:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(
                map(int, fields[11:13] if own or Path(f"/proc/{pid}/comm").read_text() != PROBER else fields[11:15])
            )
    return total / TICKS


PROBER = "pod-health\n"


def plain(checks: float, seconds: float) -> float:
    """Return the share of a core that as many runs of the probe's program take without containers."""
    program = shutil.which("busybox") or "/bin/true"
    before = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(int(checks)):
        os.waitpid(os.posix_spawn(program, [program, "true"], {}), 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    used = sum(
        new.ru_utime + new.ru_stime - old.ru_utime - old.ru_stime for new, old in zip(after, before, strict=True)
    )
    return 100 * used / seconds


def image() -> bytes:
    """Return a root file system with nothing but busybox."""
    program = shutil.which("busybox")
    if program is None:
        raise SystemExit("needs busybox: apt install busybox-static")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(os.path.realpath(program), "bin/busybox")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
