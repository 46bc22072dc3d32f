"""A command that is killed while what copies for it is between two names of a file."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from pod.containers.copying.tree import ENDING, Copier, Policy
from storage import worker


def test_what_is_being_replaced_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "file").write_text("new")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "file").write_text("old")
    reached, reaches = os.pipe()
    ended, ends = os.pipe()  # which only what copies has open at the end
    command = os.fork()
    if command == 0:
        try:
            copy_slowly(tmp_path, reaches)
        finally:
            os._exit(1)
    os.close(reaches)
    os.close(ends)
    assert os.read(reached, 1) == b"."
    os.kill(command, signal.SIGKILL)
    os.waitpid(command, 0)
    assert os.read(ended, 1) == b""
    assert os.listdir(tmp_path / "to") == ["file"]
    assert (tmp_path / "to" / "file").read_text() == "new"
    os.close(reached)
    os.close(ended)


def copy_slowly(place: Path, reaches: int) -> None:
    """Copy in a worker that goes on between the names when its command is no more."""
    rename, command = os.rename, os.getpid()

    def slow(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        os.write(reaches, b".")
        while os.getppid() == command:
            time.sleep(0.01)
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    os.rename = slow  # type: ignore[assignment]
    here, there = (os.open(place / name, os.O_RDONLY | os.O_DIRECTORY) for name in ("from", "to"))
    own = (os.geteuid(), os.getegid())

    def run(_report: object) -> dict[str, bool]:
        Copier(Policy(lambda uid, gid: own), there).copy_contents(here)
        return {}

    worker.fork(worker.Worker, run, "copying", ending=ENDING).values()
