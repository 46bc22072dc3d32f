"""What connects a container to a network, of whichever kind: kept over the re-exec of its monitor."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from runtime.monitor.network import Network
    from runtime.monitor.pasta import Pasta

    Connection: TypeAlias = Network | Pasta

# What has to be loaded for each kind, in the order of their imports.
_MODULES = {
    "network": (
        "runtime.netlink.message",
        "runtime.netlink.nftables",
        "runtime.netlink.route",
        "runtime.process",
        "runtime.monitor.names",
        "runtime.errors",
        "runtime.monitor.pasta",
        "runtime.monitor.shared",
        "runtime.monitor.network",
    ),
    "pasta": ("runtime.monitor.pasta",),
}
_PUBLISHER = ("runtime.publisher.process",)


def modules(connection: Connection) -> tuple[str, ...]:
    """Return the modules that a connection needs, in the order of their imports."""
    return _MODULES[connection.KIND] + (_PUBLISHER if connection.publisher() else ())


def freeze(connection: Connection) -> tuple[str, dict[str, Any]]:
    """Return kind and state of a connection as values that marshal can write."""
    return connection.KIND, connection.freeze()


def thaw(kind: str, state: dict[str, Any]) -> Connection:
    """Make it again from what `freeze` returned."""
    if kind == "pasta":
        from runtime.monitor.pasta import Pasta

        return Pasta.thaw(state)
    from runtime.monitor.network import Network

    return Network.thaw(state)
