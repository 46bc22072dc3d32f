"""The table [network] of containers.conf."""

from typing import Any

import pytest

from pod.errors import PodError
from pod.networks import settings, subnets


def test_defaults() -> None:
    settings.check_backend({})
    assert settings.has_firewall({})
    assert settings.bind_port({}) == 0
    assert settings.default_name({}) == "podman"
    assert str(settings.default_subnet({})) == "10.88.0.0/16"
    assert settings.pools({}) == [*subnets.POOLS]


def test_what_is_said() -> None:
    settings.check_backend({"network_backend": "netavark"})
    for command in ("", "pasta", "slirp4netns"):
        settings.check_rootless_command({"default_rootless_network_cmd": command})
    assert settings.has_firewall({"firewall_driver": "nftables"})
    assert not settings.has_firewall({"firewall_driver": "none"})
    assert settings.bind_port({"dns_bind_port": 5353}) == 5353
    assert settings.default_name({"default_network": "mine"}) == "mine"
    assert str(settings.default_subnet({"default_subnet": "10.1.2.3/20"})) == "10.1.0.0/20"
    assert settings.pools({"default_subnet_pools": [{"base": "10.9.0.0/16", "size": 28}]}) == [("10.9.0.0/16", 28)]


@pytest.mark.parametrize(
    ("reads", "table", "message"),
    [
        (settings.check_backend, {"network_backend": "x"}, 'unsupported network backend "x", check network_backend in'),
        (
            settings.check_rootless_command,
            {"default_rootless_network_cmd": "x"},
            'invalid default_rootless_network_cmd option "x"',
        ),
        (settings.has_firewall, {"firewall_driver": "iptables"}, 'unsupported firewall driver "iptables"'),
        (settings.bind_port, {"dns_bind_port": 70000}, "dns_bind_port 70000 in containers.conf: it must be between"),
        (settings.bind_port, {"dns_bind_port": "53"}, "dns_bind_port 53 in containers.conf"),
        (settings.default_subnet, {"default_subnet": "x"}, "failed to parse default subnet: invalid CIDR address: x"),
        (settings.pools, {"default_subnet_pools": [{"base": "x", "size": 24}]}, "invalid subnet pool"),
        (settings.pools, {"default_subnet_pools": [{"base": "10.9.0.0/24"}]}, "invalid subnet pool"),
        (settings.pools, {"default_subnet_pools": [{"base": "10.9.0.0/24", "size": 16}]}, "invalid subnet pool"),
        (settings.pools, {"default_subnet_pools": ["10.9.0.0/24"]}, "invalid subnet pool"),
    ],
)
def test_mistakes(reads: Any, table: dict[str, Any], message: str) -> None:
    with pytest.raises(PodError, match=message):
        reads(table)
