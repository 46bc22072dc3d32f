"""hosts and resolv.conf of containers."""

import os
from pathlib import Path
from typing import Any

import pytest

from pod.containers.configuration import DEFAULTS
from pod.containers.inside import files, hosts, resolv_conf
from pod.errors import PodError

HOST = (
    "nameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nsearch lan home\noptions edns0 trust-ad\n"
)
BASE = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n"


def text(host: str = HOST, /, **given: object) -> str:
    wanted = {f"dns_{name}": given.pop(name, []) for name in ("servers", "search", "options")}
    settings: object = given.pop("settings", {})
    asked = resolv_conf.asked(wanted, settings)  # type: ignore[arg-type]
    return resolv_conf.for_container(resolv_conf.parse(host), asked, **({"own": []} | given)).text()  # type: ignore[arg-type]


def test_loopback_servers_of_the_host_are_dropped() -> None:
    assert text() == "search lan home\nnameserver 192.0.2.53\noptions edns0 trust-ad\n"
    assert text("nameserver ::1\n") == "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"


def test_who_shares_the_hosts_network_keeps_them() -> None:
    assert text("nameserver 127.0.0.53\n", shares_host=True) == "nameserver 127.0.0.53\n"


def test_the_resolver_answers_for_all_servers() -> None:
    given = text(own=["127.0.0.11"], domain="dns.podman", servers=["9.9.9.9"])
    assert given == "search dns.podman lan home\nnameserver 127.0.0.11\noptions edns0 trust-ad\n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"servers": ["127.0.0.1"]}, "search lan home\nnameserver 127.0.0.1\noptions edns0 trust-ad\n"),
        ({"search": ["a.test"]}, "search a.test\nnameserver 192.0.2.53\noptions edns0 trust-ad\n"),
        ({"search": ["."], "domain": "dns.podman"}, "nameserver 192.0.2.53\noptions edns0 trust-ad\n"),
        ({"options": ["ndots:2"]}, "search lan home\nnameserver 192.0.2.53\noptions ndots:2\n"),
    ],
)  # fmt: skip
def test_flags_come_before_the_host(given: dict[str, object], expected: str) -> None:
    assert text(HOST, **given) == expected


def test_the_configuration_comes_before_the_flags() -> None:
    settings = {"dns_servers": ["9.9.9.1"], "dns_searches": ["b.test"], "dns_options": ["ndots:1"]}
    assert text(settings=settings) == "search b.test\nnameserver 9.9.9.1\noptions ndots:1\n"
    assert text(settings=settings, servers=["9.9.9.2"], search=["a.test"], options=["x"]) == (
        "search b.test a.test\nnameserver 9.9.9.1\nnameserver 9.9.9.2\noptions ndots:1 x\n"
    )
    assert text(settings={"dns_servers": ["none"]}) == text()


def test_resolved_is_seen_through() -> None:
    assert resolv_conf.is_stub("nameserver 127.0.0.53\noptions edns0\n")
    assert not resolv_conf.is_stub(HOST)


def test_hosts_has_own_names_and_the_host() -> None:
    own = [("10.89.0.2", ["box", "web", "box"]), ("fd00::2", ["box", "web"])]
    assert hosts.text(BASE + "# comment\n", added=[], own=own, host="10.89.0.1") == (
        BASE + "10.89.0.1\thost.containers.internal host.docker.internal\n10.89.0.2\tbox web\nfd00::2\tbox web\n"
    )
    assert hosts.text(BASE, added=[], own=[], host="") == BASE
    assert hosts.text("", added=[], own=own[1:], host="") == (
        "127.0.0.1\tlocalhost\n::1\tlocalhost\nfd00::2\tbox web\n"
    )
    assert hosts.text("192.0.2.9 box # a\n" + BASE, added=[], own=own[:1], host="") == (
        "192.0.2.9\tbox\n" + BASE + "10.89.0.2\tweb\n"
    )


def test_what_is_added_counts() -> None:
    added = [hosts.added("a;box:192.0.2.1"), hosts.added("host.docker.internal:[2001:db8::1]")]
    assert hosts.text("192.0.2.9\ta b # a\n", added=added, own=[("10.0.0.2", ["box"])], host="10.0.0.1") == (
        "192.0.2.1\ta box\n2001:db8::1\thost.docker.internal\n192.0.2.9\tb\n"
        "127.0.0.1\tlocalhost\n::1\tlocalhost\n10.0.0.1\thost.containers.internal\n"
    )


