"""Names of objects for completion: read without locks, and never with a complaint."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from storage.images import Image

    Candidates = list[tuple[str, str]]


def containers(engine: Engine, *states: str) -> Candidates:
    """Return the names of containers that are in one of the states (all if none is given)."""
    from pod.containers.listing import listed, status_text

    return [
        (one.container.name, f"{one.container.config['image_name']}, {status_text(one.status)}")
        for one in listed(engine)
        if not states or one.status.state in states
    ]


def container_ids(engine: Engine) -> Candidates:
    """Return short IDs of containers."""
    from pod import state

    return [(one.id[:12], one.name) for one in state.containers(engine.connection)]


def images(engine: Engine) -> Candidates:
    """Return the names of images and of lists of manifests: in full, and as users write them."""
    from storage.images import list_images

    return [*_named(list_images(engine.store)), *lists(engine)]


def lists(engine: Engine) -> Candidates:
    """Return the names of lists of manifests."""
    from storage.lists import as_images

    return _named(as_images(engine.store))


def _named(images: list[Image]) -> Candidates:
    found: Candidates = []
    for image in images:
        for name in image.names:
            found.append((name, image.id[:12]))
            short = name.removesuffix(":latest").rpartition("/")[2]
            found.append((short, name))
        if not image.names:
            found.append((image.id[:12], "no name"))
    return found


def volumes(engine: Engine) -> Candidates:
    """Return the names of volumes."""
    from pod import state

    return [(one.name, "volume") for one in state.volumes(engine.connection)]


def networks(engine: Engine) -> Candidates:
    """Return the names of networks."""
    from pod.networks.listing import everything

    return [(one.name, f"network, {one.driver}") for one in everything(engine)]


def secrets(engine: Engine) -> Candidates:
    """Return the names of secrets."""
    return [(str(row[0]), "secret") for row in engine.connection.execute("SELECT name FROM secret ORDER BY name")]


def pods(engine: Engine) -> Candidates:
    """Return the names of pods."""
    from pod.pods.listing import listed

    return [(one.pod.name, f"pod, {one.status.word.lower()}") for one in listed(engine)]


def quadlets(engine: Engine) -> Candidates:
    """Return the names of installed units."""
    from pod.quadlet import listing, places

    return [(one.name, one.service) for one in listing.everything(places.of(engine.config))]


def running(engine: Engine) -> Candidates:
    """Return the names of containers that run."""
    return containers(engine, "running", "restarting")


def resting(engine: Engine) -> Candidates:
    """Return the names of containers that can be started."""
    return containers(engine, "created", "initialized", "exited")


def paused(engine: Engine) -> Candidates:
    """Return the names of containers that are paused."""
    return containers(engine, "paused")


def anything(engine: Engine) -> Candidates:
    """Return what `inspect` can find."""
    return [*containers(engine), *images(engine), *volumes(engine), *pods(engine)]


KINDS: dict[str, Callable[[Engine], Candidates]] = {
    "anything": anything,
    "container": containers,
    "image": images,
    "list": lists,
    "network": networks,
    "paused": paused,
    "pod": pods,
    "quadlet": quadlets,
    "resting": resting,
    "running": running,
    "secret": secrets,
    "volume": volumes,
}


def named(kind: str) -> Candidates:
    """Return the candidates of a kind; none where the store cannot be read."""
    from pod.engine import open_engine

    try:
        return KINDS[kind](open_engine(write=False))
    except Exception:
        return []  # a complaint in the middle of a line that is being typed helps nobody
