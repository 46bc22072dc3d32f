"""Removing networks: one by name, with its containers if forced, or all that nothing uses."""

from __future__ import annotations

import os

from pod import filters, state
from pod.errors import ContainerNotFoundError, PodError
from pod.networks import create, leases, listing, rows
from storage import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.networks.network import Network


class NetworkInUseError(PodError):
    """Containers are on the network."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f'"{name}" has associated containers with it. Use -f to forcibly delete containers and pods:'
            " network is being used",
            code=2,
        )


def remove(engine: Engine, name: str, *, force: bool = False, timeout: int | None = None) -> str:
    """Remove a network and return its name; with `force`, the containers on it go first.

    Raises NoSuchNetworkError, NetworkInUseError.
    """
    network = listing.find(engine, name)
    if network.name == leases.default_name(engine):
        raise PodError(f"default network {network.name} cannot be removed")
    if force:
        from pod.pods.remove import remove_container

        for identity in users(engine, network):
            try:
                one = state.find_container(engine.connection, identity)
            except ContainerNotFoundError:
                continue
            remove_container(engine, one, force=True, volumes=False, timeout=timeout)
    with database.transaction(engine.connection):
        if users(engine, network):
            raise NetworkInUseError(network.name)
        deleted = engine.connection.execute("DELETE FROM network WHERE name = ?", (network.name,)).rowcount
        if not deleted:
            raise rows.NoSuchNetworkError(name)
    try:
        os.rmdir(f"{engine.config.runroot}/networks/{network.name}")
    except OSError:
        pass  # nobody has been on it since the machine was started
    create.tell(engine, network, "remove")
    return network.name


def users(engine: Engine, network: Network) -> list[str]:
    """Return the IDs of the containers on a network."""
    query = "SELECT container FROM container_network WHERE network = ?"
    return [row[0] for row in engine.connection.execute(query, (network.name,))]


def prune(engine: Engine, texts: list[str]) -> list[str]:
    """Remove the networks that no container is on and that fit the filters; return their names."""
    passes = filters.prunable(listing.parse_filters(texts, ("label", "label!", "until")))
    removed = []
    for network in rows.everything(engine.connection):
        labels = network.document.get("labels") or {}
        default = network.name == leases.default_name(engine)
        if default or users(engine, network) or not passes(labels, network.created):
            continue
        try:
            removed.append(remove(engine, network.name))
        except (NetworkInUseError, rows.NoSuchNetworkError):
            continue
    return removed