def test_a_base_that_names_the_host_keeps_that() -> None:
    base = BASE + "192.0.2.9\thost.containers.internal\n"
    assert hosts.text(base, added=[], own=[], host="10.0.0.1") == base + "10.0.0.1\thost.docker.internal\n"


def test_files_of_a_container_on_a_network(tmp_path: Path) -> None:
    config = {
        "hostname": "box",
        "namespaces": {"network": "bridge"},
        "identity": {"hosts_file": "none", "add_hosts": ["up:host-gateway", "a:[2001:db8::1]"], "timezone": ""},
        "network": DEFAULTS["network"] | {"dns_servers": ["9.9.9.9"], "dns_search": ["a.test"]},
    }
    reach = files.Reach(addresses=["10.89.0.2", "fd00::2"], names=["web"], host="10.89.0.1", names_answered=True)
    files.write(str(tmp_path), config, {}, name="c", reach=reach)  # type: ignore[arg-type]
    assert (tmp_path / "hosts").read_text() == (
        "10.89.0.1\tup\n2001:db8::1\ta\n127.0.0.1\tlocalhost\n::1\tlocalhost\n"
        "10.89.0.1\thost.containers.internal host.docker.internal\n"
        "10.89.0.2\tbox c web\nfd00::2\tbox c web\n"
    )
    assert (tmp_path / "resolv.conf").read_text().startswith("search dns.podman a.test\nnameserver 127.0.0.11\n")
    without = files.Reach(["10.88.0.2"], host="10.88.0.1")
    files.write(str(tmp_path), config, {}, name="c", reach=without)  # type: ignore[arg-type]
    assert "nameserver 9.9.9.9\n" in (tmp_path / "resolv.conf").read_text()


def test_the_address_of_the_host_may_be_configured(tmp_path: Path) -> None:
    identity = {"hosts_file": "none", "add_hosts": ["up:host-gateway"], "timezone": ""}
    config: dict[str, Any] = {
        "hostname": "box", "namespaces": {"network": "bridge"}, "identity": identity, "network": DEFAULTS["network"]
    }  # fmt: skip
    reach = files.Reach(["10.88.0.2"], host="10.88.0.1")
    settings = {"host_containers_internal_ip": "192.0.2.7"}
    files.write(str(tmp_path), config, settings, name="c", reach=reach)  # type: ignore[arg-type]
    written = (tmp_path / "hosts").read_text()
    assert "192.0.2.7\tup\n" in written
    assert "192.0.2.7\thost.containers.internal host.docker.internal\n" in written
    settings = {"host_containers_internal_ip": "none"}
    with pytest.raises(PodError, match='unable to replace "host-gateway" of host entry "up:host-gateway"'):
        files.write(str(tmp_path), config, settings, name="c", reach=reach)  # type: ignore[arg-type]
    identity["add_hosts"] = []
    files.write(str(tmp_path), config, settings, name="c", reach=reach)  # type: ignore[arg-type]
    assert "internal" not in (tmp_path / "hosts").read_text()


def test_a_file_stays_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("long content\n" * 10)
    inode = os.stat(path).st_ino
    hosts.rewrite(str(path), BASE)
    assert path.read_text() == BASE
    assert os.stat(path).st_ino == inode
    (tmp_path / "link").symlink_to("hosts")
    with pytest.raises(OSError):
        hosts.rewrite(str(tmp_path / "link"), "")


def test_hosts_follow_the_networks_and_keep_what_the_container_wrote() -> None:
    now = "192.0.2.9\tmine\n10.88.0.1\thost.containers.internal host.docker.internal\n10.88.0.2\tweb box www\n"
    wanted = "10.89.0.1\thost.containers.internal host.docker.internal\n10.89.0.2\tweb box\nfd89::2\tweb box\n"
    told = hosts.renewed(now, wanted, ["web", "box"])
    assert told == "192.0.2.9\tmine\n" + wanted
    assert hosts.renewed(told, wanted, ["web", "box"]) == told
    assert hosts.renewed(told, "", ["web", "box"]) == told.replace("10.89.0.2\tweb box\nfd89::2\tweb box\n", "")
