"""Mounts of containers on the host: what cannot be unmounted is told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pod.config import Config
from pod.containers.tree import host_mounts
from pod.errors import PodError


def test_a_mount_that_stays_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(
        graphroot=str(tmp_path), runroot=str(tmp_path), uid=0, rootless=False, home=str(tmp_path), user="root"
    )
    place = host_mounts.path(config, "c" * 64)
    os.makedirs(place)
    host_mounts.release(config, "c" * 64)  # nothing is mounted

    def refuse(path: str, flags: int) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), path)

    monkeypatch.setattr(host_mounts, "is_mount", lambda path: True)
    monkeypatch.setattr("runtime.syscalls.umount2", refuse)
    with pytest.raises(PodError, match=r"unmounting container c{64}: operation not permitted") as raised:
        host_mounts.release(config, "c" * 64)
    assert place in raised.value.hint
