"""Twenty commands at a time at one store, chosen at random: no error that a user would not expect, and no leak.

`POD_TEST_SOAK_SECONDS` says for how long: a few in CI, ten minutes or hours by hand (`pytest -s` shows the counts).
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.fixtures import images
from tests.fixtures.command import Pod
from tests.fixtures.registry import Registry

SECONDS = float(os.environ.get("POD_TEST_SOAK_SECONDS", "4" if os.environ.get("POD_TEST_QUICK") else "10"))
AT_ONCE = 20
# No command may take longer: whoever waits so long waits for a lock that nobody will free.
STUCK_SECONDS = 240.0
MOST_FAILURES = 10

# Others remove what a command is about to use, or use what it is about to remove. That is what errors may say.
GONE = r"Error: (.*: )?\S+: image not known"
USED = r"Error: (.*: )?image used by \S+: image is in use by a container.*"
NO_CONTAINER = r"Error: no container with (name or ID|ID or name) .*: no such container"
# `rm --force` ends what was about to start, and its monitor.
ENDED = r"Error: (the monitor of the container ended without telling an exit code|cannot start container .* has ended)"
SEVERAL = r"Error: (.*: )?unable to delete image \S+ by ID with more than one tag .*"
EXPECTED = {
    "pull": (),
    "run": (GONE, NO_CONTAINER, ENDED),
    "create": (GONE,),
    "tag": (GONE,),
    "untag": (GONE, r"Error: .*: tag not known"),
    "rmi": (GONE, USED, SEVERAL),
    "rm": (NO_CONTAINER,),
    "image": (GONE,),
    "images": (),
    "ps": (),
    "system": (),
    "container": (),
    "save": (GONE, r"Error: image \S+ was removed meanwhile"),
    "load": (),
}


@dataclass
class Soak:
    """What the threads share: the commands so far, and what went wrong."""

    pod: Pod
    references: list[str]
    archive: str
    end: float
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)

    def work(self, seed: int) -> None:
        """Run one command after the other."""
        chance = random.Random(seed)
        while time.monotonic() < self.end and len(self.failures) < MOST_FAILURES:
            try:
                self.run(*self.choose(chance))
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")

    def choose(self, chance: random.Random) -> list[str]:
        """Give a command line."""
        reference = chance.choice(self.references)
        alias = f"localhost/alias:{chance.randrange(6)}"
        name = f"soak{chance.randrange(8)}"
        choices = [
            (5, ["pull", "--quiet", reference]),
            (6, ["run", "--rm", "--network", "none", reference, "cat", "/own"]),
            (2, ["run", "--rm", "--network", "none", "--pull", "never", alias, "cat", "/own"]),
            (2, ["create", "--network", "none", "--name", f"{name}-{chance.random()}", reference, "true"]),
            (3, ["tag", reference, alias]),
            (1, ["untag", alias]),
            (3, ["rmi", chance.choice([reference, alias])]),
            (1, ["rmi", "--force", reference]),
            (1, ["rm", "--all", "--force", "--time", "0"]),
            (1, ["image", "prune", "--force"]),
            (1, ["image", "inspect", reference]),
            (2, ["images"]),
            (1, ["ps", "--all"]),
            (1, ["system", "df"]),
            (1, ["system", "check", "--quick"]),
            (1, ["system", "check", "--repair"]),
            (1, ["system", "prune", "--force"]),
            (1, ["container", "prune", "--force"]),
            (
                1,
                [
                    "save",
                    "--quiet",
                    "--format",
                    "docker-dir",
                    "--output",
                    f"{self.archive}.{chance.randrange(3)}",
                    alias,
                ],
            ),
            (1, ["load", "--quiet", "--input", self.archive]),
        ]
        return chance.choices([words for _, words in choices], [weight for weight, _ in choices])[0]

    def run(self, *words: str) -> None:
        """Run a command, and judge how it ended."""
        begin = time.monotonic()
        process = self.pod.start(*words)
        try:
            out, error = process.communicate(timeout=STUCK_SECONDS)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        taken = time.monotonic() - begin
        self.slowest[words[0]] = max(taken, self.slowest.get(words[0], 0.0))
        self.done[words[0]] += 1
        if process.returncode == 0:
            if words[0] == "run" and not out.startswith(b"own "):
                self.failures.append(f"{words}: printed {out!r}")
            return
        # Before an error there may be what tells of a pull.
        lines = [line for line in error.decode().splitlines() if line.startswith(("Error: ", "Traceback"))]
        killed = words[0] == "run" and process.returncode == 137 and not lines  # by `rm --force` or `rmi --force`
        unexpected = [line for line in lines if not any(re.fullmatch(one, line) for one in EXPECTED[words[0]])]
        if unexpected or not (lines or killed):
            self.failures.append(f"{' '.join(words)}: exit {process.returncode}: {(out + error).decode()}")
        self.refused[words[0]] += 1


@pytest.fixture
def references(registry: Registry) -> list[str]:
    """Images that have layers in common, and one of their own each."""
    common = images.layer(*(images.entry(f"srv/{number:03d}", b"x" * number) for number in range(300)))
    chain = images.layer(images.entry("srv", mode=0o711, type=b"5"))
    return [
        registry.push(
            "soak",
            str(number),
            images.busybox(
                *([chain, common] if number % 2 else [common]), images.layer(images.entry("own", b"own %d\n" % number))
            ),
        )
        for number in range(6)
    ]


@pytest.mark.slow
def test_random_commands_at_one_store(pod: Pod, references: list[str], request: pytest.FixtureRequest) -> None:
    archive = f"{pod.directory}/archive"
    pod.run("pull", "--quiet", *references[:2])
    pod.run("save", "--quiet", "--multi-image-archive", "--output", archive, *references[:2])
    soak = Soak(pod, references, archive, time.monotonic() + SECONDS)
    seeds = random.Random().sample(range(1 << 30), AT_ONCE)
    threads = [threading.Thread(target=soak.work, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    slowest = {name: round(seconds, 1) for name, seconds in sorted(soak.slowest.items())}
    print(
        f"\n{SECONDS:.0f} s: {soak.done.total()} commands {dict(soak.done)}, refused {dict(soak.refused)}, {slowest=}"
    )
    print("\n".join(soak.failures))
    assert soak.failures == []
    checked = pod.run("system", "check", check=False)
    assert (checked.code, checked.stdout) == (0, "")
    pod.run("rm", "--all", "--force", "--time", "0")
    pod.run("rmi", "--all", "--force")
    left = {name: os.listdir(f"{pod.root}/{name}") for name in ("layers", "ingest", "staging", "containers")}
    assert left == {"layers": [], "ingest": [], "staging": [], "containers": []}
