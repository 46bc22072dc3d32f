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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from runtime.namespaces import NamespacePlan

_AF_NETLINK, _NETLINK_ROUTE = 16, 0
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP = 1, 4, 0x300
_NLM_F_EXCL_CREATE = 0x200 | 0x400
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_NEWLINK, _RTM_GETLINK, _RTM_NEWADDR, _RTM_GETADDR = 16, 18, 20, 22
_IFLA_IFNAME, _IFLA_NET_NS_FD = 3, 28
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS, _IFA_RT_PRIORITY = 1, 2, 4, 8, 9
_IFA_F_PERMANENT, _RT_SCOPE_UNIVERSE = 0x80, 0
# The flags that a user may give to an address: the others are the kernel's own notes.
_IFA_F_SETTABLE = 0x02 | 0x04 | 0x10 | 0x100 | 0x200 | 0x400
_IFF_UP = 1
_LONGEST_NAME = 15
_CHUNK = 1 << 18
_MSG_CMSG_CLOEXEC = 0x40000000

Address = tuple[int, int, dict[int, bytes]]  # family, length of the prefix, attributes


class Netlink:
    """Requests to the network namespace in which a socket was opened."""

    def __init__(self, end: _socket.socket) -> None:
        self._end = end
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._end.close()

    def request(self, kind: int, flags: int, body: bytes) -> list[tuple[int, bytes]]:
        """Send one message and return the answers, (kind, body) each; OSError for what the kernel refuses."""
        self._sequence += 1
        header = struct.pack("=IHHII", 16 + len(body), kind, flags | _NLM_F_REQUEST, self._sequence, 0)
        self._end.sendall(header + body)
        answers: list[tuple[int, bytes]] = []
        while True:
            data = self._end.recv(_CHUNK)
            while len(data) >= 16:
                length, answer, _flags, sequence, _port = struct.unpack_from("=IHHII", data)
                content, data = data[16:length], data[(length + 3) & ~3 :]
                if sequence != self._sequence:
                    continue
                if answer == _NLMSG_DONE:
                    return answers
                if answer == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", content)[0]
                    if number:
                        raise OSError(number, posix.strerror(number))
                    return answers
                answers.append((answer, content))

    def links(self) -> dict[str, int]:
        """Return the index of each device by its name."""
        found = {}
        for _kind, body in self.request(_RTM_GETLINK, _NLM_F_DUMP, struct.pack("=BxHiII", 0, 0, 0, 0, 0)):
            name = _attributes(body[16:]).get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "surrogateescape")
            found[name] = struct.unpack_from("=BxHi", body)[2]
        return found

    def addresses(self, index: int) -> list[Address]:
        """Return the permanent global addresses of a device."""
        found = []
        for _kind, body in self.request(_RTM_GETADDR, _NLM_F_DUMP, struct.pack("=BBBBi", 0, 0, 0, 0, 0)):
            family, prefix, low_flags, scope, owner = struct.unpack_from("=BBBBi", body)
            attributes = _attributes(body[8:])
            flags = struct.unpack("=I", attributes[_IFA_FLAGS])[0] if _IFA_FLAGS in attributes else low_flags
            if owner == index and scope == _RT_SCOPE_UNIVERSE and flags & _IFA_F_PERMANENT:
                attributes[_IFA_FLAGS] = struct.pack("=I", flags & _IFA_F_SETTABLE)
                found.append((family, prefix, attributes))
        return found

    def move(self, index: int, namespace: int) -> None:
        """Move a device to another network namespace, where it is down and keeps its name."""
        self._change(index, 0, _attribute(_IFLA_NET_NS_FD, struct.pack("=i", namespace)))

    def rename(self, index: int, name: str) -> None:
        """Rename a device that is down; in a name with `%d` the kernel puts a number."""
        self._change(index, 0, _attribute(_IFLA_IFNAME, name.encode("utf-8", "surrogateescape") + b"\0"))

    def bring_up(self, index: int) -> None:
        """Set a device up."""
        self._change(index, _IFF_UP, b"")

    def _change(self, index: int, up: int, attributes: bytes) -> None:
        self.request(_RTM_NEWLINK, _NLM_F_ACK, struct.pack("=BxHiII", 0, 0, index, up, up) + attributes)

    def add_address(self, index: int, address: Address) -> None:
        """Give an address to a device."""
        family, prefix, attributes = address
        body = struct.pack("=BBBBi", family, prefix, 0, _RT_SCOPE_UNIVERSE, index)
        for kind in (_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS, _IFA_RT_PRIORITY):
            if kind in attributes:
                body += _attribute(kind, attributes[kind])
        self.request(_RTM_NEWADDR, _NLM_F_ACK | _NLM_F_EXCL_CREATE, body)


def _open() -> _socket.socket:
    return _socket.socket(_AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _NETLINK_ROUTE)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    """Return the attributes of a message by their kind."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


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
    bad = len(encoded) > _LONGEST_NAME or name in (".", "..") or any(c in "/:%" or c.isspace() for c in name)
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
    here = Netlink(_open())
    there = None
    try:
        indexes = here.links()
        for host in names:
            if host not in indexes:
                raise OCIRuntimeError(f"linux.netDevices: there is no network device `{host}`")
        there = _open_in(namespace)
        taken = there.links()
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
        addresses = here.addresses(index)
        before = there.links().values()
        here.move(index, namespace)
        # Its number may be another there.
        index = next(number for number in there.links().values() if number not in before)
        if wanted != host:
            doing = f"rename it to `{wanted}`"
            there.rename(index, wanted)
        doing = "bring it up"
        there.bring_up(index)
        doing = "give it back its addresses"
        for address in addresses:
            there.add_address(index, address)
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
    return Netlink(_socket.socket(fileno=struct.unpack("=i", ancillary[0][2])[0]))


def _send_socket(namespace: int, to: _socket.socket) -> NoReturn:
    try:
        syscalls.setns(namespace, CLONE_NEWNET)
        end = _open()
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("=i", end.fileno()))]
        to.sendmsg([b"\0"], rights)
    except OSError as error:
        to.send(bytes([error.errno or EIO]))
    finally:
        posix._exit(0)
