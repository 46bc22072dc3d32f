"""Short names mean the same images of the store to pod as to podman, whichever there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import engines, images
from tests.fixtures.command import Pod, make_pod
from tests.fixtures.registry import Registry
from tests.fixtures.user import current_user

pytestmark = pytest.mark.root

CONFIGURATION = (
    'unqualified-search-registries = ["search.io", "docker.io"]\n[aliases]\nx = "alias.io/x"\nren = "a.io/b/c"\n'
)
# Each is given to another image than the one before, so that a name that means a later one is found out.
NAMES = (
    "zzz.io/ns/x:latest",
    "docker.io/library/x:latest",
    "search.io/x:latest",
    "localhost/x:latest",
    "alias.io/x:latest",
    "a.io/b/c:latest",
    "quay.io/x:1",
)
TEXTS = ("x", "x:1", "ns/x", "library/x", "docker.io/x", "ren", "b/c:latest", "localhost/x")


@pytest.fixture
def both(workplace: str, runtime_command: str, registry: Registry) -> Iterator[tuple[list[Pod], list[str]]]:
    """Both engines with the same images, of which this gives the names."""
    directory = os.path.join(workplace, "n")  # podman wants short paths
    os.mkdir(directory)
    configuration = os.path.join(directory, "registries.conf")
    Path(configuration).write_text(CONFIGURATION)
    layer = images.layer(images.entry("file", b"content"))
    names = [registry.push(f"image{n}", "1", images.Image([layer], {"Cmd": [str(n)]})) for n in range(2)]
    place = f"{directory}/podman"
    with engines.nothing_left(place), engines.podman(place, current_user(), runtime_command) as podman:
        pod = make_pod(os.path.join(os.path.dirname(runtime_command), "pod"), f"{directory}/pod", current_user())
        for engine in (podman, pod):
            engine.environment["CONTAINERS_REGISTRIES_CONF"] = configuration
            for name in names:
                engine.run("pull", "-q", "--tls-verify=false", name)
        yield [podman, pod], names


def test_short_names_in_the_store(both: tuple[list[Pod], list[str]]) -> None:
    found, names = both
    for number, name in enumerate(NAMES):
        answers = []
        for engine in found:
            engine.run("tag", names[number % len(names)], name)
            answers.append({text: told(engine, text) for text in TEXTS})
        assert answers[0] == answers[1], name


def told(engine: Pod, text: str) -> tuple[int, str]:
    """Ask which image a text means."""
    result = engine.run("image", "inspect", "--format", "{{.Id}}", text, check=False)
    return result.code, result.out
