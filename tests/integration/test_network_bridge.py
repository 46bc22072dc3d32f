"""Connecting to a bridge: a process in a network namespace is the container, another namespace is the host."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from pod.networks import connecting, firewall, forwarding
from pod.networks.network import Attachment, Network
from runtime.netlink import namespace, route
from runtime.netlink.message import ROUTE, Netlink
from runtime.process import start_time
from tests.fixtures.namespaces import in_network_namespace

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

SUBNETS = [
    {"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"},
    {"subnet": "fd88::/64", "gateway": "fd88::1"},
]


def network(name: str = "podman", interface: str = "pod0", **changes: Any) -> Network:
    document = {"driver": "bridge", "network_interface": interface, "subnets": SUBNETS, "internal": False} | changes
    return Network((name, "ab" * 32, 0.0, json.dumps(document)))


class Box:
    """A process that stands for a container: it tells who connects to its port 80."""

    def __init__(self) -> None:
        ready, write = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            libc = ctypes.CDLL(None)
            libc.prctl(1, signal.SIGKILL)  # with the test, however that ends
            libc.unshare(0x40000000)
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            listener = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
            os.write(write, b"x")
            while True:
                connection, address = listener.accept()
                connection.sendall(address[0].encode())
                connection.close()
        os.read(ready, 1)

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def call(self, address: str, port: int = 80, patience: float = 30) -> str:
        """Connect from inside and return what is answered."""
        inside = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        here = namespace.enter(inside)
        try:
            return ask(address, port, patience)
        finally:
            namespace.leave(here)
            os.close(inside)


def ask(address: str, port: int = 80, patience: float = 30) -> str:
    with socket.create_connection((address, port), timeout=patience) as connection:
        return connection.recv(100).decode().removeprefix("::ffff:")


def connect(directory: str, box: Box, number: int, ports: list[dict[str, Any]] | None = None, **more: Any) -> Any:
    place = {"interface": "eth0", "aliases": [], "addresses": [], "mac": ""}
    described = more.get("network") or network()
    prefix = more.get("prefix", ("10.88.0.", "fd88::"))
    attachment = Attachment(f"c{number}", described, place, [f"{each}{number}" for each in prefix])  # type: ignore[arg-type]
    connector = connecting.Connector(directory, f"c{number}", [f"c{number}"], [attachment], ports or [])
    return connector.connect(box.pid, start_time(box.pid) or 0, f"/proc/{box.pid}/ns/net")


def on_host(call: Callable[[], Any]) -> Any:
    def prepared() -> Any:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["ip", "addr", "add", "198.51.100.1/24", "dev", "lo"], check=True)
        return call()

    return in_network_namespace(prepared)


def links() -> list[str]:
    return sorted(link.name for link in route.links(Netlink.open(ROUTE)) if link.kind in ("bridge", "veth"))


def wait_for_none() -> list[str]:
    deadline = time.monotonic() + 30
    while links() and time.monotonic() < deadline:
        time.sleep(0.01)
    return links()


def published(host_ip: str = "", port: int = 8080) -> dict[str, Any]:
    return {"host_ip": host_ip, "container_port": 80, "host_port": port, "range": 1, "protocol": "tcp"}


def map_elements() -> int:
    output = subprocess.run(["nft", "-j", "list", "table", "inet", "pod"], capture_output=True, check=True).stdout
    return sum(len(x.get("elem", [])) for each in json.loads(output)["nftables"] for x in each.values())


def test_text_of_the_table_is_valid() -> None:
    def check() -> int:
        return subprocess.run(["nft", "-c", "-f", "-"], input=firewall.TEXT.encode()).returncode

    assert in_network_namespace(check) == 0


def test_two_containers_and_the_host(tmp_path: Any) -> None:
    def check() -> Any:
        one, two = Box(), Box()
        first = connect(str(tmp_path), one, 2, [published()])
        second = connect(str(tmp_path), two, 3)
        forwarding.switch_on([])
        seen = [
            one.call("10.88.0.3"),
            two.call("fd88::2"),
            ask("10.88.0.2"),
            ask("127.0.0.1", 8080),
            ask("198.51.100.1", 8080),
            two.call("198.51.100.1", 8080),
            one.call("10.88.0.1", 8080),
        ]
        try:
            socket.create_server(("0.0.0.0", 8080))
            seen.append("free")
        except OSError as error:
            seen.append(str(error.errno))
        first.end()
        bridges = [name for name in links() if name == "pod0"]
        second.end()
        one.end()
        two.end()
        return seen, bridges, wait_for_none(), map_elements(), sorted(os.listdir(f"{tmp_path}/networks/podman"))

    seen, bridges, left, elements, files = on_host(check)
    assert seen == [
        "10.88.0.2",
        "fd88::3",
        "10.88.0.1",
        "10.88.0.1",
        "198.51.100.1",
        "10.88.0.1",
        "10.88.0.1",
        "98",
    ]
    assert (bridges, left, elements, files) == (["pod0"], [], 0, [])


def test_a_port_in_use_is_told_and_leaves_nothing(tmp_path: Any) -> None:
    def check() -> Any:
        taken = socket.create_server(("127.0.0.1", 8080))
        box = Box()
        try:
            connect(str(tmp_path), box, 2, [published("127.0.0.1")])
        except Exception as error:
            return str(error), links()
        finally:
            box.end()
            taken.close()

    assert on_host(check) == ("cannot listen on the TCP port: 127.0.0.1:8080: bind: address already in use", [])


@pytest.mark.parametrize(("options", "reachable"), [({}, True), ({"isolate": "true"}, False)])
def test_isolation_between_networks(tmp_path: Any, options: dict[str, str], *, reachable: bool) -> None:
    def check() -> Any:
        one, two = Box(), Box()
        other = network("other", "pod1", subnets=[{"subnet": "10.89.0.0/24", "gateway": "10.89.0.1"}], options=options)
        first = connect(str(tmp_path), one, 2, network=network(options=options))
        second = connect(str(tmp_path), two, 3, network=other, prefix=("10.89.0.",))
        forwarding.switch_on([Attachment("", other, None, [])])  # type: ignore[arg-type]
        try:
            return one.call("10.89.0.3", patience=30 if reachable else 3)
        except TimeoutError:
            return ""
        finally:
            for state, box in ((first, one), (second, two)):
                state.end()
                box.end()

    assert on_host(check) == ("10.88.0.2" if reachable else "")


def test_flushed_ruleset_is_loaded_again(tmp_path: Any) -> None:
    def check() -> Any:
        one, two = Box(), Box()
        first = connect(str(tmp_path), one, 2)
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        second = connect(str(tmp_path), two, 3, [published()])
        answer = ask("198.51.100.1", 8080)
        first.end()
        second.end()
        one.end()
        two.end()
        return answer, wait_for_none()

    assert on_host(check) == ("198.51.100.1", [])
