"""What a killed monitor leaves of its container on a network: found by the file that tells of it, and given up.

Devices die with the container's namespace, sooner or later. Its elements in the firewall, the file, and perhaps the
bridge stay, until the next command that writes. A container whose monitor alone was killed keeps what it has: it runs.
"""

from __future__ import annotations

import posix

from runtime import process
from runtime.monitor import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.state import Container
    from runtime.monitor.network import Network

_DOOMED = b".poddel"


def sweep(directory: str, *, shared: bool) -> None:
    """Give up what is left of containers on networks that are no more; `directory` is that of all networks.

    `shared`: bridges are in the user's shared network namespace, not on the host. The caller does not hold the lock of
    the networks. That nothing is left costs little, for each command asks.
    """
    root = directory.encode("utf-8", "surrogateescape")
    lost, marks, drafts = _found(root)

    def give_up_all() -> None:
        for path in lost:
            _give_up(path)
        if marks or drafts:
            _tidy(root, marks, drafts)

    if lost or marks or drafts:
        _carry_out(directory, give_up_all, shared=shared)


def _carry_out(directory: str, action: Callable[[], None], *, shared: bool) -> None:
    """Do something where the bridges are."""
    if not shared:
        action()
        return
    from pod.networks import shared as namespaces
    from runtime.netlink import namespace

    if not namespaces.inside(directory, action):
        namespace.make(action)  # it is gone with all that was in it: where nothing is, only files are left to remove


def _found(root: bytes) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Return files of processes that are no more, files that tell of bridges to be deleted, and half-written files.

    Of the latter two some may be of commands that are at work.
    """
    lost, marks, drafts = [], [], []
    for name in names.listed(root):
        if name.startswith(b"."):
            if name.startswith(_DOOMED) and not names.is_held(b"%s/%s" % (root, name)):
                marks.append(b"%s/%s" % (root, name))
            continue
        for container in names.listed(b"%s/%s" % (root, name)):
            path = b"%s/%s/%s" % (root, name, container)
            if container.startswith(b"."):
                drafts.append(path)
            elif not process.is_alive(*names.process_of(path)):
                lost.append(path)
    return lost, marks, drafts


def _give_up(path: bytes) -> None:
    from pod.networks import standing
    from runtime.monitor.network import Place

    entry = names.read(path)
    if entry is not None and entry.is_alive():
        return  # it has been started again meanwhile
    place = standing.place(entry) if entry is not None else None
    root, _, container = path.rpartition(b"/")
    left = _opened(root.rpartition(b"/")[0], container)
    left.places = {path: place or Place("")}
    left.end(swept=True)


def _opened(root: bytes, container: bytes) -> Network:
    """Return a container's part in no network, by which others can be given up."""
    from pod.networks import firewall
    from runtime.monitor.network import Network
    from runtime.netlink.message import NETFILTER, ROUTE, Netlink

    links, elements = Netlink.open(ROUTE), Netlink.open(NETFILTER)
    return Network(root, container, firewall.TABLE, links.detach(), elements.detach())


def _tidy(root: bytes, marks: list[bytes], drafts: list[bytes]) -> None:
    """Delete bridges that somebody was killed deleting, and files that somebody was killed writing."""
    from runtime.monitor.network import delete, take_lock
    from runtime.netlink.message import ROUTE, Netlink

    lock = take_lock(root)  # from now on nobody is just writing, or just about to delete
    try:
        for path in drafts:
            try:
                posix.unlink(path)
            except FileNotFoundError:
                pass
        left = {mark: fd for mark in marks if (fd := names.hold(mark)) >= 0}
    finally:
        posix.close(lock)
    links = Netlink.open(ROUTE)
    delete(links, [], left)
    links.close()


def give_up(engine: Engine, container: Container) -> None:
    """Give up what a container has on its networks that was lost, be it that no file tells of it any more.

    None of its processes runs.
    """
    from pod.networks import connecting

    directory = f"{engine.config.runroot}/networks"
    places = connecting.of(engine, container).made()

    def end() -> None:
        left = _opened(directory.encode("utf-8", "surrogateescape"), container.id.encode())
        left.places = places
        left.end()

    _carry_out(directory, end, shared=engine.config.rootless)
