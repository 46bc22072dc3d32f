"""`contrib/install`: what is put in place works from there, an upgrade may come meanwhile, and all of it goes again."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import time
from dataclasses import dataclass

import pytest

from pod.cli import table
from tests.fixtures import command
from tests.fixtures.command import SOURCE, Pod, Result


@dataclass
class Installation:
    """A clone that everybody may read, and a place to install it to."""

    pod: Pod
    clone: str
    interpreter: str
    site: str

    @property
    def scope(self) -> str:
        return "--user" if self.pod.rootless else "--system"

    @property
    def prefix(self) -> str:
        return f"{self.pod.directory}/place/prefix"

    def call(self, *words: str, code: int = 0) -> Result:
        program = f"{self.clone}/contrib/install"
        done = self.pod.execute([program, self.scope, "--prefix", self.prefix, *words], check=False, timeout=180)
        assert done.code == code, done
        return done

    def install(self) -> Result:
        return self.call("--python", self.interpreter, "--site", self.site)

    def files(self) -> set[str]:
        """Return what there is below the prefix, but for what the program loads."""
        found = glob.glob("**", root_dir=self.prefix, recursive=True, include_hidden=True)
        return {path for path in found if not path.startswith("lib/pod/") and path}


@pytest.fixture(scope="session")
def clone(workplace: str) -> tuple[str, str, str]:
    directory = os.path.join(workplace, "clone")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("contrib", *command.PACKAGES):
        shutil.copytree(os.path.join(SOURCE, name), os.path.join(directory, name), ignore=ignored)
    return (directory, *command.public_interpreter(directory))


@pytest.fixture
def place(box: Pod, clone: tuple[str, str, str]) -> Installation:
    return Installation(box, *clone)


def test_install_and_uninstall(place: Installation, busybox: str) -> None:
    said = place.install()
    assert "systemctl" in said.stdout
    found = place.files()
    units = "share/systemd/user" if place.pod.rootless else "lib/systemd/user"
    expected = {"bin/pod", "bin/pod-runtime", "bin/pod-quadlet", "share/man/man1/pod.1", "share/man/man1/pod-run.1"}
    expected |= {f"{units}/pod-auto-update.service", f"{units}/pod-auto-update.timer", f"{units}/pod-restart.service"}
    expected |= {"share/bash-completion/completions/pod", "share/zsh/site-functions/_pod"}
    if not place.pod.rootless:
        expected |= {f"lib/systemd/system/{name}" for name in ("pod-restart.service", "pod-auto-update.timer")}
        expected |= {f"lib/systemd/{kind}-generators/pod-{kind}-generator" for kind in ("system", "user")}
        expected |= {"lib/tmpfiles.d/pod.conf"}
    assert expected <= found
    assert not [name for name in found if name.endswith(("pod.socket", "/pod.service"))]
    with open(f"{place.prefix}/{units}/pod-restart.service") as file:
        assert f"ExecStart={place.prefix}/bin/pod start --all --filter should-start-on-boot=true\n" in file.read()
    installed = [f"{place.prefix}/bin/pod", *place.pod.options]
    assert place.pod.execute([*installed, "run", "--rm", busybox, "echo", "hello"]).out == "hello"
    check_manual_pages(f"{place.prefix}/share/man/man1")
    place.pod.execute(["touch", f"{place.prefix}/share/man/man1/mine.1"])
    place.call("--uninstall")
    assert place.files() == {"share", "share/man", "share/man/man1", "share/man/man1/mine.1"}  # that of others stays
    assert "is not installed below" in place.call("--uninstall", code=1).stderr


@pytest.mark.slow
def test_upgrades_while_a_container_runs(place: Installation, busybox: str) -> None:
    place.install()
    first = place.files()
    installed = [f"{place.prefix}/bin/pod", *place.pod.options]
    script = "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"
    place.pod.execute([*installed, "run", "-d", "--name", "web", "--restart=always", busybox, "sh", "-c", script])
    stale = f"{place.prefix}/share/man/man1/pod-stale.1"
    place.pod.execute(["sh", "-c", f"touch {stale}; echo {stale} >>{place.prefix}/lib/pod/installed"])
    for _ in range(2):
        place.install()
    assert place.files() == first  # what the program no longer has is gone
    # What monitors were started from, for they go on with it.
    generations = [name for name in os.listdir(f"{place.prefix}/lib/pod") if name[0].isdigit()]
    assert len(generations) == 3
    pid = place.pod.execute([*installed, "inspect", "--format", "{{.State.Pid}}", "web"]).out
    place.pod.execute(["kill", "-9", pid])
    count = [*installed, "inspect", "--format", "{{.RestartCount}} {{.State.Status}}", "web"]
    deadline = time.monotonic() + 60
    while place.pod.execute(count).out != "1 running" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert place.pod.execute(count).out == "1 running"
    assert place.pod.execute([*installed, "exec", "web", "echo", "still"]).out == "still"
    place.pod.execute([*installed, "exec", "web", "kill", "-KILL", "1"], check=False)
    place.pod.execute([*installed, "restart", "-t", "5", "web"])
    place.pod.execute([*installed, "stop", "web"])
    assert place.pod.execute([*installed, "wait", "web"]).out == "7"
    place.pod.execute([*installed, "rm", "web"])
    place.call("--uninstall")
    assert not os.path.exists(f"{place.pod.directory}/place")


def test_a_killed_installation_is_known(place: Installation) -> None:
    words = [f"{place.clone}/contrib/install", place.scope, "--prefix", place.prefix]
    words += ["--python", place.interpreter, "--site", place.site]
    begun = "[ -e $0/share/systemd/user -o -e $0/lib/systemd ]"
    # The whole of its group: parts of pipes go on without it.
    start = f'export TMPDIR={place.pod.home}; setsid "$@" & pid=$!'
    script = f"{start}; until {begun} || ! kill -0 $pid; do sleep 0.01; done; kill -9 -- -$pid"
    place.pod.execute(["sh", "-c", script, place.prefix, *words], check=False)
    place.call("--uninstall")
    assert not os.path.exists(f"{place.pod.directory}/place")


def check_manual_pages(directory: str) -> None:
    pages = sorted(glob.glob(f"{directory}/*.1"))
    names = {os.path.basename(page).removesuffix(".1") for page in pages}
    groups = {f"pod-{name}".replace(" ", "-") for name in table.GROUPS}
    assert names >= {"pod", *(f"pod-{name}" for name in table.COMMANDS), *groups}
    if not shutil.which("lexgrog"):
        return  # man-db is not here
    told = subprocess.run(["lexgrog", *pages], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert len(told.splitlines()) == len(pages)
    assert 'pod-run.1: "pod-run - Run a command in a new container"' in told
    shown = subprocess.run(
        ["man", "--warnings=w", "-l", f"{directory}/pod-auto-update.1"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"},
    )
    assert shown.stderr == ""
    assert "Rollback to previous image if update fails (default true)" in shown.stdout


def test_bad_command_lines(place: Installation) -> None:
    program = f"{place.clone}/contrib/install"
    for words in ([], ["--nonsense"], ["--user", "--prefix"]):
        done = place.pod.execute([program, *words], check=False)
        assert done.code == 2
        assert "contrib/install --system [--prefix DIR]" in done.stderr
