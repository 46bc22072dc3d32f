"""An image of what a container is: `commit`. Source: podman-commit(1)."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pod import events
from pod.containers import pause, status
from pod.containers.inspect import fields
from pod.containers.tree import reading
from pod.containers.tree import root as tree
from pod.errors import PodError
from pod.images import changes as image_changes
from runtime.moments import from_seconds, shortest
from storage import images
from storage.committer import Draft, commit_layer
from storage.images import tag_name
from storage.layers.write import WriteOptions, tar_of
from storage.platform import host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pod.engine import Engine
    from pod.state import Container
    from storage.images import Image

FORMATS = ("oci", "docker")
# What the runtime itself puts into the layer of a container.
_PLACES = frozenset((b"run/.containerenv", b"run/podman-init", b"run/secrets"))


@dataclass(frozen=True)
class CommitOptions:
    """What the new image is to be."""

    reference: str = ""
    author: str = ""
    changes: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)  # of --config: fields of an image's config
    include_volumes: bool = False
    message: str = ""
    format: str = "oci"
    pause: bool = False
    squash: bool = False


def commit(engine: Engine, container: Container, options: CommitOptions) -> Image:
    """Make an image of the container's layer over its image's, or of all in one with `squash`.

    Atomic: whatever fails leaves no image. A container that runs is only stopped meanwhile if that is asked for.

    Raises PodError for a format that there is not, or that has no place for the message.
    """
    if options.format not in FORMATS:
        raise PodError(f'unrecognized image format "{options.format}"', hint="known are oci and docker")
    if options.message and options.format == "oci":
        raise PodError("messages are only compatible with the docker image format (-f docker)")
    reference = tag_name(options.reference) if options.reference else None
    parent = images.load(engine.store, container.image) if container.image else None
    alone = options.squash or parent is None
    with ExitStack() as stack:
        check = stack.enter_context(reading.whole(engine, container))
        if options.pause:
            stack.enter_context(_paused(engine, container))
        opened = stack.enter_context(tree.files(engine, container))
        image = commit_layer(
            engine.store,
            _whole(opened) if alone else _layer(engine, container, opened),
            *_draft(container, parent, options, check),
            parent=None if alone else parent,
            reference=reference,
            rootless=engine.config.rootless,
            single_id=engine.single_id,
        )
    events.of_container(engine.config, container, "commit")
    return image


@contextmanager
def _paused(engine: Engine, container: Container) -> Iterator[None]:
    if status.observe(engine.config, container.id).state != "running":
        yield
        return
    pause.pause(engine, container)
    try:
        yield
    finally:
        pause.unpause(engine, container)


def _whole(opened: tree.Tree) -> Iterator[bytes]:
    return tar_of(opened.fd, WriteOptions(owner=opened.inside, unpacked=True, skipped=_PLACES))


def _layer(engine: Engine, container: Container, opened: tree.Tree) -> Iterator[bytes]:
    upper = os.open(f"{engine.config.container_dir(container.id)}/upper", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield from tar_of(upper, WriteOptions(owner=opened.inside, layer=True, skipped=_PLACES))
    finally:
        os.close(upper)


def _draft(
    container: Container, parent: Image | None, options: CommitOptions, check: Callable[[], None]
) -> tuple[Draft, Callable[[str], dict[str, Any]]]:
    """Return what the image says of itself, and what gives the entry of its history.

    `check` is called once the layer is read, before there is an image.
    """
    below = json.loads(parent.config) if parent is not None else {}
    now = time.time()
    created = shortest(from_seconds(now))
    platform = host()
    config = _config(container, below.get("config") or {}, options)
    document: dict[str, Any] = {
        "created": created,
        "author": options.author or below.get("author", ""),
        "architecture": below.get("architecture") or platform.architecture,
        "os": below.get("os") or platform.os,
        **({"variant": below["variant"]} if below.get("variant") else {}),
        "config": config,
    }
    if options.format == "docker":
        document |= {"container": container.id, "comment": options.message}
    if not document["author"]:
        del document["author"]
    words = container.config["entrypoint"] + container.config["command"]
    history = {"created": created, "created_by": " ".join(words)}
    history |= {"author": document["author"]} if document.get("author") else {}
    history |= {"comment": options.message} if options.message else {}

    def entry(_diff_id: str) -> dict[str, Any]:
        check()
        return history

    return Draft(document, now, options.format), entry


def _config(container: Container, below: dict[str, Any], options: CommitOptions) -> dict[str, Any]:
    """Return what the image says of the containers to come: what this one was, with the changes asked for."""
    config = container.config
    told = {
        **below,
        "Env": [f"{key}={value}" for key, value in config["env"].items()],
        "Cmd": config["command"],
        "Entrypoint": config["entrypoint"],
        "WorkingDir": config["workdir"],
        "User": config["user"],
        "Labels": config["labels"],
        "StopSignal": below.get("StopSignal", ""),
    }
    told["ExposedPorts"] = (below.get("ExposedPorts") or {}) | fields.exposed(config).get("ExposedPorts", {})
    if options.include_volumes:
        mounted: dict[str, Any] = {
            mount["target"]: {} for mount in config["mounts"] if mount["type"] in ("volume", "bind")
        }
        told["Volumes"] = (below.get("Volumes") or {}) | mounted
    told |= options.config
    changed = image_changes.config(options.changes)
    for key, value in changed.items():
        if key == "Env":
            known = dict(item.split("=", 1) for item in told.get("Env") or [])
            known |= dict(item.split("=", 1) for item in value)
            told["Env"] = [f"{name}={text}" for name, text in known.items()]
        elif isinstance(value, dict):
            told[key] = (told.get(key) or {}) | value
        elif key == "OnBuild":
            told[key] = [*(told.get(key) or []), *value]
        else:
            told[key] = value
    return {key: value for key, value in told.items() if value}
