"""The generator as systemd calls it, for the system and for a user: what is written starts, what is bad is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.machine import Machine
from tests.system.project import IMAGE
from tests.system.services import eventually

pytestmark = pytest.mark.slow

# podman is in the machine, too: its generators would make the same services.
_INSTALL = """
for kind in system user; do
    mkdir -p /etc/systemd/$kind-generators
    ln -sfn /usr/local/bin/pod-quadlet /etc/systemd/$kind-generators/pod-$kind-generator
    ln -sfn /dev/null /etc/systemd/$kind-generators/podman-$kind-generator
done
"""
_REMOVE = "rm -f /etc/systemd/*-generators/pod-* /etc/systemd/*-generators/podman-*; systemctl daemon-reload"
FILES = {
    "web.container": f"""
        [Unit]
        Description=A container that stays
        [Container]
        Image=localhost/{IMAGE}
        Volume=data.volume:/data
        Network=none
        Exec=sh -c 'echo "$A $B" >/data/said; exec sleep 1000'
        [Install]
        WantedBy=default.target
        """,
    "web.container.d/10-a.conf": "[Container]\nEnvironment=A=one",
    "container.d/20-b.conf": '[Container]\nEnvironment="B=or two"',
    "data.volume": "[Volume]\n",
    "task@.container": f"""
        [Container]
        Image=localhost/{IMAGE}
        Network=none
        Exec=echo "task %i" \\
            and \\x22more\\x22 ; end
        [Service]
        Type=oneshot
        """,
    "bad.container": f"[Container]\nImage=localhost/{IMAGE}\n\nImge=x",
    "worse.container": "what is this",
    "lonely.container": f"[Container]\nImage=localhost/{IMAGE}\nVolume=there-is-none.volume:/data",
}


class Units:
    """Files of one user's, and his systemd."""

    def __init__(self, machine: Machine, user: str) -> None:
        self.machine = machine
        self.user = user
        self.option = "" if user == "root" else "--user"
        self.place = "/etc/containers/systemd" if user == "root" else "/home/alice/.config/containers/systemd"

    def shell(self, script: str, *, check: bool = True) -> str:
        """Run a script in which `manager` is the user's systemctl; return both of its streams."""
        prelude = f'exec 2>&1; manager() {{ systemctl {self.option} "$@"; }}\n'
        return self.machine.shell(self.user, prelude + script, check=check, timeout=180).stdout

    def write(self, files: dict[str, str]) -> None:
        """Write files, and let systemd call the generator."""
        for name, text in files.items():
            path = f"{self.place}/{name}"
            lines = "\n".join(line.strip() for line in text.splitlines() if line.strip() or name == "bad.container")
            self.shell(f"mkdir -p {path.rpartition('/')[0]}")
            self.machine.put(path, f"{lines}\n".encode(), user=self.user)
        self.shell("manager daemon-reload")

    def journal(self) -> str:
        """Return what generators have told in this boot."""
        return self.machine.shell(
            "root", "journalctl --sync; journalctl --boot --no-pager | grep -a quadlet-generator"
        ).stdout


@pytest.fixture
def units(machine: Machine, user: str) -> Iterator[Units]:
    """The generators, installed, and nobody's files yet."""
    machine.shell("root", _INSTALL)
    made = Units(machine, user)
    yield made
    made.shell("manager stop web.service data-volume.service 'task@*.service'; manager reset-failed", check=False)
    made.shell(f"rm -rf {made.place}/*; pod volume rm --all --force")
    machine.shell("root", _REMOVE)
    made.shell("manager daemon-reload")


def test_what_is_written_starts_and_what_is_bad_is_told(units: Units) -> None:
    units.write(FILES)
    told = units.journal()
    assert f"{units.place}/bad.container:4: unsupported key 'Imge' in group 'Container'; did you mean 'Image'?" in told
    assert f"{units.place}/worse.container:1: key file does not start with a group" in told
    assert f"{units.place}/lonely.container:3: requested Quadlet source there-is-none.volume was not found" in told
    assert "Traceback" not in units.machine.shell("root", "journalctl --boot --no-pager").stdout
    assert units.shell("manager list-unit-files --no-legend 'bad*' 'worse*' 'lonely*' || true") == ""
    units.shell("manager start web.service || { manager status web.service; exit 1; }")
    assert units.shell("manager is-active web.service data-volume.service").split() == ["active", "active"]
    assert units.shell("pod ps --noheading --format '{{.Names}} {{.Status}}'").startswith("systemd-web Up ")
    mount = units.shell("pod volume inspect systemd-data --format '{{.Mountpoint}}'").strip()
    eventually(lambda: units.shell(f"cat {mount}/said", check=False) == "one or two\n", "what the container says")
    assert "web.service" in units.shell("manager show -p Wants --value default.target").split()
    units.shell("manager stop web.service")
    assert units.shell("pod ps --all --quiet") == ""


def test_an_instance_of_a_template_runs_as_its_name_says(units: Units) -> None:
    units.write(FILES)
    units.shell("manager start task@seven.service || { manager status task@seven.service; exit 1; }")
    field = "_SYSTEMD_UNIT" if units.user == "root" else "_SYSTEMD_USER_UNIT"
    journal = f"journalctl --sync; journalctl --boot --no-pager --output=cat {field}=task@seven.service"
    assert 'task seven and "more" ; end' in units.machine.shell("root", journal).stdout.splitlines()
    assert units.shell("pod ps --all --quiet") == ""
