"""Being in a store, and having it for oneself to take it away."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from storage import durability
from storage.presence import Presence
from storage.store import Store, open_store


@pytest.fixture
def presence(store: Store) -> Presence:
    """That of a store's only writer."""
    assert store.presence is not None
    return store.presence


def test_nobody_is_alone_beside_another(store: Store, presence: Presence) -> None:
    other = open_store(store.root)
    assert other.presence is not None
    assert not presence.be_alone()
    assert other.presence.be_alone()  # to find the other one was to leave
    other.close()
    presence.be_together()
    assert presence.be_alone()


def test_who_comes_while_the_store_goes_gets_a_new_one(store: Store, presence: Presence) -> None:
    assert presence.be_alone()
    opened: list[Store] = []
    comer = threading.Thread(target=lambda: opened.append(open_store(store.root)))
    comer.start()
    comer.join(0.2)
    assert opened == []
    os.rename(store.root, f"{store.root}-gone")
    store.connection.close()
    assert presence.is_over()
    presence.be_together()
    comer.join(10)
    assert os.path.exists(f"{store.root}/pod.db")
    assert opened[0].presence is not None
    assert not opened[0].presence.is_over()


def test_the_others_are_told(store: Store, presence: Presence) -> None:
    assert presence.others() == []
    command = ["flock", "--shared", f"{store.root}/layers", "sh", "-c", "echo; cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert presence.others() == [other.pid]
        other.communicate(b"")


def test_making_durable_makes_no_store(tmp_path: Path) -> None:
    durability.main(str(tmp_path))
    assert os.listdir(tmp_path) == []
