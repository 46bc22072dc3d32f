"""What neighbours of the host, and containers, try on its networks, on a host of the tests' own."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.nethost import HOST, TestHost, eventually_equal

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["root"], indirect=True),
]
COUNT = 5
# Puts datagrams for an address and a port on a wire as they are: argv is the device, the host's MAC address, both.
INJECT = """
COUNT = 5
import socket, struct, sys
device, mac, address, port = sys.argv[1:]
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
payload = struct.pack("!HHHH", 4000, int(port), 8 + 4, 0) + b"evil"
source = socket.inet_aton("198.51.100.2")
head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, 17, 0) + source + socket.inet_aton(address)
head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
end.bind((device, 0x0800))
own = end.getsockname()[4]
for _ in range(COUNT):
    end.send(bytes.fromhex(mac.replace(":", "")) + own + b"\\x08\\x00" + head + payload)
"""


def inject(prefix: list[str], device: str, mac: str, address: str, port: int) -> None:
    command = [*prefix, "python3", "-c", INJECT, device, mac, address, str(port)]
    subprocess.run(command, check=True, timeout=60)


def address_of(host: TestHost, device: str) -> str:
    words = host.run("ip", "-o", "link", "show", device).split()
    return words[words.index("link/ether") + 1]


def publish(net: Pod, image: str, port: str) -> None:
    net.run("run", "-d", "--name", "c", "-p", port, image, "sleep", "100")


def arrived(net: Pod) -> int:
    """Return how many datagrams have come to the container: for ports that nobody listens on."""
    names, numbers = (line.split() for line in net.run("exec", "c", "grep", "Udp:", "/proc/net/snmp").out.splitlines())
    return int(numbers[names.index("NoPorts")])


def test_what_is_published_on_loopback_is_not_reached_from_the_wire(net: Pod, host: TestHost, busybox: str) -> None:
    publish(net, busybox, "127.0.0.1:5353:53/udp")
    mac = address_of(host, "up0")
    inject(host.world.prefix, "up0", mac, "127.0.0.1", 5353)
    time.sleep(0.5)
    assert arrived(net) == 0
    net.run("rm", "-f", "-t", "0", "c")
    # What is published to everybody arrives in this very way.
    publish(net, busybox, "5353:53/udp")
    inject(host.world.prefix, "up0", mac, HOST, 5353)
    assert eventually_equal(lambda: arrived(net), COUNT) == COUNT


def test_what_is_published_on_loopback_is_not_reached_by_containers(net: Pod, host: TestHost, busybox: str) -> None:
    publish(net, busybox, "127.0.0.1:5353:53/udp")
    net.run("run", "-d", "--name", "bad", busybox, "sleep", "100")
    pid = net.run("inspect", "--format", "{{.State.Pid}}", "bad").out
    inject(["nsenter", f"--net=/proc/{pid}/ns/net"], "eth0", address_of(host, "pod0"), "127.0.0.1", 5353)
    time.sleep(0.5)
    assert arrived(net) == 0
