"""What is told of networks and ports, and what is refused, by podman and by pod: the same. Nothing is started here."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures import engines
from tests.fixtures.command import Pod, make_pod
from tests.fixtures.nethost import nethost
from tests.fixtures.user import current_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NETWORKS = (
    ("--subnet", "10.89.50.0/24", "--label", "a=b", "--opt", "mtu=1400", "one"),
    ("--subnet", "10.89.60.0/24", "--gateway", "10.89.60.9", "--ip-range", "10.89.60.128/25", "two"),
    ("--subnet", "fd00:50::/64", "--ipv6", "six"),
)
CONTAINERS = {
    "ports": (
        *(
            "-p",
            "8080:80",
            "-p",
            "8082-8083:82-83",
            "-p",
            "8081:81",
            "-p",
            "127.0.0.1:5353:53/udp",
            "-p",
            "[::1]:70:70",
        ),
        *("--network", "one:alias=www,ip=10.89.50.7", "--expose", "7777"),
    ),
    "names": (
        *("--network", "one,two", "--add-host", "x:1.2.3.4", "--dns", "9.9.9.9", "--dns-search", "a.b"),
        *("--dns-option", "ndots:1"),
    ),
    "plain": ("-p", "9000:90"),
    "host": ("--network", "host"),
}
REFUSED = (
    "network create --subnet 10.89.50.0/25 new",
    "network create --subnet 198.51.100.0/24 new",
    "network create --subnet foo new",
    "network create --subnet 10.1.2.3 new",
    "network create --gateway 10.1.0.1 new",
    "network create --gateway foo new",
    "network create --subnet 10.1.0.0/24 --gateway 10.2.0.1 new",
    "network create --subnet 10.1.0.0/24 --ip-range 10.2.0.0/25 new",
    "network create --subnet 10.1.0.0/24 --gateway 10.1.0.1 --gateway 10.1.0.2 new",
    "network create one",
    "network create host",
    "network create none",
    "network create -d foo new",
    "network create -o vlan=5000 new",
    "network rm nope",
    "network rm one",
    "network inspect nope",
    "network exists nope",
    "network ls --filter foo=bar",
    "network ls --filter dangling=x",
    "network ls --filter name",
    "network prune -f --filter foo=bar",
    "network prune -f --filter name",
    "create --network nope IMAGE",
    "create --network one,nope IMAGE",
    "create --network one:foo=bar IMAGE",
    "create --network one --network host IMAGE",
    "create --network host --network one IMAGE",
    "create --network one --mac-address xx IMAGE",
    "create --network one --ip foo IMAGE",
    "create --network container:nope IMAGE",
    "create --network container:plain --dns 1.1.1.1 IMAGE",
    "create --network none --dns 1.1.1.1 IMAGE",
    "create --network ns:/nope IMAGE",
    "create -p 99999:80 IMAGE",
    "create -p 80-82:80 IMAGE",
    "create -p foo IMAGE",
    "create -p 1.2.3.4.5:80:80 IMAGE",
    "create -p 80:80/foo IMAGE",
    "create --dns foo IMAGE",
    "create --dns-search a..b IMAGE",
    "create --add-host foo IMAGE",
    "create --add-host foo:1.2.3 IMAGE",
    "port nope",
    "port plain x",
    "port plain 1/2/3",
    "port --all 80",
)


@pytest.fixture(scope="module")
def both(workplace: str, runtime_command: str, busybox: str) -> Iterator[tuple[Pod, Pod]]:
    """Podman and pod on a host of the tests' own, with the same networks and containers."""
    user = current_user()
    directory = os.path.join(workplace, "networks")
    pod = make_pod(runtime_command.removesuffix("-runtime"), os.path.join(workplace, "networks-pod"), user)
    pod.environment.pop("CONTAINERS_CONF_OVERRIDE", None)
    pod.run("pull", "--quiet", busybox)
    with nethost() as host, engines.podman(directory, user, engines.program("runc")) as oracle:
        oracle.pull(busybox)
        oracle.options += ["--network-config-dir", os.path.join(directory, "networks")]
        podman = dataclasses.replace(oracle, command="nsenter", options=[*host.prefix[1:], *oracle.argv()])
        pod = dataclasses.replace(pod, command="nsenter", options=[*host.prefix[1:], *pod.argv()])
        for engine in (podman, pod):
            for network in NETWORKS:
                engine.run("network", "create", *network)
            for name, options in CONTAINERS.items():
                engine.run("create", "--name", name, *options, busybox, "true")
        yield podman, pod
        for engine in (podman, pod):
            engine.run("rm", "--force", "--all")


