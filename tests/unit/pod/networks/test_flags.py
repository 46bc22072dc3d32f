"""What --network and the flags beside it come to, and podman's words for what makes no sense."""

from __future__ import annotations

import pytest

from pod.errors import PodError
from pod.networks import dns_flags, flags
from pod.networks.flags import NetworkRequest


def request(
    *words: str, addresses: tuple[str, ...] = (), mac: str = "", aliases: tuple[str, ...] = ()
) -> NetworkRequest:
    made = NetworkRequest()
    made.words, made.mac, made.aliases = list(words), mac, list(aliases)
    made.addresses = [("--ip6" if ":" in address else "--ip", address) for address in addresses]
    return made


@pytest.mark.parametrize(
    ("words", "mode", "names"),
    [
        ([], "private", []),
        ([""], "private", []),
        (["private"], "private", []),
        (["default"], "private", []),
        (["none"], "none", []),
        (["host"], "host", []),
        (["pasta"], "pasta", []),
        (["container:x"], "container:x", []),
        (["ns:/proc/1/ns/net"], "ns:/proc/1/ns/net", []),
        (["bridge"], "bridge", [""]),
        (["a,b"], "bridge", ["a", "b"]),
        (["a", "b:ip=10.1.1.1", "bridge"], "bridge", ["a", "b", ""]),
    ],
)
def test_modes(words: list[str], mode: str, names: list[str]) -> None:
    wanted = flags.parse(request(*words))
    assert (wanted.mode, [name for name, _ in wanted.networks]) == (mode, names)


def test_options_of_a_network() -> None:
    text = "web:ip=10.1.1.1,ip6=FD00::0:1,mac=AA-BB-CC-DD-EE-FF,alias=a,alias=b,interface_name=lan"
    assert flags.parse(request(text)).networks == [
        (
            "web",
            {
                "interface": "lan",
                "aliases": ["a", "b"],
                "addresses": ["10.1.1.1", "fd00::1"],
                "mac": "aa:bb:cc:dd:ee:ff",
            },
        )
    ]


def test_options_of_pasta() -> None:
    assert flags.parse(request("pasta:-t,8080")).pasta == ["-t", "8080"]


def test_flags_of_the_one_network() -> None:
    wanted = flags.parse(request(addresses=("10.88.0.9", "fd00::9"), mac="02:00:00:00:00:01", aliases=("db",)))
    place = {"interface": "", "aliases": ["db"], "addresses": ["10.88.0.9", "fd00::9"], "mac": "02:00:00:00:00:01"}
    assert wanted.networks == [("", place)]
    assert [place["aliases"] for _, place in flags.parse(request("a", "b", aliases=("db",))).networks] == [["db"]] * 2


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (request("bridge:foo=1"), "unknown bridge network option: foo"),
        (request("bridge:ip=x"), 'invalid ip address "x"'),
        (request("bridge:mac=x"), "address x: invalid MAC address"),
        (request("bridge:mac=01:00:00:00:00:01"), "address 01:00:00:00:00:01: invalid MAC address"),
        (request("bridge:alias="), "alias cannot be empty"),
        (request("mine:foo=1"), "invalid option for network mine: unknown bridge network option: foo"),
        (request("bridge:interface_name="), "interface_name cannot be empty"),
        (request("bridge:interface_name=../etc"), "invalid interface name '../etc'"),
        (request("ns:"), "invalid config provided: namespace mode path requires a value"),
        (
            request("bridge", "host"),
            "can only set extra network names, selected mode host conflicts with bridge: invalid argument",
        ),
        (
            request("host", "bridge"),
            "cannot set multiple networks without bridge network mode, selected mode host: invalid argument",
        ),
        (request("a", ":ip=10.1.1.1"), "network name cannot be empty: invalid argument"),
        (request("slirp4netns"), "slirp4netns is not supported: it has been removed: invalid argument"),
        (
            request("host", addresses=("10.1.1.1",)),
            "--ip can only be set when the network mode is bridge: invalid argument",
        ),
        (
            request("none", mac="02:00:00:00:00:01"),
            "--mac-address can only be set when the network mode is bridge: invalid argument",
        ),
        (
            request("host", aliases=("a",)),
            "--network-alias can only be set when the network mode is bridge: invalid argument",
        ),
        (request("a", "b", addresses=("10.1.1.1",)), "--ip can only be set for a single network: invalid argument"),
        (request(addresses=("1.2.3",)), '"1.2.3" is not an ip address'),
        (request(mac="xx"), "address xx: invalid MAC address"),
    ],
)
def test_mistakes(made: NetworkRequest, message: str) -> None:
    with pytest.raises(PodError) as raised:
        flags.parse(made)
    assert str(raised.value) == message


def test_name_servers() -> None:
    found = dns_flags.parse(["1.1.1.1,FD00::1"], ["example.org"], ["ndots:1"])
    assert found["dns_servers"] == ["1.1.1.1", "fd00::1"]
    assert found["dns_search"] == ["example.org"]
    assert found["dns_options"] == ["ndots:1"]
    assert found["resolv_conf"]
    assert not dns_flags.parse(["none"], [], [])["resolv_conf"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ((["x"], [], []), "x is not an ip address"),
        ((["none", "1.1.1.1"], [], []), "none is not allowed to be specified with other DNS ip addresses"),
        (([], [".", "a"], []), "cannot pass additional search domains when also specifying '.'"),
        (([], ["a b"], []), "a b is not a valid domain"),
        (
            (["none"], ["a"], []),
            "invalid config provided: UseImageResolvConf and DNSSearch are mutually exclusive options",
        ),
    ],
)
def test_mistakes_about_name_servers(said: tuple[list[str], list[str], list[str]], message: str) -> None:
    with pytest.raises(PodError) as raised:
        dns_flags.parse(*said)
    assert str(raised.value) == message
