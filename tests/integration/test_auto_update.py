"""`auto-update` with a played systemd, whose units run containers anew (tests/system has the real one)."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures import images
from tests.fixtures.check_store import check
from tests.fixtures.command import Pod, Result
from tests.fixtures.registry import Registry, serve_script
from tests.fixtures.services import Services, served, variables

UNIT = "web.service"
_numbers = itertools.count(1)


class Site:
    """A container `web` that a unit runs, and the repository that its image is from."""

    def __init__(self, pod: Pod, services: Services, registry: Registry) -> None:
        self.pod, self.services, self.registry = pod, services, registry
        self.repository = f"web{next(_numbers)}"
        self.policy = "registry"
        self.containers = {"web": UNIT}
        self.options: list[str] = []
        services.start = self.start
        self.image = self.publish("1")

    def publish(self, version: str, **settings: Any) -> str:
        """Give the registry another image of the same name."""
        layer = images.layer(images.entry("version", version.encode()))
        return self.registry.push(self.repository, "latest", images.busybox(layer, **settings))

    def start(self, unit: str) -> bool:
        """Do what the unit does: run its containers anew from the image of that name."""
        return all(not (its_unit == unit and self.run(name).code) for name, its_unit in self.containers.items())

    def run(self, name: str) -> Result:
        labels = [f"--label=io.containers.autoupdate={self.policy}", *self.options]
        environment = {"PODMAN_SYSTEMD_UNIT": self.containers[name]}
        return self.pod.run(
            *("run", "-d", "--replace", "--name", name, "--stop-timeout", "0", *labels, self.image, "sleep", "1000"),
            env=environment,
            check=False,
        )

    def update(self, *words: str, code: int = 0) -> Result:
        done = self.pod.run("auto-update", *words, env=variables(self.services), check=False)
        assert done.code == code, done
        return done

    def updated(self, *words: str, code: int = 0) -> list[str]:
        """Return what became of each container."""
        return self.update("--format", "{{.Updated}}", *words, code=code).stdout.splitlines()

    def version(self, name: str = "web") -> str:
        return self.pod.run("exec", name, "cat", "/version").out


@pytest.fixture
def site(pod: Pod, registry: Registry) -> Iterator[Site]:
    with served(pod.directory) as services:
        made = Site(pod, services, registry)
        pod.run("pull", "-q", made.image)
        made.start(UNIT)
        yield made


def test_registry_policy(site: Site) -> None:
    assert site.updated() == ["false"]
    container = site.pod.run("inspect", "web", "--format", "{{.Id}} {{.Config.Labels.PODMAN_SYSTEMD_UNIT}}").out
    identity, unit = container.split()
    assert unit == UNIT
    site.publish("2")
    assert site.updated("--dry-run") == ["pending"]
    assert site.services.jobs_done == []
    assert site.version() == "1"
    found = site.update("--tls-verify=false").stdout.splitlines()
    assert [line.split() for line in found] == [
        ["UNIT", "CONTAINER", "IMAGE", "POLICY", "UPDATED"],
        [UNIT, identity[:12], "(web)", site.image, "registry", "true"],
    ]
    assert site.version() == "2"
    assert site.services.jobs_done == [("RestartUnit", UNIT)]
    (told,) = json.loads(site.update("--format", "json").stdout)
    assert told == {
        "Unit": UNIT,
        "Container": f"{told['ContainerID'][:12]} (web)",
        "ContainerName": "web",
        "ContainerID": told["ContainerID"],
        "Image": site.image,
        "Policy": "registry",
        "Updated": "false",
    }
    assert told["ContainerID"] != identity
    events = site.pod.run("events", "--stream=false", "--since=1h", "--filter=type=system", "--format={{.Status}}").out
    assert set(events.split()) == {"auto-update"}
    assert check(site.pod) == []


def test_an_index_of_the_same_image_is_no_update(site: Site) -> None:
    site.publish("1")
    layer = images.layer(images.entry("version", b"1"))
    platform = f"linux/{images.ARCHITECTURE}"
    site.registry.push_index(site.repository, "latest", {platform: images.busybox(layer)})
    assert site.updated("--dry-run") == ["false"]
    assert site.updated() == ["false"]
    assert site.services.jobs_done == []


def test_local_policy(site: Site) -> None:
    site.policy = "local"
    site.start(UNIT)
    site.publish("2")
    assert site.updated() == ["false"]
    site.pod.run("pull", "-q", site.image)
    assert site.updated("--dry-run") == ["pending"]
    assert site.updated() == ["true"]
    assert site.version() == "2"


def test_rollback(site: Site) -> None:
    site.publish("2", Entrypoint=["/no/such/program"])
    done = site.update("--format", "{{.Unit}} {{.Updated}}")
    assert done.out == f"{UNIT} rolled back"
    assert 'expected "done" but received "failed"' in done.stderr
    assert site.version() == "1"
    assert [name for name, _ in site.services.jobs_done] == ["RestartUnit", "RestartUnit"]
    site.pod.run("image", "prune", "--force")
    assert len(site.pod.run("images", "-q").out.split()) == 1
    done = site.update("--rollback=false", "--format", "{{.Updated}}", code=125)
    assert done.out == "failed"
    assert f'Error: restarting unit {UNIT} during update: expected "done" but received "failed"\n' in done.stderr
    assert site.update().stdout == ""  # nothing of it runs
    assert check(site.pod) == []


@pytest.mark.parametrize("moment", ["before RestartUnit", "after RestartUnit"])
@pytest.mark.parametrize("broken", [False, True])
def test_a_killed_command_is_completed(site: Site, moment: str, broken: bool) -> None:
    site.publish("2", **({"Entrypoint": ["/no/such/program"]} if broken else {}))
    site.services.kill = moment
    site.update(code=-9)
    site.pod.run("image", "prune", "--force")  # does not take what a rollback needs
    assert site.pod.run("system", "check").code == 0
    site.update()
    assert site.version() == ("1" if broken else "2")
    assert site.updated() == ["rolled back" if broken else "false"]
    site.pod.run("image", "prune", "--force")
    assert check(site.pod) == []


def test_a_killed_rollback_is_completed(site: Site) -> None:
    site.publish("2", Entrypoint=["/no/such/program"])
    site.services.start = lambda unit: False
    site.services.kill = ""
    assert site.updated(code=125) == ["failed"]
    site.services.start = site.start
    # The name is the old image's again, and the unit has failed: it only has to be started.
    assert site.updated() == ["rolled back"]
    assert site.version() == "1"


def test_a_unit_that_was_stopped_meanwhile_is_left(site: Site) -> None:
    site.publish("2")
    site.services.kill = "before RestartUnit"
    site.update(code=-9)
    site.services.settle()
    site.pod.run("rm", "-f", "-t", "0", "web")
    site.services.states[UNIT] = "inactive"
    done = site.update()
    assert done.stdout == ""
    assert f"unit {UNIT} was stopped while it was updated" in done.stderr
    assert site.services.jobs_done == [("RestartUnit", UNIT)]


def test_several_containers_of_a_unit(site: Site) -> None:
    site.containers = {"web": UNIT, "more": UNIT, "other": "other.service"}
    site.start(UNIT)
    site.start("other.service")
    site.publish("2")
    assert site.updated() == ["true"] * 3
    assert sorted(site.services.jobs_done) == [("RestartUnit", "other.service"), ("RestartUnit", UNIT)]
    assert {site.version(name) for name in site.containers} == {"2"}


def test_containers_of_a_pod(site: Site) -> None:
    site.pod.run("pod", "create", "--name", "both", env={"PODMAN_SYSTEMD_UNIT": "both-pod.service"})
    site.containers = {"one": "one.service", "two": "two.service"}
    site.options = ["--pod", "both"]
    for name in site.containers:
        assert site.run(name).code == 0
    site.services.start = lambda unit: all(site.run(name).code == 0 for name in site.containers)
    site.publish("2")
    done = site.update("--format", "{{.ContainerName}} {{.Unit}} {{.Updated}}").stdout.splitlines()
    expected = ["one both-pod.service true", "two both-pod.service true"]
    assert sorted(line for line in done if not line.startswith("web ")) == expected
    assert sorted(site.services.jobs_done) == [("RestartUnit", "both-pod.service"), ("RestartUnit", UNIT)]
    assert {site.version(name) for name in site.containers} == {"2"}
    site.pod.run("pod", "rm", "-f", "-t", "0", "both")


def test_what_cannot_be_updated_is_told(site: Site) -> None:
    site.containers |= {"wrong": "wrong.service", "gone": "gone.service"}
    site.policy = "fake"
    site.run("wrong")
    site.policy = "image"
    site.run("gone")
    site.services.states["gone.service"] = "gone"
    bare = site.pod.run(
        "run", "-d", "--name", "bare", "--label", "io.containers.autoupdate=registry", site.image, "sleep", "1000"
    )
    site.publish("2")
    done = site.update("--rollback=false", "--format={{.ContainerName}} {{.Policy}} {{.Updated}}", code=125)
    assert set(done.stdout.splitlines()) == {"web registry true", "gone registry failed"}
    known = '["disabled" "image" "local" "registry"]'
    assert f'Error: invalid auto-update policy "fake": valid policies are {known}\n' in done.stderr
    assert f'Error: auto-updating container "{bare.out}": no PODMAN_SYSTEMD_UNIT label found\n' in done.stderr
    assert "Error: restarting unit gone.service during update: " in done.stderr
    assert "Unit gone.service not found." in done.stderr


def test_without_systemd(site: Site) -> None:
    site.publish("2")
    nowhere = dict.fromkeys(variables(site.services), "unix:path=/no/bus")
    done = site.pod.run("auto-update", env=nowhere, check=False)
    assert (done.code, done.stdout) == (125, "")
    assert "Error: connect to the bus at unix:path=/no/bus: No such file or directory\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert site.version() == "1"
    assert site.update("more", code=125).stderr.startswith("Error: `pod auto-update` takes no arguments\n")


def test_credentials(site: Site) -> None:
    with serve_script() as private:
        private.credentials = ("user", "secret")
        site.image = private.add("private", "latest", images.busybox(images.layer(images.entry("version", b"1"))))
        file = f"{site.pod.directory}/auth.json"
        site.pod.run("login", "-u", "user", "-p", "secret", "--authfile", file, private.address)
        site.pod.run("pull", "-q", "--authfile", file, site.image)
        site.start(UNIT)
        done = site.update(code=125)
        assert "Error: checking image updates for container " in done.stderr
        assert site.updated("--authfile", file) == ["false"]
        private.add("private", "latest", images.busybox(images.layer(images.entry("version", b"2"))))
        site.options = [f"--label=io.containers.autoupdate.authfile={file}"]
        site.start(UNIT)
        assert site.updated() == ["true"]
        assert site.version() == "2"
        site.pod.run("rm", "-f", "-t", "0", "web")


def test_names_that_do_not_tell_the_registry(box: Pod, busybox: str) -> None:
    label = "--label=io.containers.autoupdate=registry"
    box.run("tag", busybox, "shortname:latest")
    done = box.run("create", label, "shortname:latest", check=False)
    assert done.code == 125
    said = 'Error: short name: auto updates require fully-qualified image reference: "shortname:latest"\n'
    assert done.stderr.startswith(said)
    archive = os.path.join(box.directory, "archive.tar")
    box.run("save", "-q", "-o", archive, busybox)
    done = box.run("create", label, f"docker-archive:{archive}", check=False)
    assert 'auto updates require the docker image transport but image is of transport "docker-archive"' in done.stderr
    assert box.run("ps", "-aq").out == ""
    for allowed in (busybox, f"docker://{busybox}"):
        box.run("rm", box.run("create", label, allowed).out)
    box.run("rm", box.run("create", "--label=io.containers.autoupdate=local", "shortname:latest").out)


def test_two_at_once(site: Site) -> None:
    site.publish("2")
    running = [
        site.pod.start("auto-update", "--format={{.Updated}}", env=variables(site.services), stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    found = sorted(process.communicate(timeout=120)[0].decode().strip() for process in running)
    assert found == ["false", "true"]
    assert site.services.jobs_done == [("RestartUnit", UNIT)]


def test_no_image_says_which_unit_it_runs_in(site: Site) -> None:
    image = site.publish("1", Labels={"PODMAN_SYSTEMD_UNIT": "poweroff.target", "kept": "yes"})
    site.pod.run("create", "--pull", "always", "--name", "other", image)
    assert json.loads(site.pod.run("inspect", "other").out)[0]["Config"]["Labels"] == {"kept": "yes"}
