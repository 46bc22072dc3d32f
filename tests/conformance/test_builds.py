"""The Containerfiles below builds/, of the kinds that people publish, built by pod, podman 5 and docker.

What they come to is compared: every file with its mode, owner, content, times, attributes and names, the configuration,
the layers, and what the image prints when it is run. Where podman and docker differ, pod goes with podman. The table
at the end shows what came of it. An ordinary user's images are compared with root's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance import building
from tests.conformance.building import CASES, Built, Case
from tests.fixtures import engines, newer_podman
from tests.fixtures.command import install, make_pod
from tests.fixtures.user import current_user, make_user, remove_user

pytestmark = pytest.mark.root

PEERS = ["podman", "docker", "rootless"]


@pytest.fixture(scope="module")
def asked(request: pytest.FixtureRequest) -> list[Case]:
    """The cases that this session runs."""
    names = {item.callspec.params["name"] for item in request.session.items if hasattr(item, "callspec")
             and "name" in item.callspec.params}  # fmt: skip
    return [case for case in CASES.values() if case.name in names]


@pytest.fixture(scope="module")
def built(workplace: str, asked: list[Case], request: pytest.FixtureRequest) -> Iterator[dict[str, dict[str, Built]]]:
    """What each engine made of each case."""
    place = os.path.join(workplace, "builds")
    os.mkdir(place)
    archive = os.path.join(place, "bases.tar")
    building.write_bases(archive)
    for case in asked:
        building.prepare(case, place)
    command = install(os.path.join(place, "program"))
    user = make_user()
    try:
        with engines.nothing_left(place), engines.docker(os.path.join(place, "docker"), f"{command}-runtime") as docker:
            builders = {
                "pod": make_pod(command, os.path.join(place, "pod"), current_user()),
                "rootless": make_pod(command, os.path.join(place, "rootless"), user),
                "podman": newer_podman.podman(os.path.join(place, "podman"), place),
                "docker": docker,
            }
            with ThreadPoolExecutor(2) as pool:
                jobs = {
                    name: pool.submit(building.build_all, name, builder, asked, place, archive)
                    for name, builder in builders.items()
                }
                made = {name: job.result() for name, job in jobs.items()}
            yield made
    finally:
        remove_user(user)
    building.show(made, asked, request.config.get_terminal_writer())


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", list(CASES))
def test_build(built: dict[str, dict[str, Built]], name: str, peer: str) -> None:
    case, ours, theirs = CASES[name], built["pod"][name], built[peer][name]
    assert ours.image is not None, f"pod: {ours.error}"
    if peer in case.lacks:
        pytest.skip(f"{peer}: {case.lacks[peer]}")
    found = building.differences(case, ours, theirs, peer)
    assert not found, f"pod / {peer}\n" + "\n".join(found)
