"""What a container's creation notes of networks: the default one, addresses, ports; nothing here is started."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from tests.fixtures.command import Pod

Row = tuple[Any, ...]


def rows(box: Pod, query: str) -> list[Row]:
    with sqlite3.connect(f"{box.root}/pod.db") as connection:
        return connection.execute(query).fetchall()


def config(box: Pod, name: str) -> dict[str, Any]:
    with sqlite3.connect(f"{box.root}/pod.db") as connection:
        text = connection.execute("SELECT config FROM container WHERE name = ?", (name,)).fetchone()[0]
    found: dict[str, Any] = json.loads(text)
    return found


def create(box: Pod, image: str, name: str, *options: str) -> str:
    return box.run("create", "--name", name, *options, image, "true").out


def test_default_network_and_address(box: Pod, busybox: str) -> None:
    identity = create(box, busybox, "c", "--network", "podman", "-p", "8080:80", "--network-alias", "web")
    create(box, busybox, "d", "--network", "bridge")
    [(name, text)] = rows(box, "SELECT name, document FROM network")
    document = json.loads(text)
    assert (name, document["driver"], document["dns_enabled"]) == ("podman", "bridge", False)
    assert document["network_interface"].startswith("pod")
    leases = rows(box, "SELECT address, container FROM lease ORDER BY container = ?".replace("?", f"'{identity}'"))
    assert leases[1][1] == identity
    assert leases[1][0] == document["subnets"][0]["gateway"][:-1] + "2"
    assert leases[0][0] == document["subnets"][0]["gateway"][:-1] + "3"
    [place] = [
        json.loads(row[0]) for row in rows(box, f"SELECT place FROM container_network WHERE container = '{identity}'")
    ]
    assert place == {"interface": "eth0", "aliases": ["web"], "addresses": [], "mac": ""}
    found = config(box, "c")
    assert found["namespaces"]["network"] == "bridge"
    mapping = {"host_ip": "", "container_port": 80, "host_port": 8080, "range": 1, "protocol": "tcp"}
    assert found["ports"] == [mapping]
    box.run("rm", "c", "d")
    assert rows(box, "SELECT * FROM lease") == rows(box, "SELECT * FROM container_network") == []


def test_addresses_that_were_asked_for(box: Pod, busybox: str) -> None:
    create(box, busybox, "first", "--network", "bridge")
    gateway = json.loads(rows(box, "SELECT document FROM network")[0][0])["subnets"][0]["gateway"]
    wanted = gateway[:-1] + "77"
    create(box, busybox, "c", "--network", "bridge", "--ip", wanted, "--mac-address", "02:00:00:00:00:07")
    assert (wanted,) in rows(box, "SELECT address FROM lease")
    # The one that has it does not run: it gets another one at its start.
    create(box, busybox, "d", "--network", f"bridge:ip={wanted}")
    assert rows(box, f"SELECT count(*) FROM lease WHERE address = '{wanted}'") == [(1,)]
    failed = box.run("create", "--network", "bridge", "--ip6", "fd00::9", busybox, "true", check=False)
    assert failed.code == 125
    assert failed.stderr == "Error: requested static ip fd00::9 not in any subnet on network podman\n"
    failed = box.run("create", "--network", "bridge", "--ip", gateway, busybox, "true", check=False)
    assert "is the gateway of network podman" in failed.stderr
    failed = box.run("create", "--network", "bridge", "--ip", gateway[:-1] + "0", busybox, "true", check=False)
    assert "is the own name of network podman" in failed.stderr
    assert len(rows(box, "SELECT id FROM container")) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "nix"], "unable to find network with name or ID nix: network not found"),
        (
            ["--network", "none", "--ip", "10.1.1.1"],
            "--ip can only be set when the network mode is bridge: invalid argument",
        ),
        (["--ip", "1.2.3"], '"1.2.3" is not an ip address'),
        (["--ip6", "fd"], '"fd" is not an ip address'),
        (["--mac-address", "xx"], "address xx: invalid MAC address"),
        (
            ["--network", "host", "--network-alias", "a"],
            "--network-alias can only be set when the network mode is bridge",
        ),
        (["--expose", "x"], "invalid range format for --expose: x"),
        (["-p", "80/foo"], 'unrecognized protocol "foo" in port mapping'),
        (["--network", "none", "--dns", "1.1.1.1"], "conflicting options: dns and the network mode: none"),
        (["--dns-search", "a b"], "a b is not a valid domain"),
        (
            ["--dns-option", "a", "--dns", "none"],
            "invalid config provided: UseImageResolvConf and DNSOption are mutually",
        ),
    ],
)
def test_mistakes(box: Pod, busybox: str, options: list[str], message: str) -> None:
    failed = box.run("run", "--rm", *options, busybox, "true", check=False)
    assert failed == box.run("create", *options, busybox, "true", check=False)
    assert failed.code == 125
    assert failed.stderr.startswith(f"Error: {message}")
    assert box.run("ps", "-aq").out == ""


def test_ports_without_a_network(box: Pod, busybox: str) -> None:
    done = box.run("create", "--name", "c", "--network", "host", "--publish", "80:80", busybox, "true")
    assert done.stderr.startswith("Port mappings have been discarded as one of the Host, Container, Pod, and None")
    assert "ports" not in config(box, "c")


def test_all_ports(box: Pod, busybox: str) -> None:
    create(box, busybox, "c", "--network", "bridge", "--expose", "80-81", "--expose", "53/udp", "--publish-all")
    found = config(box, "c")
    assert [(one["container_port"], one["protocol"]) for one in found["ports"]] == [
        (80, "tcp"),
        (81, "tcp"),
        (53, "udp"),
    ]
    assert found["network"]["expose"] == ["53/udp", "80/tcp", "81/tcp"]
    assert found["network"]["publish_all"]


def test_copy_is_on_the_same_networks(box: Pod, busybox: str) -> None:
    create(box, busybox, "c", "--network", "bridge:alias=db")
    box.run("container", "clone", "c", "copy")
    assert [json.loads(row[0])["aliases"] for row in rows(box, "SELECT place FROM container_network")] == [["db"]] * 2
    assert len({row[0] for row in rows(box, "SELECT address FROM lease")}) == 2
