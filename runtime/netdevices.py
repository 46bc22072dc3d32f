"""Network devices of the host that move into a container (`linux.netDevices`), by rtnetlink(7).

A device loses its addresses as it moves: those that are permanent and of global scope are given to it again, and it is
brought up. All that can be checked is checked before anything moves, as a virtual device dies with its namespace.
"""

from __future__ import annotations

import _socket
import posix
import struct
from errno import EIO

from runtime import syscalls
from runtime.errors import OCIRuntimeError, SpecError
from runtime.kernel import CLONE_NEWNET
from runtime.netlink import route
from runtime.netlink.message import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    ROUTE,
    Netlink,
    attribute,
    attributes,
    number,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from runtime.namespaces import NamespacePlan

_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS, _IFA_RT_PRIORITY = 1, 2, 4, 8, 9
_IFA_F_PERMANENT, _RT_SCOPE_UNIVERSE = 0x80, 0
# The flags that a user may give to an address: the others are the kernel's own notes.
_IFA_F_SETTABLE = 0x02 | 0x04 | 0x10 | 0x100 | 0x200 | 0x400
_MSG_CMSG_CLOEXEC = 0x40000000

Address = tuple[int, int, dict[int, bytes]]  # family, length of the prefix, attributes


def _addresses(netlink: Netlink, index: int) -> list[Address]:
    """Return the permanent global addresses of a device."""
    found = []
    for _kind, body in netlink.request(route.RTM_GETADDR, NLM_F_DUMP, struct.pack("=BBBBi", 0, 0, 0, 0, 0)):
        family, prefix, low_flags, scope, owner = struct.unpack_from("=BBBBi", body)
        known = attributes(body[8:])
        flags = struct.unpack("=I", known[_IFA_FLAGS])[0] if _IFA_FLAGS in known else low_flags
        if owner == index and scope == _RT_SCOPE_UNIVERSE and flags & _IFA_F_PERMANENT:
            known[_IFA_FLAGS] = struct.pack("=I", flags & _IFA_F_SETTABLE)
            found.append((family, prefix, known))
    return found


def _add_address(netlink: Netlink, index: int, address: Address) -> None:
    family, prefix, known = address
    body = struct.pack("=BBBBi", family, prefix, 0, _RT_SCOPE_UNIVERSE, index)
    for kind in (_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS, _IFA_RT_PRIORITY):
        if kind in known:
            body += attribute(kind, known[kind])
    netlink.request(route.RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body)


def _indexes(netlink: Netlink) -> dict[str, int]:
    return {link.name: link.index for link in route.links(netlink)}


def read_names(devices: dict[str, Any]) -> dict[str, str]:
    """Return the name in the container by the name on the host; SpecError for what cannot be one."""
    names: dict[str, str] = {}
    for host, document in devices.items():
        wanted = document.get("name") or host
        field = f"linux.netDevices[{host!r}]"
        _check(host, field)
        _check(wanted.replace("%d", "0", 1), f"{field}.name")
        if wanted in names.values() and "%d" not in wanted:
            raise SpecError(f"{field}.name `{wanted}` is there twice")
        names[host] = wanted
    return names


def _check(name: str, field: str) -> None:
    """Refuse what the kernel takes for no name of a device (its dev_valid_name)."""
    encoded = name.encode("utf-8", "surrogateescape")
    bad = len(encoded) > route.LONGEST_NAME or name in (".", "..") or any(c in "/:%" or c.isspace() for c in name)
    if bad:
        raise SpecError(f"{field} is not the name of a network device: `{name}`")


def move(devices: dict[str, Any], plan: NamespacePlan, pid: int) -> None:
    """Move devices to the network namespace that is planned for the process `pid`, or that it has been given."""
    for flag, fd, _path in plan.joins:
        if flag == CLONE_NEWNET:
            move_to(devices, fd)
            return
    made = posix.open(f"/proc/{pid}/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        move_to(devices, made)
    finally:
        posix.close(made)


def move_to(devices: dict[str, Any], namespace: int) -> None:
    """Move devices to the network namespace `namespace` (its fd); needs CAP_NET_ADMIN here and there."""
    names = read_names(devices)
    here = Netlink.open(ROUTE)
    there = None
    try:
        indexes = _indexes(here)
        for host in names:
            if host not in indexes:
                raise OCIRuntimeError(f"linux.netDevices: there is no network device `{host}`")
        there = _open_in(namespace)
        taken = _indexes(there)
        for wanted in names.values():
            if wanted in taken:
                raise OCIRuntimeError(f"linux.netDevices: the container already has a network device `{wanted}`")
        for host, wanted in names.items():
            _move_one(here, there, namespace, (indexes[host], host, wanted))
    except OSError as error:
        raise OCIRuntimeError(f"linux.netDevices: {error.strerror}") from error
    finally:
        here.close()
        if there is not None:
            there.close()


def _move_one(here: Netlink, there: Netlink, namespace: int, device: tuple[int, str, str]) -> None:
    index, host, wanted = device
    doing = "move it"
    try:
        addresses = _addresses(here, index)
        before = _indexes(there).values()
        here.request(route.RTM_NEWLINK, NLM_F_ACK, route.header(index) + number(route.IFLA_NET_NS_FD, namespace))
        # Its number may be another there.
        index = next(known for known in _indexes(there).values() if known not in before)
        if wanted != host:
            doing = f"rename it to `{wanted}`"
            there.request(*route.rename(index, wanted))
        doing = "bring it up"
        there.request(*route.set_up(index))
        doing = "give it back its addresses"
        for address in addresses:
            _add_address(there, index, address)
    except OSError as error:
        raise OCIRuntimeError(f"linux.netDevices: `{host}`: {doing}: {error.strerror}") from error


def _open_in(namespace: int) -> Netlink:
    """Open a socket in another network namespace: by a child that goes there, as we might not find back."""
    ours, childs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    child = posix.fork()
    if child == 0:
        _send_socket(namespace, childs)
    childs.close()
    try:
        data, ancillary, _flags, _address = ours.recvmsg(1, _socket.CMSG_SPACE(4), _MSG_CMSG_CLOEXEC)
    finally:
        posix.waitpid(child, 0)
        ours.close()
    if not ancillary:
        number = data[0] if data else EIO
        raise OSError(number, posix.strerror(number))
    return Netlink.adopt(struct.unpack("=i", ancillary[0][2])[0])


def _send_socket(namespace: int, to: _socket.socket) -> NoReturn:
    try:
        syscalls.setns(namespace, CLONE_NEWNET)
        end = Netlink.open(ROUTE)
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("=i", end.fileno()))]
        to.sendmsg([b"\0"], rights)
    except OSError as error:
        to.send(bytes([error.errno or EIO]))
    finally:
        posix._exit(0)
