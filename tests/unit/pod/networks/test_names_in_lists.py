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
    seen = listing.Seen()

    def named(identity: str, mode: str) -> list[str]:
        container: Any = SimpleNamespace(id=identity, config={"namespaces": {"network": mode}})
        status: Any = None
        return listing.networks(engine, listing.Listed(container, status, seen))

    assert named("a", "bridge") == ["one", "two"]
    assert named("b", "bridge") == ["one"]
    assert named("c", "bridge") == named("a", "host") == []
    assert named("c", "pasta") == ["pasta"]
    assert len(asked) == 1
