"""The network namespace that the containers of a rootless user have in common: found, or made, and joined to the world.

Bridges, firewall and all else are in there as they are on the host for root. runtime/monitor/shared.py tells who holds
it and when it goes. Its pasta gives it addresses of its own, so that the host's are reached through pasta like any
other; what its published ports pass on has the client's address (see runtime.publisher.target), and is told from what
is on its way through by a mark of its connection.
"""

from __future__ import annotations

import marshal
import os
import posix

from pod.containers.inside import files
from pod.errors import PodError
from pod.networks import devices, firewall
from pod.networks.choice import NO_PASTA, program
from pod.networks.pasta import FORWARDER
from pod.networks.wiring import make_directory
from runtime import process, syscalls
from runtime.errors import OCIRuntimeError
from runtime.kernel import CLONE_NEWNET
from runtime.monitor import shared
from runtime.monitor.shared import Shared
from runtime.netlink import namespace, route
from runtime.netlink.message import ROUTE, Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import NoReturn
else:
    import _signal as signal

_MARK, _TABLE = 0x4000, 100
_FORMAT = 2  # that never changes: the reader may be of another Python
# Answers to whom the publisher poses as are for this namespace, wherever they claim to go.
_CLIENTS = f"""
table inet pod_clients {{
    chain output {{
        type filter hook output priority mangle; policy accept;
        fib saddr type != local ct mark set ct mark | {_MARK}
    }}
    chain prerouting {{
        type filter hook prerouting priority mangle; policy accept;
        ct direction reply ct mark & {_MARK} == {_MARK} meta mark set meta mark | {_MARK}
    }}
}}
"""
_FORWARDING = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
_PASTA = [
    *("--quiet", "--config-net", "--no-map-gw", "--ns-ifname", "pasta0"),
    *("--address", "169.254.2.1", "--netmask", "30", "--gateway", "169.254.2.2"),
    *("--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"),
]


def directory(networks: str) -> str:
    """Return where the state of the namespace lies; `networks` is the directory of all networks."""
    return f"{networks}/.shared"


def join(networks: str, container: str, *, world: bool) -> Shared:
    """Make this process, the monitor of a container, a member of the namespace, which is made if there is none.

    `world`: it is to lead outwards. Raises OCIRuntimeError or OSError; then nothing is left.
    """
    for made in (networks, directory(networks)):
        make_directory(made)
    path = os.fsencode(directory(networks))
    held = shared.lock(path)
    try:
        found = _find(shared.settle(path))
        member = Shared(path, container.encode(), found if found >= 0 else namespace.make(_furnish))
        try:
            pid = posix.getpid()
            shared.write(path, member.container, pid, process.start_time(pid) or 0, member.namespace)
            if world and files.has_way_out():  # else pasta has nothing to do
                member.connect(_command())
        except BaseException:
            posix.close(member.namespace)
            shared.forget(path, member.container)
            shared.settle(path)
            raise
        return member
    finally:
        posix.close(held)


def publish(member: Shared, sockets: list[tuple[int, int]]) -> None:
    """Have what comes to sockets on the host passed on to a container (see pod.networks.reserving.listen); OSError.

    It goes where `tell` says. The sockets are the member's from now on.
    """
    from runtime.publisher import start

    member.publisher = start.start(sockets, _told(member.directory, member.container), member.namespace)


def tell(networks: str, container: str, addresses: list[str], ranges: list[str]) -> None:
    """Tell at which addresses a container is reached, and the ranges of all networks that it is on; OSError."""
    split = [each.partition("/") for each in ranges]
    known = (addresses, [(firewall.pack(network), int(prefix)) for network, _, prefix in split])
    path = _told(os.fsencode(directory(networks)), container.encode())
    held = shared.lock(os.fsencode(directory(networks)))  # else who settles takes the new file for a dead member's
    try:
        with open(path + b".new", "wb") as file:
            file.write(marshal.dumps(known, _FORMAT))
        os.rename(path + b".new", path)
    finally:
        posix.close(held)


def _told(path: bytes, container: bytes) -> bytes:
    return path + b"/" + shared.TOLD + container


def find(networks: str, *, world: bool = False) -> int:
    """Return a descriptor of the namespace, -1 if there is none; with `world` it leads outwards from now on."""
    path = os.fsencode(directory(networks))
    try:
        held = shared.lock(path)
    except FileNotFoundError:
        return -1
    try:
        found = _find(shared.settle(path))
        if found >= 0 and world and files.has_way_out() and not shared.has_pasta(path):
            shared.start_pasta(path, found, _command())
        return found
    finally:
        posix.close(held)


def run(runroot: str, become: Callable[[], NoReturn]) -> int:
    """Have a child become a program in the namespace, which leads outwards; wait for its end and return its exit code.

    `become` may raise PodError: what that says is printed. Raises OCIRuntimeError or OSError if there is no namespace.
    """
    networks = f"{runroot}/networks"
    member = join(networks, f"unshare{posix.getpid()}", world=True)
    try:
        pid = os.fork()
        if pid == 0:
            _be_inside(member.namespace, become)
        ignored = [(number, signal.signal(number, signal.SIG_IGN)) for number in (signal.SIGINT, signal.SIGQUIT)]
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        for number, handler in ignored:
            signal.signal(number, handler)
    finally:
        member.leave()
    return code if code >= 0 else 128 - code


def _be_inside(inside: int, become: Callable[[], NoReturn]) -> NoReturn:
    code = 125
    try:
        syscalls.setns(inside, CLONE_NEWNET)
        become()
    except PodError as error:
        os.write(2, f"Error: {error}\n".encode())
        code = error.code
    finally:
        os._exit(code)


def inside(networks: str, action: Callable[[], None], *, world: bool = False) -> bool:
    """Do something in the namespace; False if there is none. With `world` it leads outwards from now on."""
    found = find(networks, world=world)
    if found < 0:
        return False
    try:
        namespace.carry_out(found, action)
    finally:
        posix.close(found)
    return True


def _find(members: list[tuple[int, int]]) -> int:
    for pid, descriptor in members:
        try:
            return posix.open(f"/proc/{pid}/fd/{descriptor}", posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:
            continue  # it has just ended
    return -1


def _furnish() -> int:
    """Prepare the network namespace of this process for bridges, and return a descriptor of it."""
    links = Netlink.open(ROUTE)
    try:
        loopback = route.find(links, "lo")
        assert loopback is not None
        messages = [route.set_up(loopback.index)]
        for family in (route.AF_INET, route.AF_INET6):
            messages += [route.rule(family, _MARK, _TABLE), route.local_route(family, loopback.index, _TABLE)]
        errors = links.send(messages)
        # A kernel without IPv6 says so.
        if any(number < 3 for number in errors):
            raise next(iter(errors.values()))
    finally:
        links.close()
    for name in _FORWARDING:
        devices.set_parameter(name, "1")
    firewall.load(more=_CLIENTS)
    return posix.open("/proc/self/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)


def _command() -> tuple[str, list[str]]:
    """Return pasta's program and its options. Raises OCIRuntimeError if there is no such program."""
    found = program("pasta")
    if not found:
        raise OCIRuntimeError(
            NO_PASTA,
            hint="as root: apt install passt",
        )
    return found, [*_PASTA, *(("--dns-forward", FORWARDER) if files.asks_itself() else ())]