def told(engine: Pod, *arguments: str) -> Any:
    """Return what JSON a command prints, without what differs from run to run or by decision (see below)."""
    return plain(json.loads(engine.run(*arguments).out))


DIFFERENT = ("id", "created", "network_interface", "dns_enabled")


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        # That all addresses are meant is written out, as podman does since 5. We have names where CNI has none.
        value = {key: "" if (key, item) == ("HostIp", "0.0.0.0") else plain(item) for key, item in value.items()}
        return {
            key: item for key, item in value.items() if key not in ("id", "created", "network_interface", "dns_enabled")
        }
    if isinstance(value, list):
        return [plain(item) for item in value]
    return re.sub(r"\b[0-9a-f]{12}\b", "ID", value) if isinstance(value, str) else value


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(both: tuple[Pod, Pod], name: str) -> None:
    fields = ("PortBindings", "NetworkMode", "Dns", "DnsSearch", "DnsOptions", "ExtraHosts")
    found = []
    for engine in both:
        [document] = told(engine, "inspect", name)
        settings = document["NetworkSettings"]
        if name == "host":
            settings.pop("Networks", None)  # has the mode in it, as podman does since 5
        host = {field: document["HostConfig"][field] for field in fields}
        # Podman tells of what is only exposed here, too, until 5.
        host["PortBindings"] = {port: at for port, at in host["PortBindings"].items() if at is not None}
        found.append((settings, host))
    assert found[1] == found[0]


def test_lists(both: tuple[Pod, Pod]) -> None:
    for line in (
        ("ps", "-a", "--sort", "names", "--format", "{{.Names}}|{{.Ports}}|{{.Networks}}"),
        ("ps", "-a", "--filter", "network=one", "--sort", "names", "--format", "{{.Names}}"),
        ("ps", "-a", "--filter", "network=nope", "--format", "{{.Names}}"),
        ("network", "ls", "-q"),
        ("network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Labels}} {{.Options}} {{.IPv6Enabled}} {{.Internal}}"),
        ("network", "ls", "-q", "--filter", "label=a=b"),
        ("network", "ls", "-q", "--filter", "name=o"),
        ("network", "ls", "-q", "--filter", "driver=bridge"),
        ("network", "ls", "-q", "--filter", "dangling=true"),
        ("network", "inspect", "--format", "{{.Name}} {{range .Subnets}}{{.Subnet}} {{.Gateway}}{{end}}", "one", "two"),
        ("network", "inspect", "--format", "{{.Labels}} {{.Options}}", "one"),
        ("port", "ports"),
    ):
        podman, pod = (engine.run(*line) for engine in both)
        # Podman shows there what is only exposed since 5; its order of addresses and protocols is that of the moment.
        assert words(pod.out.replace(", 7777/tcp", "")) == words(podman.out), line
    theirs, ours = ({one["Names"][0]: one for one in told(engine, "ps", "-a", "--format", "json")} for engine in both)
    for name in CONTAINERS:
        assert sorted(ours[name]["Networks"]) == sorted(theirs[name]["Networks"])
        assert ordered(ours[name]["Ports"]) == ordered(theirs[name]["Ports"])
    assert told(both[1], "network", "ls", "--format", "json") == told(both[0], "network", "ls", "--format", "json")


def words(text: str) -> list[str]:
    return sorted(re.split(r", ?|[|\n]", text))


def ordered(ports: list[dict[str, Any]] | None) -> list[list[tuple[str, Any]]]:
    return sorted(sorted(one.items()) for one in ports or [])


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_refused(both: tuple[Pod, Pod], busybox: str, line: str) -> None:
    podman, pod = (engine.run(*line.replace("IMAGE", busybox).split(), check=False) for engine in both)
    assert pod.code == podman.code != 0
    assert first(pod.stderr) == first(podman.stderr).replace("podman", "pod")


def first(text: str) -> str:
    return text.partition("\n")[0]
