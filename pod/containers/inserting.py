"""A new container's rows, in one commit, and then its files."""

from __future__ import annotations

import posix

from pod import events, names, state, volumes
from runtime import paths
from storage import database, images

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from pod.containers.namespaces.userns import AutoRequest
    from pod.engine import Engine
    from pod.networks.network import Place

    Record = Callable[[sqlite3.Connection, state.Container], None]


def insert(
    engine: Engine,
    container: state.Container,
    *,
    needs: list[str],
    auto_ids: AutoRequest | None = None,
    networks: list[tuple[str, Place]] | None = None,
    record: Record | None = None,
) -> state.Container:
    """Make a container that is settled but for its IDs with --userns=auto: rows in one commit, then its files.

    The caller has its lock: who sees the rows and removes them must not be at work on the files while we are.
    """
    with database.transaction(engine.connection):
        new_volumes = insert_rows(
            engine, container, needs=needs, auto_ids=auto_ids, networks=networks or [], record=record
        )
    try:
        furnish(engine, container, new_volumes)
    except BaseException:
        from pod.containers import remove

        remove.forget(engine, container, volumes=True)
        raise
    return container


def insert_rows(
    engine: Engine,
    container: state.Container,
    *,
    needs: list[str],
    auto_ids: AutoRequest | None,
    networks: list[tuple[str, Place]],
    record: Record | None,
) -> list[str]:
    """Insert all rows of a container, within a transaction; return the volumes that there were not.

    One without a name gets a free one here: of many at once two may well hit on the same.
    """
    container.name = container.name or names.new_name(lambda name: state.is_name_taken(engine.connection, name))
    new_volumes = _insert_itself(engine, container, auto_ids)
    if container.config["namespaces"]["network"] == "bridge":
        from pod.networks import leases

        leases.attach(engine, container.id, networks)
    if needs:
        from pod.containers import dependencies

        dependencies.record(engine.connection, container.id, needs)
    if record is not None:
        record(engine.connection, container)
    for volume in new_volumes:
        volumes.prepare(engine, volume)
    return new_volumes


def furnish(engine: Engine, container: state.Container, new_volumes: list[str]) -> None:
    """Make the files of a container whose rows are there, and tell of it and of its volumes."""
    make_directories(engine, container.id)
    if container.config["secrets"]:
        from pod import secrets

        secrets.keep_copies(engine, container.id, container.config["secrets"])
    for volume in new_volumes:
        events.record(engine.config, "volume", "create", name=volume)
    events.of_container(engine.config, container, "create")


def _insert_itself(engine: Engine, container: state.Container, auto_ids: AutoRequest | None) -> list[str]:
    """Insert the container with its IDs, volumes and images; return the volumes that there were not."""
    config, connection = container.config, engine.connection
    mounted = [mount for mount in config["mounts"] if mount["type"] == "volume"]
    new_volumes = []
    for mount in mounted:
        anonymous = mount["anonymous"]
        if state.insert_volume(connection, mount["source"], anonymous=anonymous, labels={}, options={}):
            new_volumes.append(mount["source"])
    if auto_ids is not None:
        from pod.containers.namespaces import userns

        userns.choose(connection, auto_ids, config)
    state.insert_container(connection, container, [mount["source"] for mount in mounted])
    if config["id_map"] is not None:
        from pod.containers.namespaces import id_ranges

        id_ranges.record(connection, container)
    if config["image"]:
        images.pin(connection, config["image"], container.id)
    for mount in config["mounts"]:
        if mount["type"] == "image" and mount["more"]["image"] != config["image"]:
            images.pin(connection, mount["more"]["image"], container.id)
    return new_volumes


def make_directories(engine: Engine, container_id: str) -> None:
    """Make the persistent directories of a container, as far as they are missing."""
    directory = engine.config.container_dir(container_id)
    if paths.is_directory(f"{directory}/files"):  # the last one made
        return
    _make_directory(directory, 0o700)
    for name in ("upper", "work", "rootfs", "files"):
        _make_directory(f"{directory}/{name}", 0o755)


def _make_directory(path: str, mode: int) -> None:
    try:
        posix.mkdir(path, mode)
    except FileExistsError:
        pass
