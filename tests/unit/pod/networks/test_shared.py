"""What members of the shared network namespace tell each other by files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pod.networks import shared
from runtime.monitor import shared as members


def test_nobody_settles_while_a_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Path(shared.directory(str(tmp_path)))
    directory.mkdir()
    rename, seen = os.rename, []

    def watched(old: bytes, new: bytes) -> None:
        with pytest.raises(BlockingIOError):
            members.lock(os.fsencode(directory), wait=False)
        seen.append(new)
        rename(old, new)

    monkeypatch.setattr(os, "rename", watched)
    shared.tell(str(tmp_path), "c", ["10.1.0.2"], ["10.1.0.0/24"])
    assert seen == [os.fsencode(directory / f"{members.TOLD.decode()}c")]
    os.close(members.lock(os.fsencode(directory), wait=False))
    members.settle(os.fsencode(directory))
    assert os.listdir(directory) == [members.LOCK.decode()]
