"""Elements as nft(8) writes them: a table is loaded with them in one step."""

from __future__ import annotations

from pod.networks import firewall
from runtime.netlink.nftables import interface


def test_elements_of_every_set_are_written() -> None:
    ports = [
        {"host_ip": host_ip, "container_port": 80, "host_port": 8080, "range": 2, "protocol": protocol}
        for host_ip, protocol in (("", "tcp"), ("192.0.2.1", "udp"), ("2001:db8::1", "sctp"))
    ]
    addresses = [firewall.pack("10.88.0.2"), firewall.pack("fd88::2")]
    assert [firewall.text(element) for element in firewall.of_ports(ports, addresses)] == [
        "ports4 { 6 . 8080 : 10.88.0.2 . 80 }",
        "ports6 { 6 . 8080 : fd88::2 . 80 }",
        "ports4 { 6 . 8081 : 10.88.0.2 . 81 }",
        "ports6 { 6 . 8081 : fd88::2 . 81 }",
        "ports4_at { 192.0.2.1 . 17 . 8080 : 10.88.0.2 . 80 }",
        "ports4_at { 192.0.2.1 . 17 . 8081 : 10.88.0.2 . 81 }",
        "ports6_at { 2001:db8::1 . 132 . 8080 : fd88::2 . 80 }",
        "ports6_at { 2001:db8::1 . 132 . 8081 : fd88::2 . 81 }",
    ]
    assert firewall.text(("bridges", interface("pod0"), b"")) == 'bridges { "pod0" }'
    assert firewall.text(("pairs", interface("pod0") + interface("a-b.c"), b"")) == 'pairs { "pod0" . "a-b.c" }'
