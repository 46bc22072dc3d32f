"""Units of one user's in the machine, and what systemd says of them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable

from tests.system.machine import Machine
from tests.system.project import IMAGE

CGROUPS = "/sys/fs/cgroup"
_USER_MANAGER = "/user.slice/user-1000.slice/user@1000.service/app.slice"
_PATIENCE = 240.0


class Units:
    """Units of root or of alice, until `clean`."""

    def __init__(self, machine: Machine, user: str) -> None:
        self.machine = machine
        self.user = user
        self.directory = "/etc/systemd/system" if user == "root" else "/home/alice/.config/systemd/user"
        self.cgroup = "/system.slice" if user == "root" else _USER_MANAGER
        self._manager = "" if user == "root" else "--user "
        self._names: list[str] = []
        self.shell(f"mkdir -p {self.directory}")

    def shell(self, script: str, *, check: bool = True) -> str:
        """Run a script, in which `ctl` is systemctl for the user; return its output."""
        prelude = f'ctl() {{ systemctl {self._manager}"$@"; }}\n'
        return self.machine.shell(self.user, prelude + script, check=check, timeout=240).stdout.strip()

    def write(self, name: str, section: str, *lines: str) -> None:
        """Write a unit that has but one section, and have systemd load it."""
        text = "\n".join((f"[{section}]", *lines, ""))
        self.machine.put(f"{self.directory}/{name}", text.encode(), user=self.user)
        self.own(name)
        self.shell("ctl daemon-reload")

    def own(self, name: str) -> None:
        """Have a unit that was made otherwise removed at the end."""
        self._names.append(name)

    def service(self, name: str, run: str, program: str, *lines: str, unit: str = "") -> None:
        """Write a service that runs a container of its name, with a script of the shell."""
        words = f"pod run --rm --replace --name {name} {run} {IMAGE} sh -c {shlex.quote(program)}"
        command = words.replace("$", "$$").replace("%", "%%")
        self.write(f"{name}.service", "Service", f"ExecStart={command}", *lines, *([f"[Unit]\n{unit}"] if unit else []))

    def told(self, name: str, *properties: str) -> str:
        """Return what systemd says of a unit."""
        lines = self.shell(f"ctl show {name} {' '.join(f'-p {key}' for key in properties)}").splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return " ".join(found[key] for key in properties)

    def outcome(self, name: str) -> str:
        """Return the state of a service, its result, and the exit code of its main process."""
        return self.told(name, "ActiveState", "Result", "ExecMainStatus")

    def monitor(self, container: str) -> str:
        """Return the pid of a container's monitor."""
        return self.shell(f"pod inspect --format '{{{{.State.ConmonPid}}}}' {container}")

    def journal(self, name: str, container: str) -> list[str]:
        """Return the lines of a container's that the journal has of a unit; root reads it, on disk or not."""
        unit = f"_SYSTEMD_{'' if self.user == 'root' else 'USER_'}UNIT={name}.service"
        fields = [f"CONTAINER_NAME={name}", f"CONTAINER_ID_FULL={container}"]
        said = self.machine.run("root", "journalctl", "-q", unit, "-o", "cat", *fields, check=False)
        return said.stdout.splitlines()

    def await_nothing(self, name: str) -> None:
        """Wait until neither a container nor a control group of a service is left."""
        script = f"pod ps -aq --filter name={name}; ls -d {CGROUPS}{self.cgroup}/{name}.service"
        eventually(lambda: self.shell(script, check=False), "")

    def clean(self) -> None:
        """Stop and remove all units."""
        names, paths = " ".join(self._names), " ".join(f"{self.directory}/{name}" for name in self._names)
        script = f"set +e; ctl disable --now {names}; ctl stop {names}; ctl reset-failed {names}; rm -f {paths}"
        self.shell(f"{script}; ctl daemon-reload; pod rm -fa -t 0", check=False)


def eventually(look: Callable[[], object], expected: object) -> None:
    """Look again and again until there is what is expected."""
    deadline = time.monotonic() + _PATIENCE
    while (found := look()) != expected:
        assert time.monotonic() < deadline, f"{found!r} is not {expected!r}"
        time.sleep(0.3)
