"""Units of all kinds as systemd's generators run: installed as one application, started, listed, removed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest

from tests.system.machine import Machine
from tests.system.project import IMAGE

# Of podman's, where it is installed, systemd runs neither.
_GENERATORS = """
for kind in system user; do
    mkdir -p /etc/systemd/$kind-generators
    ln -sf /dev/null /etc/systemd/$kind-generators/podman-$kind-generator
    ln -sf /usr/local/bin/pod-quadlet /etc/systemd/$kind-generators/pod-$kind-generator
done
"""
FILES = {
    "base.image": f"[Image]\nImage=localhost/{IMAGE}:latest\nPolicy=never\n",
    "own.build": "[Build]\nImageTag=localhost/own:latest\nSetWorkingDirectory=unit\n"
    "File=context/Containerfile\nNetwork=none\n",
    "context/Containerfile": f"FROM localhost/{IMAGE}\nCOPY context/greeting /greeting\nRUN cat /greeting >/copy\n",
    "context/greeting": "hello\n",
    "data.volume": "[Volume]\nLabel=of=units\n",
    "front.network": "[Network]\nSubnet=10.89.77.0/24\nNetworkDeleteOnStop=true\n",
    "web.container": "[Unit]\nDescription=Serves what it was built with\n"
    "[Container]\nImage=own.build\nContainerName=web-of-units\nNetwork=front.network\nVolume=data.volume:/data\n"
    "Volume=./settings:/settings:ro\nStopTimeout=1\n"
    "Exec=sh -c 'trap exit TERM; cat /copy /settings/port >/data/found; sleep 100000 & wait'\n"
    "[Service]\nTimeoutStartSec=240\n",
    "settings/port": "8080\n",
    "both.pod": "[Pod]\nPodName=both-of-units\n",
    "one.container": "[Container]\nImage=base.image\nPod=both.pod\nStopTimeout=1\n"
    "Exec=sh -c 'trap exit TERM; sleep 100000 & wait'\n"
    "[Service]\nTimeoutStartSec=240\n",
    "shop.kube": "[Kube]\nYaml=shop.yaml\nNetwork=front.network\n",
    "shop.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: shop}\nspec: {containers: [{name: a, image: b}]}\n",
    "model.artifact": "[Artifact]\nArtifact=quay.io/model:latest\nQuiet=true\n",
}
SERVICES = {
    "base.image": "base-image.service",
    "own.build": "own-build.service",
    "data.volume": "data-volume.service",
    "front.network": "front-network.service",
    "web.container": "web.service",
    "both.pod": "both-pod.service",
    "one.container": "one.service",
    "shop.kube": "shop.service",
    "model.artifact": "model-artifact.service",
}
STARTED = ("web.service", "both-pod.service", "one.service")


class Site:
    """One user's units in the machine."""

    def __init__(self, machine: Machine, user: str) -> None:
        self.machine = machine
        self.user = user
        self.directory = "/etc/containers/systemd" if user == "root" else "/home/alice/.config/containers/systemd"
        self.source = f"/tmp/units-of-{user}"
        self.manager = "systemctl" if user == "root" else "systemctl --user"

    def shell(self, script: str, *, check: bool = True) -> str:
        """Run a script, in which `manager` is the user's systemctl."""
        prelude = f'manager() {{ {self.manager} "$@"; }}\n'
        return self.machine.shell(self.user, prelude + script, check=check, timeout=600).stdout.strip()

    def quadlet(self, *words: str, check: bool = True) -> str:
        """Run `pod quadlet`; return both of its streams."""
        return self.shell(f"exec 2>&1; pod quadlet {shlex.join(words)}", check=check)

    def write(self, name: str, text: str) -> None:
        path = shlex.quote(f"{self.source}/{name}")
        self.machine.shell(self.user, f"mkdir -p $(dirname {path}); cat >{path}", input=text)

    def statuses(self) -> dict[str, str]:
        return {row["Name"]: row["Status"] for row in json.loads(self.quadlet("list", "--format", "json"))}

    def journal_names(self, text: str) -> bool:
        found = self.machine.shell(
            "root", f"journalctl --sync; journalctl -b -o cat | grep -F {shlex.quote(text)}", check=False
        )
        return found.returncode == 0

    def files(self) -> list[str]:
        """Return what is in the directory of files, but for a directory of Debian's podman package."""
        return [name for name in self.shell(f"ls -A {self.directory}").splitlines() if name != "users"]

    def remove(self) -> None:
        """Stop all, and take away what the services made."""
        self.shell(
            f"rm -rf {self.source}; pod quadlet rm --force --all >/dev/null || true\n"
            f"find {self.directory} -mindepth 1 -maxdepth 1 ! -name users -exec rm -rf '{{}}' + || true\n"
            "manager daemon-reload; manager reset-failed\n"
            "pod pod rm --all --force --time 0 >/dev/null || true; pod rm --all --force --time 0 >/dev/null\n"
            "pod volume rm --all --force >/dev/null; pod network rm --force systemd-front >/dev/null || true\n"
            "pod rmi --force localhost/own >/dev/null || true",
            check=False,
        )


