"""The names of networks in lists of containers."""

import sqlite3
from types import SimpleNamespace
from typing import Any

from pod.containers import listing


def test_they_are_asked_for_once() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE container_network (container, network)")
    connection.executemany("INSERT INTO container_network VALUES (?, ?)", [("a", "two"), ("a", "one"), ("b", "one")])
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    engine: Any = SimpleNamespace(connection=connection)
    seen = listing.Seen([])

    def named(identity: str, mode: str) -> list[str]:
        container: Any = SimpleNamespace(id=identity, config={"namespaces": {"network": mode}})
        status: Any = None
        return listing.networks(engine, listing.Listed(container, status, seen))

    assert named("a", "bridge") == ["one", "two"]
    assert named("b", "bridge") == ["one"]
    assert named("c", "bridge") == named("a", "host") == []
    assert named("c", "pasta") == ["pasta"]
    assert len(asked) == 1


def test_ports() -> None:
    mapping = {"host_ip": "", "container_port": 80, "host_port": 8080, "range": 2, "protocol": "tcp"}
    expose = ["80/tcp", "90/tcp", "91/tcp", "92/tcp", "94/tcp", "81/udp"]
    config = {"ports": [mapping, {**mapping, "host_ip": "::1", "range": 1}], "network": {"expose": expose}}
    one: Any = SimpleNamespace(container=SimpleNamespace(config=config))
    assert listing.ports(one) == "0.0.0.0:8080-8081->80-81/tcp, ::1:8080->80/tcp, 90-92/tcp, 94/tcp, 81/udp"
