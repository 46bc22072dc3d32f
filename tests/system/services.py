"""Services of quadlet files in the machine: a user's files, what systemd makes of them, and what is told of them."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator

from tests.system import units
from tests.system.machine import Machine
from tests.system.project import IMAGE

# Appends a line to a file of its volume, says so, serves that, and fills its memory when it is told to.
PROGRAM = """#!/bin/sh
echo started >>/data/starts
echo "version $(cat /version) serves"
fill() { text=0123456789abcdef; while :; do text=$text$text; done; }
trap fill USR1
trap 'exit 0' TERM
httpd -p 80 -h /data
while :; do sleep 1000 & wait $!; done
"""
_SYSTEM, _OWN = "/etc/containers/systemd", ".config/containers/systemd"
_GENERATORS = """
for kind in system user; do
    mkdir -p /etc/systemd/$kind-generators
    ln -sf /dev/null /etc/systemd/$kind-generators/podman-$kind-generator
    ln -sf /usr/local/bin/pod-quadlet /etc/systemd/$kind-generators/pod-$kind-generator
done
# Users' services wait for it, and nothing in this machine wants it.
systemctl add-wants multi-user.target network-online.target
systemctl start network-online.target
"""
# Then each user has a journal of his own, which he may read: this machine's is in memory.
_JOURNAL = "/etc/systemd/journald.conf.d/services.conf"
_KEEP_JOURNAL = f"""
mkdir -p /var/log/journal
printf '[Journal]\\nStorage=persistent\\n' >{_JOURNAL}
systemctl restart systemd-journald; journalctl --flush
"""


def eventually(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Wait until a condition holds: everything is slow in the machine, which shares its processors."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it does not happen: {what}"
        time.sleep(0.3)


@contextlib.contextmanager
def our_generator(machine: Machine) -> Iterator[None]:
    """Let systemd make services of quadlet files by pod, and not by podman as well."""
    machine.shell("root", _GENERATORS)
    yield
    wanted = "/etc/systemd/system/multi-user.target.wants/network-online.target"
    machine.shell("root", f"rm -f /etc/systemd/*-generators/pod*-generator {wanted}")


@contextlib.contextmanager
def kept_journal(machine: Machine) -> Iterator[None]:
    """Keep the journal on the disk, as most machines do."""
    machine.shell("root", _KEEP_JOURNAL)
    yield
    machine.shell("root", f"rm {_JOURNAL}; systemctl restart systemd-journald; rm -r /var/log/journal")


class Services:
    """The quadlet files of one user."""

    def __init__(self, machine: Machine, user: str) -> None:
        self.machine = machine
        self.user = user
        self.directory = _SYSTEM if user == "root" else _OWN
        self.manager = "systemctl" if user == "root" else "systemctl --user"
        self.port = 8080 if user == "root" else 8081

    def shell(self, script: str, *, check: bool = True, timeout: float = 240) -> str:
        """Run a script, in which `manager` is the user's systemctl; return both of its streams."""
        prelude = f'exec 2>&1; manager() {{ {self.manager} "$@"; }}\n'
        return self.machine.shell(self.user, prelude + script, check=check, timeout=timeout).stdout.strip()

    def write(self, name: str, text: str) -> None:
        self.machine.shell(self.user, f"mkdir -p {self.directory}; cat >{self.directory}/{name}", input=text)

    def make_image(self, version: str, *, program: str = PROGRAM, name: str = "web") -> None:
        """Give the user's store another image of this name."""
        script = f"cat >/program; chmod 755 /program; echo {version} >/version"
        self.machine.shell(
            self.user,
            f"pod run -i --name making {IMAGE} sh -c {shlex.quote(script)}\n"
            f"pod commit -q --change 'CMD [\"/program\"]' making {name} >/dev/null; pod rm making >/dev/null",
            input=program,
            timeout=240,
        )

    def property(self, unit: str, name: str) -> str:
        return self.shell(f"manager show {unit} --property={name} --value")

    def served(self, path: str = "starts", *, port: int = 0) -> list[str]:
        """Return what the service at a published port has for everybody; empty if it does not answer."""
        url = f"http://127.0.0.1:{port or self.port}/{path}"
        return self.shell(f"busybox wget -q -T 5 -O - {url}", check=False).split()

    def await_answer(self, what: str, *, port: int = 0) -> None:
        """Wait for the service at a published port to answer."""
        eventually(lambda: "started" in self.served(port=port), f"an answer after {what}", 240)

    def await_active(self, *names: str) -> None:
        """Wait for units to be active."""
        expected = ["active"] * len(names)
        asked = f"manager is-active {' '.join(names)}"
        eventually(lambda: self.shell(asked, check=False).split() == expected, f"{names} are active", 240)

    def check_truth(self, containers: dict[str, str]) -> None:
        """See that systemd, `pod ps` and the processes tell of the same containers of these units, and no more."""
        # A monitor that begins or wakes is called as its interpreter for a moment, which is a long one in this machine.
        said = "pod ps --all --format '{{.Names}} {{.State}}'; pgrep -u $(id -u) -c -x pod-monitor || true"
        expected = [str(len(containers)), *sorted(f"{name} running" for name in containers.values())]
        units.eventually(lambda: sorted(self.shell(said).splitlines()), expected)
        truths = dict.fromkeys(containers, ("pod-monitor", True, True, True))
        units.eventually(lambda: {unit: self._process_of(unit, name) for unit, name in containers.items()}, truths)

    def _process_of(self, unit: str, container: str) -> tuple[str, bool, bool, bool]:
        """Return a unit's main process, whether it is the container's monitor, and whether `status` says both."""
        main, comm, monitor, *status = self.shell(
            f"main=$(manager show {unit} --property=MainPID --value); echo $main; cat /proc/$main/comm\n"
            f"pod inspect --format '{{{{.State.ConmonPid}}}}' {container}; manager status --lines=0 {unit}"
        ).splitlines()
        is_running = any("Active: active (running)" in line for line in status)
        return comm, monitor == main, is_running, any(f"Main PID: {main} (pod-monitor)" in line for line in status)

    def remove(self) -> None:
        """Stop the services of all files, and take the files and what they made away."""
        self.shell(
            f"cd {self.directory} 2>/dev/null || exit 0\n"
            "for file in *.*; do\n"
            '    unit=${file%.*}-${file##*.}; manager stop "${unit%-container}" || true\n'
            "done\n"
            "rm -f *.*; manager daemon-reload; manager reset-failed\n"
            "pod pod rm --all --force --time 0 >/dev/null || true; pod rm --all --force --time 0 >/dev/null\n"
            "pod network rm --force site >/dev/null || true; pod volume rm --all --force >/dev/null || true",
        )
