"""Checking a store while others are at work in it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from storage.check import find
from storage.store import open_store

SECONDS = 1.0


def test_directories_that_go_while_they_are_looked_at(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    child = os.fork()
    if child == 0:
        while True:
            for act in (os.mkdir, os.rmdir):
                for number in range(50):
                    act(f"{store.layers}/{number}")
    try:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            assert find(store, unused_seconds=3600) == []
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    store.close()
