"""The engines that are measured side by side, each with a private store on one fresh file system.

The file system is a journaled ext4 on a loop file: an ext4 without a journal, as some test machines have, makes the
creation of files after a removal ten times slower, for whichever engine comes next. Everything made here is removed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pwd
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = os.environ.get("POD_BENCH_DIRECTORY", "/var/tmp")
CLONE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLEAN = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
IMAGE = "localhost/bench:latest"


@dataclass(frozen=True)
class Engine:
    """An engine: how its command line begins, and as whom it runs."""

    name: str
    command: list[str]
    environment: dict[str, str]
    user: str | None = None

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start a command and do not wait."""
        return subprocess.Popen(
            [*self.command, *arguments],
            env=self.environment,
            cwd="/",
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user else None,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str) -> None:
        """Run a command that must succeed."""
        process = self.start(*arguments)
        _, error = process.communicate()
        if process.returncode:
            raise SystemExit(f"{self.name} {' '.join(arguments)}: {error.decode()}")

    def load(self, archive: str) -> None:
        """Make the image of a tar of its file system."""
        self.run("import", archive, IMAGE)


KEPT = "pod-erofs"


@dataclass(frozen=True)
class Row:
    """One line of the table: medians by engine, in seconds unless `unit` says otherwise, and what ratios are aimed at.

    `ranges` has the lowest and the highest of what a median is of, where that is worth telling.
    """

    title: str
    medians: dict[str, float]
    aims: dict[str, float]
    unit: str = "s"
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    @staticmethod
    def of(title: str, values: dict[str, list[float]], unit: str) -> Row:
        """Return the line for what was measured of each engine."""
        medians = {name: statistics.median(measured) for name, measured in values.items()}
        return Row(title, medians, {}, unit, {name: (min(one), max(one)) for name, one in values.items()})

    def shown(self, name: str) -> str:
        """Return the median of an engine with its unit, nothing if it was not measured."""
        if name not in self.medians:
            return ""
        value = self.medians[name]
        if self.unit == "s" and value < 1:
            return f"{value * 1000:.1f} ms"
        return f"{value:.2f} {self.unit}"

    def ratio(self, other: str) -> float:
        """Return how long the first engine takes as a part of what `other` takes."""
        return next(iter(self.medians.values())) / self.medians[other]


MAKE = {
    "ext4": ["mke2fs", "-q", "-t", "ext4", "-O", "has_journal", "-E", "lazy_itable_init=1"],
    "xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"],
}


@contextlib.contextmanager
def scratch(size: str = "6G", kind: str = "ext4") -> Iterator[str]:
    """Mount a fresh file system (a journaled ext4) and yield its path."""
    directory = tempfile.mkdtemp(prefix="pb-", dir=BASE)
    image, place = os.path.join(directory, "disk"), os.path.join(directory, "d")
    os.chmod(directory, 0o755)
    subprocess.run(["truncate", "-s", size, image], check=True)
    subprocess.run([*MAKE[kind], image], check=True)
    os.mkdir(place)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    os.chmod(place, 0o755)
    try:
        yield place
    finally:
        _unmount(place)
        shutil.rmtree(directory, ignore_errors=True)


def _unmount(place: str) -> None:
    # podman keeps its store mounted private to itself below the store, docker too.
    subprocess.run(["umount", "--recursive", place], check=False, stderr=subprocess.DEVNULL)
    if os.path.ismount(place):
        subprocess.run(["umount", "--lazy", place], check=False)


def find_pod() -> str:
    """Return the pod to measure: $POD, else the one that contrib/quickstart installed."""
    candidates = [os.environ.get("POD"), os.path.join(CLONE, ".venv/bin/pod"), shutil.which("pod")]
    found = next((path for path in candidates if path and os.path.exists(path)), None)
    if found is None:
        raise SystemExit("no pod to measure: run contrib/quickstart first, or set POD")
    return found


def pod(place: str, user: str | None = None, *, kept: bool = False) -> Engine:
    """Return pod with a store in `place`; `kept` is with layers as EROFS, under another name."""
    name = KEPT if kept else "pod"
    own = _directory(place, name, user)
    environment = _environment(own) | ({"STORAGE_OPTS": "overlay.pod_layers=erofs"} if kept else {})
    return Engine(name, [find_pod(), "--root", f"{own}/root", "--runroot", f"{own}/run"], environment, user)


def podman(place: str, user: str | None = None) -> Engine | None:
    """Return Debian's podman with runc, or None where it is not installed."""
    if not shutil.which("podman") or not shutil.which("runc"):
        return None
    own = _directory(place, "podman", user)
    # The hard limits of a machine may be below podman's own defaults, which then fails.
    with open(f"{own}/containers.conf", "w") as file:
        file.write(
            '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]\n'
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
            f'[network]\nnetwork_config_dir = "{own}/networks"\n'
        )
    with open(f"{own}/storage.conf", "w") as file:
        file.write(f'[storage]\ndriver = "overlay"\ngraphroot = "{own}/root"\nrunroot = "{own}/run"\n')
    environment = _environment(own) | {
        "CONTAINERS_CONF": f"{own}/containers.conf",
        "CONTAINERS_STORAGE_CONF": f"{own}/storage.conf",
    }
    options = ["--root", f"{own}/root", "--runroot", f"{own}/run", "--tmpdir", f"{own}/tmp", "--runtime", "runc"]
    return Engine("podman", ["podman", *options], environment, user)


