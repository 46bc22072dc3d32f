"""What pasta is told, and what a container with a pasta sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pod.containers.inside import files, resolv_conf
from pod.errors import PodError
from pod.networks import pasta

OWN = ["--address", "10.0.2.100", "--netmask", "24", "--gateway", "10.0.2.2"]
NO_PORTS = ["-t", "none", "-u", "none", "-T", "none", "-U", "none"]


def told(*options: str, ports: tuple[dict[str, Any], ...] = (), new: bool = False, forwards: bool = False) -> list[str]:
    return pasta.arguments([*options], [*ports], maps_host=new, forwards=forwards)


def published(host: int, container: int, count: int = 1, protocol: str = "tcp", address: str = "") -> dict[str, Any]:
    return {
        "host_ip": address,
        "host_port": host,
        "container_port": container,
        "range": count,
        "protocol": protocol,
    }


def test_the_command_line_of_podman() -> None:
    assert told(new=True) == ["--config-net", *NO_PORTS, "--no-map-gw", "--quiet", "--map-guest-addr", "169.254.1.2"]


def test_the_version_of_2023_gives_an_address_of_its_own() -> None:
    assert told() == ["--config-net", *OWN, *NO_PORTS, "--no-map-gw", "--quiet"]
    assert told("-a", "192.0.2.7")[:3] == ["--config-net", "-a", "192.0.2.7"]
    assert "--address" not in told("--gateway=192.0.2.1")
    assert told("--mtu", "1400")[:3] == ["--config-net", "--mtu", "1400"]


def test_ports() -> None:
    ports = (published(8080, 80), published(9000, 90, 10, "udp"), published(1, 2, address="::1"))
    found = told(ports=ports, new=True)
    assert found[1:7] == ["-t", "8080-8080:80-80", "-u", "9000-9009:90-99", "-t", "::1/1-1:2-2"]
    assert found[7:11] == NO_PORTS[4:]
    assert told(ports=ports) == told()
    with pytest.raises(PodError, match="can't forward protocol: sctp"):
        told(ports=(published(1, 2, protocol="sctp"),))


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        (["-t", "auto"], ["-t", "none"]),
        (["--udp-ports=auto"], ["-u", "none"]),
        (["-T", "5201"], ["-T", "none"]),
        (["--debug"], ["--quiet"]),
        (["--map-gw"], ["--no-map-gw"]),
        (["--map-guest-addr", "192.0.2.9"], ["169.254.1.2"]),
    ],
)
def test_the_user_has_the_last_word(options: list[str], missing: list[str]) -> None:
    found = told(*options, new=True)
    text = f" {' '.join(found)} "
    assert f" {' '.join(missing)} " not in text
    assert "--map-gw" not in found
    assert options == ["--map-gw"] or f" {' '.join(options)} " in text


def test_questions_for_names_are_forwarded_where_the_host_asks_itself() -> None:
    assert "--dns-forward" not in told()
    assert " --dns-forward 169.254.1.1 " in " ".join(told(forwards=True))
    assert told("--dns-forward", "192.0.2.1", forwards=True).count("--dns-forward") == 1


@pytest.mark.parametrize(
    ("options", "new", "addresses", "host"),
    [
        ([], False, ["10.0.2.100"], "198.51.100.1"),
        ([], True, ["198.51.100.1"], "169.254.1.2"),
        (["-i", "eth1"], True, [], "169.254.1.2"),
        (["-a", "192.0.2.7/24"], True, ["192.0.2.7"], "169.254.1.2"),
        (["-a", "192.0.2.7"], False, ["192.0.2.7"], "198.51.100.1"),
        (["-n", "24"], False, ["198.51.100.1"], ""),  # its address is the host's, which leads nowhere else then
        (["--map-guest-addr", "none"], True, ["198.51.100.1"], ""),
    ],
)
def test_what_the_container_sees(
    monkeypatch: pytest.MonkeyPatch, options: list[str], new: bool, addresses: list[str], host: str
) -> None:
    monkeypatch.setattr(files, "host_address", lambda: "198.51.100.1")
    reach = pasta.Connector("pasta", options, told(*options, new=new)).reach
    assert (reach.addresses, reach.host) == (addresses, host)


@pytest.mark.parametrize(
    ("text", "asks_itself"),
    [
        ("nameserver 127.0.0.53\n", True),
        ("nameserver ::1\nnameserver 127.0.0.1\n", True),
        ("nameserver 192.0.2.1\nnameserver 127.0.0.1\n", False),
        ("nameserver 2001:db8::1\n", False),
        ("", False),
    ],
)
def test_whom_the_host_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, asks_itself: bool) -> None:
    (tmp_path / "resolv.conf").write_text(text)
    monkeypatch.setattr(resolv_conf, "HOST", str(tmp_path / "resolv.conf"))
    assert files.asks_itself() is asks_itself


def test_the_forwarder_takes_the_place_of_the_loopback() -> None:
    host = resolv_conf.parse("search a\nnameserver 127.0.0.53\nnameserver 127.0.0.1\nnameserver 192.0.2.1\n")
    assert host.reached_by("169.254.1.1").servers == ["169.254.1.1", "192.0.2.1"]
    assert host.reached_by("") is host
