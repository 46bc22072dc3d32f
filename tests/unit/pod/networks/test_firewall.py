"""The elements that networks and published ports have in the firewall; loading its table."""

import shutil
from typing import Any

import pytest

from pod.networks import firewall
from pod.networks.network import Network
from runtime import jsontext
from runtime.netlink import nftables


def network(**changes: Any) -> Network:
    document = {"driver": "bridge", "network_interface": "pod7", "internal": False, "dns_enabled": True} | changes
    return Network(("mine", "1" * 64, 0.0, jsontext.dumps(document)))


def sets(given: Network) -> set[str]:
    return {name for name, _, _ in firewall.of_network(given)}


def test_sets_of_a_network() -> None:
    assert sets(network()) == {"bridges", "pairs", "outward"}
    assert sets(network(internal=True)) == {"bridges", "pairs", "internal"}
    assert sets(network(options={"isolate": "true"})) == {"bridges", "pairs", "outward", "isolated"}
    assert sets(network(options={"isolate": "strict"})) == {"bridges", "pairs", "outward", "isolated", "strict"}
    assert sets(network(options={"isolate": "false"})) == sets(network())
    assert ("bridges", nftables.interface("pod7"), b"") in firewall.of_network(network())


def test_ports_go_to_the_first_address_of_their_family() -> None:
    mapping = {"host_ip": "", "container_port": 80, "host_port": 8080, "range": 2, "protocol": "tcp"}
    addresses = [bytes((10, 89, 0, 2)), bytes((10, 90, 0, 2)), bytes(15) + b"\x01"]
    found = firewall.of_ports([mapping], addresses)
    tcp = b"\6\0\0\0"
    assert found == [
        ("ports4", tcp + b"\x1f\x90\0\0", bytes((10, 89, 0, 2)) + b"\0\x50\0\0"),
        ("ports6", tcp + b"\x1f\x90\0\0", bytes(15) + b"\x01\0\x50\0\0"),
        ("ports4", tcp + b"\x1f\x91\0\0", bytes((10, 89, 0, 2)) + b"\0\x51\0\0"),
        ("ports6", tcp + b"\x1f\x91\0\0", bytes(15) + b"\x01\0\x51\0\0"),
    ]
    at = firewall.of_ports([{**mapping, "host_ip": "127.0.0.1", "range": 1}], addresses)
    assert [(name, key[:4]) for name, key, _ in at] == [("ports4_at", bytes((127, 0, 0, 1)))]
    assert firewall.of_ports([{**mapping, "host_ip": "::1"}], addresses[:1]) == []


def test_a_machine_without_nft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_given, **_more: None)
    with pytest.raises(firewall.NoFirewallError, match="network: nft is not installed") as caught:
        firewall.load()
    assert caught.value.hint == "install the package nftables"
