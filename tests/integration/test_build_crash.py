"""`kill -9` of a build, or of any process of it, at random moments: the next build is right, and nothing is left.

`POD_TEST_KILLS` says how many; `contrib/test --quick` is content with few.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import time

import pytest

from tests.fixtures import leaks
from tests.fixtures.check_store import check
from tests.fixtures.command import Pod
from tests.integration.test_build import context, run

KILLS = int(os.environ.get("POD_TEST_KILLS", "4" if os.environ.get("POD_TEST_QUICK") else "8"))
FILES = 150
CACHE = "--mount=type=cache,target=/c"
TEXT = f"""\
FROM {{0}} AS one
COPY files /data/files
RUN {CACHE} cp -a /data/files /data/copy && echo one >> /c/log && rm /data/copy/0 && sleep 0.1
FROM {{0}} AS two
COPY nonce /nonce
RUN {CACHE},sharing=locked seq 1 5000 > /numbers && cat /nonce >> /numbers && ln /numbers /hard && echo two >> /c/log
FROM {{0}}
COPY --from=one /data /data
COPY --from=two /numbers /hard /
RUN {CACHE} cat /numbers /data/copy/* | sha256sum > /sum && rm /data/files/1 && echo three >> /c/log
LABEL a=b
"""
LOOK = "cat /sum; cat /data/files/* | sha256sum; ls /data/files /data/copy | wc -l; cmp /numbers /hard; ls -d /nonce"


def content(number: int) -> str:
    return f"{number} " * number


def expected(nonce: str) -> str:
    """Return what LOOK says of the image."""
    names = sorted(map(str, range(FILES)))
    numbers = "".join(f"{number}\n" for number in range(1, 5001)) + nonce
    copied = "".join(content(int(name)) for name in names if name != "0")
    kept = "".join(content(int(name)) for name in names if name != "1")
    sums = [hashlib.sha256(text.encode()).hexdigest() for text in (numbers + copied, kept)]
    return "".join(f"{one}  -\n" for one in sums) + f"{2 * (FILES - 1) + 3}"


class Builds:
    """Builds of one Containerfile, whose second stage and what follows it are new each time."""

    def __init__(self, pod: Pod, busybox: str) -> None:
        self.pod = pod
        files = {f"files/{number}": content(number) for number in range(FILES)}
        self.directory = context(pod, TEXT.format(busybox), {**files, "nonce": ""})
        self.nonce = ""
        self.seconds = 0.0
        self.hits = 0

    def renew(self) -> None:
        """Let the cache know no more than the first stage."""
        self.nonce = f"{random.random()}\n"
        with open(os.path.join(self.directory, "nonce"), "w") as file:
            file.write(self.nonce)

    def finish(self) -> None:
        """Build to the end, and look at the image."""
        begin = time.monotonic()
        self.pod.run("build", "--network", "none", "-t", "whole", self.directory)
        self.seconds = self.seconds or time.monotonic() - begin
        found = run(self.pod, "whole", "sh", "-c", f"{LOOK} 2>/dev/null || true")
        assert found == expected(self.nonce)

    def strike(self) -> None:
        """Kill the command, or one of its processes, within the time that a build takes."""
        flags = ["--no-cache"] if random.random() < 0.3 else []
        words = ["build", "--network", "none", "-t", "struck", *flags, self.directory]
        with self.pod.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(random.uniform(0, self.seconds))
            if process.poll() is None:
                self.hits += 1
                victim = process.pid if random.random() < 0.5 else random.choice(self._processes(process.pid))
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            else:
                self.seconds *= 0.95
            process.wait(timeout=60)

    def _processes(self, command: int) -> list[int]:
        found = [one.pid for one in leaks.processes() if one.pid != os.getpid() and one.mentions(self.pod.directory)]
        return found or [command]


@pytest.mark.slow
def test_killed_builds(box: Pod, busybox: str) -> None:
    groups = leaks.control_groups()
    builds = Builds(box, busybox)
    builds.renew()
    builds.finish()
    while builds.hits < KILLS:
        builds.renew()
        builds.strike()
        builds.finish()
        assert box.leftovers(groups) == [], builds.hits
        if builds.hits % 5 == 0:
            assert check(box) == []
    box.run("system", "check")
    again = box.run("build", "--network", "none", builds.directory)
    assert again.stdout.count("Using cache") >= 7
    box.run("rmi", "--all", "--force")
    box.run("builder", "prune", "--all", "--force")
    assert os.listdir(os.path.join(box.root, "layers")) == []
    assert check(box) == []


def test_a_build_that_is_killed_with_its_monitor(box: Pod, busybox: str) -> None:
    """`pkill -9 -f "pod build"`: in its first second a monitor still has the command's words."""
    groups = leaks.control_groups()
    words = ("build", "--network", "none", context(box, f"FROM {busybox}\nRUN echo it runs; exec sleep 300\n"))
    with box.start(*words, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith(b"] it runs\n") or line == b"it runs\n":
                break
        found = [one for one in leaks.processes() if one.pid != os.getpid() and one.mentions(box.directory)]
        killed = [one.pid for one in found if "sleep 300" not in one.command]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # none of them is to see another end
            for pid in killed:
                with contextlib.suppress(ProcessLookupError):  # what was there for a moment only
                    os.kill(pid, number)
        process.wait(timeout=60)
    box.run("container", "prune", "--force")
    assert box.leftovers(groups) == []