@contextlib.contextmanager
def docker(place: str, prefix: list[str] | None = None) -> Iterator[Engine | None]:
    """Run Debian's dockerd on a private socket; yield None where it is not installed.

    With `prefix`, which brings a command to a network namespace of its own, it has its bridge and its rules there.
    """
    client = "/usr/bin/docker"
    if not os.path.exists(client) or not shutil.which("dockerd", path="/usr/sbin:/usr/bin"):
        yield None
        return
    own = _directory(place, "docker", None)
    # Paths of sockets are short.
    state = tempfile.mkdtemp(prefix="pod-bench-docker-", dir="/run")
    address = f"unix://{state}/socket"
    options = ["--data-root", f"{own}/root", "--exec-root", f"{state}/exec", "--pidfile", f"{state}/pid", "-H", address]
    network = [] if prefix else ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    with open(f"{own}/log", "wb") as log:
        command = [*(prefix or []), "dockerd", *options, *network]
        daemon = subprocess.Popen(command, stdout=log, stderr=log, env=CLEAN | {"HOME": own})
    engine = Engine("docker", [client, "-H", address], _environment(own))
    try:
        _wait_for(engine)
        yield engine
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
        subprocess.run(["umount", "--recursive", state], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(state, ignore_errors=True)


def _wait_for(engine: Engine) -> None:
    for _ in range(150):
        process = engine.start("version")
        process.communicate()
        if process.returncode == 0:
            return
        time.sleep(0.2)
    raise SystemExit("dockerd does not answer")


def _directory(place: str, name: str, user: str | None) -> str:
    # Short, for podman refuses a runroot of more than 50 characters.
    path = os.path.join(place, f"{name}-u" if user else name)
    os.mkdir(path)
    if user:
        shutil.chown(path, user, user)
    return path


def _environment(home: str) -> dict[str, str]:
    return CLEAN | {"HOME": home, "XDG_RUNTIME_DIR": home}


@contextlib.contextmanager
def ordinary_user() -> Iterator[str]:
    """Make a user with subordinate ids, and remove it at the end."""
    name = f"podbench{os.getpid()}"
    subprocess.run(["useradd", "-m", name], check=True)
    try:
        yield name
    finally:
        # Rootless podman leaves a process that holds its user namespace; userdel refuses as long as one lives.
        uid = pwd.getpwnam(name).pw_uid
        for _ in range(50):
            left = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _owner(pid) == uid]
            if not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        subprocess.run(["userdel", "-r", name], check=False, stderr=subprocess.DEVNULL)


def _owner(pid: str) -> int:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        return -1


def busybox_archive(place: str) -> str:
    """Write a tar of a small file system, the same for every engine, and return its path."""
    path = os.path.join(place, "busybox.tar")
    with tarfile.open(path, "w") as archive:
        for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(directory)
        archive.add("/bin/busybox", "bin/busybox")
        for name in ("sh", "true", "sleep", "cat", "echo"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    os.chmod(path, 0o644)
    return path


def measure(installed: list[Engine], *command: str, runs: int, warmup: int = 3) -> dict[str, float]:
    """Run a command with each engine in turn, and return the median of each engine in seconds.

    In turn, so that whatever else the machine does falls on all of them alike.
    """
    times: dict[str, list[float]] = {engine.name: [] for engine in installed}
    for number in range(warmup + runs):
        for engine in installed:
            begin = time.perf_counter()
            engine.run(*command)
            if number >= warmup:
                times[engine.name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


def parse(description: str) -> argparse.Namespace:
    """Read the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=20, help="how many times each engine is measured")
    parser.add_argument("--json", action="store_true", help="print rows for contrib/bench/all")
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # what was made is removed then, too
    return parser.parse_args()


def report(rows: list[Row], *, as_json: bool) -> None:
    """Print the rows for a person, or for contrib/bench/all."""
    if as_json:
        print(json.dumps([vars(row) for row in rows]))
        return
    for row in rows:
        print(row.title)
        width = max(8, *map(len, row.medians))
        first = next(iter(row.medians))
        for name in row.medians:
            word = "takes" if row.unit.startswith("s") else "has"
            note = f"   {first} {word} {row.ratio(name):.2f} of it" if name != first else ""
            aim = f" (aim: {row.aims[name]:.2f})" if name in row.aims else ""
            spread = " ({:.2f} to {:.2f})".format(*row.ranges[name]) if name in row.ranges else ""
            print(f"  {name:{width}} {row.shown(name):>10}{spread}{note}{aim}")
    print(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} processors, Linux {os.uname().release}")
