"""What --publish and --expose come to, which ports the host chooses, and podman's words for what makes no sense."""

from __future__ import annotations

import socket

import pytest

from pod.errors import PodError
from pod.networks import publishing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", ("", 0, 80, 1, "tcp")),
        (":80", ("", 0, 80, 1, "tcp")),
        ("8080:80", ("", 8080, 80, 1, "tcp")),
        ("8080:80/UDP", ("", 8080, 80, 1, "udp")),
        ("8080-8082:80-82/sctp", ("", 8080, 80, 3, "sctp")),
        ("127.0.0.1:8080:80", ("127.0.0.1", 8080, 80, 1, "tcp")),
        ("127.0.0.1::80", ("127.0.0.1", 0, 80, 1, "tcp")),
        ("0.0.0.0:8080:80", ("", 8080, 80, 1, "tcp")),
        ("[::1]:8080:80", ("::1", 8080, 80, 1, "tcp")),
        ("[FD00::0:1]::80-81/tcp,udp", ("fd00::1", 0, 80, 2, "tcp,udp")),
    ],
)
def test_publish(text: str, expected: tuple[str, int, int, int, str]) -> None:
    names = ("host_ip", "host_port", "container_port", "range", "protocol")
    assert tuple(publishing.parse(text)[name] for name in names) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("80:x", 'parsing container port: invalid port number: strconv.Atoi: parsing "x": invalid syntax'),
        ("a:80", 'parsing host port: invalid port number: strconv.Atoi: parsing "a": invalid syntax'),
        ("0:80", "parsing host port: port numbers must be between 1 and 65535 (inclusive), got 0"),
        ("70000:80", "parsing host port: port numbers must be between 1 and 65535 (inclusive), got 70000"),
        (
            "80-70:80-70",
            "parsing container port: the end port of a range must be higher than the start port -"
            " 70 is not higher than 80",
        ),
        ("80-81:80", "host and container port ranges have different lengths: 2 vs 1"),
        ("80/tcp/udp", "invalid port format - protocol can only be specified once"),
        ("80/foo", 'unrecognized protocol "foo" in port mapping'),
        ("80/", "must provide a non-empty protocol to publish"),
        ("[::1]80", "invalid port format - IPv6 address must be followed by a colon (':')"),
        ("::1:80:80", "invalid port format - format is [[hostIP:]hostPort:]containerPort"),
        ("[::1]:80", "invalid port format - must provide host and destination port if specifying an IP"),
        ("1.2.3:80:80", 'cannot parse "1.2.3" as an IP address'),
        ("80:", "must provide a non-empty container port to publish"),
        ("80-", "parsing container port: must provide ending number for port range"),
        ("-5", "parsing container port: port numbers cannot be negative"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(PodError) as raised:
        publishing.parse(text)
    assert str(raised.value) == message


def test_expose() -> None:
    assert publishing.exposed("80") == (80, 1, "tcp")
    assert publishing.exposed("80-82/UDP") == (80, 3, "udp")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", 'invalid range format for --expose: x: strconv.ParseUint: parsing "x": invalid syntax'),
        ("80/foo", 'validating protocols for exposed port 80: unrecognized protocol "foo" in port mapping'),
        ("90-80", "invalid range format for --expose: 90-80: Invalid range specified for the Port: 90-80"),
    ],
)
def test_mistakes_about_exposing(text: str, message: str) -> None:
    with pytest.raises(PodError) as raised:
        publishing.exposed(text)
    assert str(raised.value) == message


def settled(*texts: str, expose: tuple[str, ...] = (), publish_all: bool = False) -> list[dict[str, object]]:
    ports = [publishing.parse(text) for text in texts]
    return publishing.settle(ports, map(publishing.exposed, expose), publish_all=publish_all)


def test_each_mapping_has_one_protocol() -> None:
    assert [one["protocol"] for one in settled("8080:80/tcp,udp")] == ["tcp", "udp"]


def test_what_is_said_twice_is_published_once() -> None:
    assert len(settled("8080:80", "8080:80", "[::1]:8080:80")) == 2


def test_two_ports_of_a_container_for_one_of_the_host() -> None:
    with pytest.raises(PodError, match=r"^conflicting port mappings for host port 8081 \(protocol tcp\)$"):
        settled("8080-8081:80-81", "8081:90")


def test_all_that_is_exposed() -> None:
    found = settled("8080:80", expose=("80", "53/udp", "90-91"), publish_all=True)
    assert [(one["container_port"], one["protocol"]) for one in found] == [
        (80, "tcp"),
        (90, "tcp"),
        (91, "tcp"),
        (53, "udp"),
    ]
    assert all(one["host_port"] for one in found)


def test_ports_of_the_hosts_choice_are_apart_and_free() -> None:
    found = settled("80-84", "90-94", "127.0.0.1::100")
    ports = [int(str(one["host_port"])) + number for one in found for number in range(int(str(one["range"])))]
    assert len(set(ports)) == 11


@pytest.mark.parametrize(
    ("host_ip", "protocol"), [("127.0.0.1", "tcp"), ("127.0.0.1", "udp"), ("::1", "tcp"), ("", "tcp")]
)
def test_a_port_that_somebody_has(host_ip: str, protocol: str) -> None:
    family = socket.AF_INET6 if ":" in host_ip else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as end:
        end.bind((host_ip, 0))
        port = end.getsockname()[1]
        if protocol == "tcp":
            end.listen()
        assert publishing.is_free(host_ip, port, protocol) == 0
    assert publishing.is_free(host_ip, port, protocol) == port


def test_what_goes_on_is_one_range() -> None:
    def joined(*texts: str) -> list[tuple[str, int, int, int, str]]:
        found = publishing.settle([publishing.parse(text) for text in texts], [], publish_all=False)
        return [
            (one["host_ip"], one["host_port"], one["container_port"], one["range"], one["protocol"]) for one in found
        ]

    assert joined("8081:81", "8080:80", "8082-8083:82-83") == [("", 8080, 80, 4, "tcp")]
    assert joined("8080-8083:80-83", "8081:81") == [("", 8080, 80, 4, "tcp")]
    assert joined("8080:80", "9081:81") == [("", 8080, 80, 1, "tcp"), ("", 9081, 81, 1, "tcp")]
    assert joined("8080:80", "8081:80") == [("", 8080, 80, 1, "tcp"), ("", 8081, 80, 1, "tcp")]
    assert joined("8080:80", "8081:81/udp") == [("", 8080, 80, 1, "tcp"), ("", 8081, 81, 1, "udp")]
    assert joined("127.0.0.1:8080:80", "8081:81") == [("127.0.0.1", 8080, 80, 1, "tcp"), ("", 8081, 81, 1, "tcp")]
