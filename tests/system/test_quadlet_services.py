"""Services of quadlet files survive crashes, kills, full memory, updates, reboots and power cuts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.system.machine import Machine
from tests.system.services import Services, eventually, our_generator

TRANSCRIPT = os.environ.get("POD_TEST_TRANSCRIPT", "")
WEB = """[Unit]
Description=A web service
StartLimitIntervalSec=0

[Container]
Image=localhost/web:latest
ContainerName=web
Network=site.network
PublishPort={port}:80
Volume=data.volume:/data
Memory=48m
StopTimeout=5
AutoUpdate=local
Notify=healthy
HealthCmd=wget -q -O /dev/null http://127.0.0.1/starts
HealthInterval=20s
HealthTimeout=20s
HealthStartPeriod=60s
LogDriver=journald

[Service]
Restart=always
RestartSec=1
TimeoutStartSec=180

[Install]
WantedBy=default.target
"""
FILES = {
    "site.network": "[Network]\nNetworkName=site\n",
    "data.volume": "[Volume]\nVolumeName=data\n",
    "both.pod": "[Pod]\nPodName=both\n\n[Install]\nWantedBy=default.target\n",
    "front.container": "[Container]\nImage=localhost/web:latest\nContainerName=front\nPod=both.pod\nTmpfs=/data\n"
    "StopTimeout=5\n[Service]\nRestart=always\nTimeoutStartSec=180\n",
    "back.container": "[Container]\nImage=localhost/busybox:latest\nContainerName=back\nPod=both.pod\nStopTimeout=0\n"
    "Exec=sleep 100000\n[Service]\nRestart=always\nTimeoutStartSec=180\n",
}


class Site:
    """The web service of one user, and what its volume must never lose."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.tokens: list[str] = []

    def install(self, *names: str) -> None:
        self.services.make_image("1")
        for name in names:
            self.services.write(name, FILES[name])
        self.services.write("web.container", WEB.format(port=self.services.port))
        self.services.shell("manager daemon-reload; manager start web")
        self.services.await_up("the start")
        self.check("the start")

    def await_pod(self) -> None:
        """Wait for the pod of two, and for an answer of the one to the other."""
        self.services.await_active("both-pod", "front", "back")
        served = "pod exec back wget -q -O - http://127.0.0.1/starts || true"
        eventually(lambda: self.services.shell(served) == "started", "an answer within the pod")

    def save(self, what: str) -> None:
        """Write to the volume what is to outlive what comes."""
        self.tokens.append(what.replace(" ", "-"))
        self.services.shell(f"pod exec web sh -c 'echo {self.tokens[-1]} >>/data/tokens; sync'")

    def check(self, what: str, *others: str) -> None:
        self.services.await_up(what)
        if self.tokens:
            assert self.services.served("tokens") == self.tokens
        if not others:
            self.services.check_truth("web", ["web"])

    def crash(self) -> None:
        self.save("crash")
        before = self.services.property("web", "InvocationID")
        self.services.shell("kill -9 $(pod inspect --format '{{.State.Pid}}' web)")
        eventually(lambda: self.services.property("web", "InvocationID") != before, "a new start after a crash")
        self.check("a crash")

    def kill_monitor(self) -> None:
        self.save("killed monitor")
        before = self.services.property("web", "InvocationID")
        self.services.shell("kill -9 $(manager show web --property=MainPID --value)")
        eventually(lambda: self.services.property("web", "InvocationID") != before, "a new start without the monitor")
        self.check("a kill of its monitor")

    def fill_memory(self) -> None:
        self.save("full memory")
        before = self.services.property("web", "InvocationID")
        self.services.shell("pod kill --signal USR1 web")
        eventually(lambda: self.services.property("web", "InvocationID") != before, "a new start after full memory")
        self.check("full memory")

    def restart(self, times: int) -> None:
        self.save("restarts")
        for _ in range(times):
            self.services.shell("manager restart web")
        self.check("restarts")

    def update(self) -> None:
        self.save("update")
        self.services.make_image("2")
        told = self.services.shell("pod auto-update --format '{{.Unit}} {{.Updated}}'")
        assert told.splitlines()[-1] == "web.service true"
        assert self.services.shell("pod exec web cat /version") == "2"
        self.check("an update")

    def roll_back(self) -> None:
        self.save("broken update")
        self.services.make_image("3", program="#!/bin/sh\nexit 3\n")
        told = self.services.shell("pod auto-update --format '{{.Unit}} {{.Updated}}'")
        assert told.splitlines()[-1] == "web.service rolled back"
        self.check("a broken update")
        assert self.services.shell("pod exec web cat /version") == "2"


@pytest.fixture(scope="module", autouse=True)
def _generator(machine: Machine) -> Iterator[None]:
    with our_generator(machine):
        yield


def site_of(machine: Machine, user: str) -> Iterator[Site]:
    services = Services(machine, user)
    try:
        yield Site(services)
    finally:
        services.remove()
        services.shell("pod rmi --force web >/dev/null || true; pod image prune --force >/dev/null")


@pytest.fixture
def site(machine: Machine, user: str) -> Iterator[Site]:
    yield from site_of(machine, user)


@pytest.fixture
def alices(machine: Machine) -> Iterator[Site]:
    yield from site_of(machine, "alice")


def test_a_web_service_comes_back(alices: Site) -> None:
    alices.install("site.network", "data.volume")
    alices.kill_monitor()
    alices.update()


@pytest.mark.slow
def test_everything_happens_to_a_service(site: Site) -> None:
    site.install("site.network", "data.volume")
    site.crash()
    site.kill_monitor()
    site.fill_memory()
    site.restart(int(os.environ.get("POD_TEST_RESTARTS", "50")))
    site.update()
    site.roll_back()


@pytest.mark.slow
def test_services_are_there_after_boots(machine: Machine) -> None:
    sites = [Site(Services(machine, user)) for user in ("root", "alice")]
    try:
        for site in sites:
            site.install("site.network", "data.volume")
            for name in ("both.pod", "front.container", "back.container"):
                site.services.write(name, FILES[name])
            site.services.shell("manager daemon-reload; manager start both-pod")
            site.await_pod()
        for event, happen in (("a reboot", machine.reboot), ("a power cut", machine.cut_power)):
            for site in sites:
                site.save(event)
            machine.run("root", "sync")  # what the kernel has not written is lost, whoever wrote it
            happen()
            for site in sites:
                site.check(event, "front", "back")
                site.services.await_active("both-pod", "front", "back")
                names = site.services.shell("pod ps --all --format '{{.Names}}'").split()
                assert {"web", "front", "back"} <= set(names)
                assert len(names) == 4  # and the pod's infra container
    finally:
        for site in sites:
            if TRANSCRIPT:
                record(site)
            site.services.remove()
            site.services.shell("pod rmi --force web >/dev/null || true; pod image prune --force >/dev/null")


def record(site: Site) -> None:
    """Append what the user would see to a file, for people."""
    services = site.services
    status = f"{services.manager} status web front both-pod --no-pager --lines=5"
    told = [f"$ {one}\n{services.shell(one, check=False)}\n\n" for one in ("pod pod ps", "pod ps", status)]
    # Of a journal that is not kept a user may read nothing.
    field = "_SYSTEMD_UNIT" if services.user == "root" else "_SYSTEMD_USER_UNIT"
    journal = f"journalctl --no-pager --lines=40 {field}=web.service"
    told.append(f"# {journal}\n{services.machine.run('root', *journal.split()).stdout}\n\n")
    with open(TRANSCRIPT, "a") as file:
        file.writelines([f"=== {services.user}\n", *told])
