"""Services of quadlet files survive crashes, kills, full memory, updates, reboots and power cuts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

from tests.system import units
from tests.system.census import census
from tests.system.machine import Machine
from tests.system.services import Services, kept_journal, our_generator
from tests.system.site import Site

RESTARTS = int(os.environ.get("POD_TEST_RESTARTS", "50"))


@pytest.fixture(scope="module", autouse=True)
def _generator(machine: Machine) -> Iterator[None]:
    with our_generator(machine), kept_journal(machine):
        yield


@pytest.fixture
def sites(machine: Machine) -> Iterator[Callable[[str], Site]]:
    """Return what makes a user's site; all are taken away at the end, and then nothing is there that was not before."""
    before = census(machine)
    with contextlib.ExitStack() as made:

        def make(user: str) -> Site:
            site = Site(Services(machine, user))
            made.callback(site.remove)
            return site

        yield make
    units.eventually(lambda: sorted((census(machine) - before).elements()), [])


def installed(site: Site, *, pod: bool = True) -> Site:
    site.install(pod=pod)
    site.settle()
    return site


# Continuous integration has this one of them; beside its other sessions it takes up to two minutes.
@pytest.mark.limit(900)
def test_a_web_service_comes_back(sites: Callable[[str], Site]) -> None:
    site = sites("alice")
    site.install(pod=False)
    site.kill_monitor()
    site.update()


@pytest.mark.slow
def test_what_fails_is_started_again(sites: Callable[[str], Site], user: str) -> None:
    site = installed(sites(user))
    site.crash()
    site.kill_monitor()
    site.fill_memory()
    assert site.services.property("web", "NRestarts") == "3"
    site.crash("front")
    site.kill_monitor("back")
    site.kill_monitor("both-pod")


@pytest.mark.slow
def test_many_restarts_leave_nothing(sites: Callable[[str], Site], user: str) -> None:
    site = installed(sites(user), pod=False)
    site.restart("web", RESTARTS)


@pytest.mark.slow
def test_restarts_of_a_pod_leave_nothing(sites: Callable[[str], Site], user: str) -> None:
    site = installed(sites(user))
    site.restart("both-pod", 3)
    site.restart("front", 3)


@pytest.mark.slow
def test_updates_are_taken_or_taken_back(sites: Callable[[str], Site], user: str) -> None:
    site = installed(sites(user), pod=False)
    site.update()
    site.roll_back()


@pytest.mark.slow
def test_services_are_there_after_boots(sites: Callable[[str], Site], machine: Machine) -> None:
    both = [sites("root"), sites("alice")]
    for site in both:
        site.install()
    for site in both:
        site.settle()
    for event, happen in (("reboot", machine.reboot), ("power cut", machine.cut_power)):
        for site in both:
            site.save(event)
        happen()
        for site in both:
            site.check(event)
    for site in both:
        manager = site.services.manager
        told = site.told(lines=30)
        assert "version 1 serves" in told[1]
        status = site.ask(f"{manager} status --no-pager --lines=5 web front both-pod")
        site.show("after the boots", site.ask("pod pod ps"), site.ask("pod ps"), status, told)