@pytest.fixture
def site(machine: Machine, user: str) -> Iterator[Site]:
    machine.shell("root", _GENERATORS)
    made = Site(machine, user)
    for name, text in FILES.items():
        made.write(f"app/{name}", text)
    yield made
    made.remove()


@pytest.mark.slow
def test_units_of_all_kinds(site: Site) -> None:
    installed = site.quadlet("install", f"{site.source}/app").splitlines()
    assert set(installed) == {f"{site.directory}/app/{name}" for name in FILES}
    assert site.statuses() == dict.fromkeys(SERVICES, "inactive/dead")
    rows = json.loads(site.quadlet("list", "--format", "json"))
    assert {row["Name"]: row["UnitName"] for row in rows} == SERVICES
    assert {row["App"] for row in rows} == {".app.app"}
    site.shell("manager start web both-pod")
    site.shell("i=0; until manager is-active one; do [ $((i=i+1)) -lt 200 ]; sleep 0.3; done")
    expected = {name: "active/exited" for name in SERVICES if name.endswith((".image", ".volume", ".network"))}
    expected |= {"own.build": "inactive/dead", "shop.kube": "inactive/dead", "model.artifact": "inactive/dead"}
    expected |= dict.fromkeys(("web.container", "one.container", "both.pod"), "active/running")
    assert site.statuses() == expected
    found = site.shell("pod exec web-of-units sh -c 'until [ -s /data/found ]; do sleep 0.1; done; cat /data/found'")
    assert found == "hello\n8080"
    assert site.shell("pod volume ls -q --filter label=of=units") == "systemd-data"
    assert site.shell("pod inspect --format '{{.Pod}}' systemd-one") == site.shell(
        "pod pod inspect --format '{{.ID}}' both-of-units"
    )
    refused = site.quadlet("rm", "app", check=False)
    assert "is running and force is not set, refusing to remove" in refused
    assert sorted(site.quadlet("rm", "--force", "app").splitlines()) == sorted(SERVICES)
    assert site.files() == []
    assert site.shell("pod ps -aq; pod pod ps -q; pod network ls -q --filter name=systemd-front") == ""
    assert site.shell("manager show --property=LoadState --value web.service") == "not-found"


def test_units_whose_commands_are_later(site: Site) -> None:
    """What they run is checked where it is generated: systemd takes the units."""
    site.quadlet("install", f"{site.source}/app")
    for unit, words in (
        (
            "shop.service",
            f"kube play --replace --service-container=true --network systemd-front {site.directory}/app/shop.yaml",
        ),
        ("model-artifact.service", "artifact pull --quiet quay.io/model:latest"),
    ):
        shown = site.shell(f"manager cat {unit}; manager show --property=LoadState,LoadError {unit}")
        assert words in shown
        assert "LoadState=loaded" in shown


def test_a_broken_file_is_told_of_and_in_nobodys_way(site: Site) -> None:
    broken = f"{site.directory}/broken.container"
    site.shell(f"mkdir -p {site.directory}; printf '[Container]\\nImage=x\\nPublishPrt=80:80\\n' >{broken}")
    refused = site.quadlet("install", broken, "--replace", check=False)
    assert f"{broken}:3: unsupported key 'PublishPrt' in group 'Container'; did you mean 'PublishPort'?" in refused
    site.quadlet("install", f"{site.source}/app/data.volume")
    site.shell("manager start data-volume")
    statuses = site.statuses()
    assert statuses == {"broken.container": "Not loaded", "data.volume": "active/exited"}
    assert site.journal_names(f"{broken}:3: unsupported key 'PublishPrt' in group 'Container'")
    linted = site.quadlet("lint", check=False)
    assert linted.splitlines()[-1].startswith(f"{broken}:3: unsupported key 'PublishPrt'")
