"""The whole way of a blob: verification, limits, the worker process, the header log, lower layers."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import select
import signal
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from storage.errors import CorruptError, NoSpaceError, StorageError
from storage.layers import directories, producing
from storage.layers.complete import complete
from storage.layers.rebuild import rebuild_tar
from storage.layers.unpacking import LayerResult, UnpackOptions, unpack
from storage.layers.worker import fork_unpack
from tests.fixtures.tars import archive, directory, file, header, link, pax, symlink
from tests.fixtures.unpacked import IS_ROOT, Unpacked, pieces

OPTIONS = UnpackOptions(rootless=not IS_ROOT)
TAR = archive(directory(b"d"), file(b"d/a", b"data" * 1000), symlink(b"l", b"d"), link(b"h", b"d/a"))
BLOB = gzip.compress(TAR)


def digest(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


@pytest.fixture
def staging(tmp_path: Path) -> str:
    path = tmp_path / "staging"
    path.mkdir()
    return str(path)


EXPECTED: dict[str, Any] = {
    "expected_digest": digest(BLOB),
    "expected_size": len(BLOB),
    "expected_diff_id": digest(TAR),
}


def test_result(staging: str) -> None:
    seen: list[int] = []
    result = unpack(pieces(BLOB, 50), staging, options=OPTIONS, progress=seen.append, **EXPECTED)
    assert (result.blob_digest, result.blob_size) == (digest(BLOB), len(BLOB))
    assert (result.diff_id, result.size, result.entries) == (digest(TAR), len(TAR), 4)
    assert seen == sorted(seen)
    assert seen[-1] == len(BLOB)
    assert sorted(os.listdir(staging)) == ["diff", "headers.zst"]


def test_sha512(staging: str) -> None:
    result = unpack(pieces(BLOB), staging, options=OPTIONS, expected_digest=digest(BLOB, "sha512"))
    assert result.blob_digest == digest(BLOB, "sha512")


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_without_expectations(staging: str, compress: Any) -> None:
    assert unpack(pieces(compress(TAR)), staging, options=OPTIONS).diff_id == digest(TAR)


@pytest.mark.parametrize(
    ("blob", "expected", "message"),
    [
        (BLOB, {"expected_digest": digest(b"")}, "received other bytes"),
        (BLOB, {"expected_diff_id": digest(b"")}, "unpacked other bytes"),
        (BLOB, {"expected_size": len(BLOB) + 1}, "received "),
        (BLOB, {"expected_size": len(BLOB) - 1}, "received more than"),
        (BLOB[:-20], {}, "received "),
        (BLOB + b"x", {}, "received more than"),
        (b"not a layer at all", {"expected_size": 18}, "received other bytes"),
        (b"x" * 2000, {"expected_size": 2000}, "received other bytes"),
        (gzip.compress(b"x" * 2000)[:-1] + b"!", {"expected_size": None}, "received other bytes"),
        (BLOB, {"expected_digest": "md5:" + "0" * 32}, "unknown digest algorithm"),
    ],
)
def test_other_bytes_are_refused(staging: str, blob: bytes, expected: dict[str, Any], message: str) -> None:
    with pytest.raises(CorruptError, match=message):
        unpack(pieces(blob), staging, options=OPTIONS, **{**EXPECTED, **expected})


def test_diff_id_covers_what_follows_the_end(staging: str) -> None:
    with pytest.raises(CorruptError, match="unpacked other bytes"):
        unpack(pieces(gzip.compress(TAR + bytes(512))), staging, options=OPTIONS, expected_diff_id=digest(TAR))


def test_a_correct_blob_with_a_bad_tar_tells_of_the_tar(staging: str) -> None:
    blob = gzip.compress(b"x" * 2000)
    with pytest.raises(CorruptError, match="not a number"):
        unpack(pieces(blob), staging, options=OPTIONS, expected_digest=digest(blob), expected_size=len(blob))


def test_decompression_bomb(staging: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producing, "_BOMB_SIZE", 1 << 20)
    monkeypatch.setattr(producing, "_BOMB_RATIO", 100)
    bomb = gzip.compress(header(size=1 << 30) + bytes(64 << 20))
    with pytest.raises(StorageError, match="inflate to more than"):
        unpack(pieces(bomb), staging, options=OPTIONS)


def test_a_limit_of_the_users_own(staging: str) -> None:
    with pytest.raises(StorageError, match=r"inflate to more than 1000$") as raised:
        unpack(pieces(BLOB), staging, options=replace(OPTIONS, limit=1000), **EXPECTED)
    assert "pod_max_layer_size" in raised.value.hint


def test_errors_of_the_source_pass(staging: str) -> None:
    def broken() -> Iterator[bytes]:
        yield BLOB[:100]
        raise StorageError("the network is down")

    with pytest.raises(StorageError, match="the network is down"):
        unpack(broken(), staging, options=OPTIONS, **EXPECTED)


def test_paths_of_directories_are_bounded(staging: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "_MAX_TEXT", 5000)
    deep = b"/".join([b"d"] * 40)
    parts = [
        file(deep + b"/%d/f" % number) if number % 2 else directory(deep + b"/%d" % number) for number in range(80)
    ]
    with pytest.raises(StorageError, match="the paths of its directories are longer than 5000 bytes"):
        unpack(pieces(archive(*parts)), staging, options=OPTIONS)


def test_nothing_is_flushed_to_disk(staging: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_arguments: object) -> None:
        raise AssertionError("synced")

    for name in ("fsync", "fdatasync", "sync"):
        monkeypatch.setattr(os, name, forbidden)
    unpack(pieces(BLOB), staging, options=OPTIONS, **EXPECTED)


def test_no_fds_are_leaked(staging: str, tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    unpack(pieces(BLOB), staging, options=OPTIONS, **EXPECTED)
    assert b"".join(rebuild_tar(staging)) == TAR
    for at, bad in enumerate([TAR[:600], archive(file(b"../x")), archive(link(b"a", b"b"))]):
        other = tmp_path / str(at)
        other.mkdir()
        with pytest.raises(CorruptError):
            unpack(pieces(bad), str(other), options=OPTIONS)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_is_open_stays_few(staging: str) -> None:
    parts = [file(b"%d/%d/%d/f" % (at % 7, at % 50, at), b"x") for at in range(700)]
    counts: list[int] = []

    def counted() -> Iterator[bytes]:
        for piece in pieces(archive(*parts), 10_000):
            counts.append(len(os.listdir("/proc/self/fd")))
            yield piece

    unpack(counted(), staging, options=OPTIONS)
    assert max(counts) < 400


# -- the worker process --------------------------------------------------------------------------------------


def test_worker(staging: str) -> None:
    seen: list[int] = []
    worker = fork_unpack(lambda: pieces(BLOB), staging, options=OPTIONS, progress=seen.append, **EXPECTED)
    assert select.select([worker], [], [], 30)[0]
    result = worker.result()
    assert isinstance(result, LayerResult)
    assert result.diff_id == digest(TAR)
    assert seen
    with pytest.raises(ChildProcessError):
        os.waitpid(worker.pid, 0)


def test_worker_gives_the_same_result(staging: str, tmp_path: Path) -> None:
    data = archive(file(b"im/plied\xff"), pax((b"uid", b"0")), file(b"x"), link(b"l", b"lower"))
    options = UnpackOptions(rootless=not IS_ROOT, defer_links=True)
    here = tmp_path / "here"
    here.mkdir()
    expected = unpack(pieces(data), str(here), options=options)
    assert fork_unpack(lambda: pieces(data), staging, options=options).result() == expected


@pytest.mark.parametrize(
    ("error", "received"),
    [
        (NoSpaceError("full", hint="buy a disk"), NoSpaceError),
        (CorruptError("bad"), CorruptError),
        (ValueError("bug"), StorageError),
    ],
)
def test_errors_travel(staging: str, error: Exception, received: type[StorageError]) -> None:
    def broken() -> Iterator[bytes]:
        raise error

    with pytest.raises(received, match=str(error)) as raised:
        fork_unpack(broken, staging, options=OPTIONS).result()
    assert raised.type is received
    assert raised.value.hint == getattr(error, "hint", "")


def test_a_killed_worker_is_told(staging: str) -> None:
    def stuck() -> Iterator[bytes]:
        time.sleep(60)
        return iter([b""])

    worker = fork_unpack(stuck, staging, options=OPTIONS)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(StorageError, match="ended early"):
        worker.result()
    worker = fork_unpack(stuck, staging, options=OPTIONS)
    worker.kill()
    worker.kill()


def test_the_worker_dies_with_its_parent(staging: str) -> None:
    def stuck() -> Iterator[bytes]:
        time.sleep(60)
        return iter([b""])

    read_end, write_end = os.pipe()
    parent = os.fork()
    if not parent:
        worker = fork_unpack(stuck, staging, options=OPTIONS)
        os.write(write_end, b"%d" % worker.pid)
        os.kill(os.getpid(), signal.SIGKILL)
    pid = int(os.read(read_end, 20))
    os.waitpid(parent, 0)
    os.close(write_end)
    # The worker holds the pipe's other end too: its end is the worker's.
    assert select.select([read_end], [], [], 10)[0]
    assert os.read(read_end, 1) == b""
    os.close(read_end)
    assert pid != parent


def test_the_worker_can_write_only_in_its_directory(staging: str, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.mkdir()
    (tmp_path / "victim").write_text("untouched")

    def escaping() -> Iterator[bytes]:
        (extra / "allowed").write_text("x")
        yield TAR[:512]
        Path(staging, "allowed").write_text("x")
        for attempt in (
            lambda: (tmp_path / "victim").write_text("changed"),
            lambda: os.truncate(tmp_path / "victim", 0),
            lambda: os.unlink(tmp_path / "victim"),
            lambda: os.rename(tmp_path / "victim", f"{staging}/stolen"),
            lambda: os.link(tmp_path / "victim", f"{staging}/stolen"),
            lambda: os.mkdir(tmp_path / "new"),
            lambda: os.symlink("x", tmp_path / "new"),
        ):
            try:
                attempt()
            except OSError:
                continue
            raise AssertionError("escaped")
        assert (tmp_path / "victim").read_text() == "untouched"
        yield TAR[512:]

    options = UnpackOptions(rootless=not IS_ROOT, writable=(str(extra),))
    assert fork_unpack(escaping, staging, options=options).result().diff_id == digest(TAR)
    assert sorted(os.listdir(tmp_path)) == ["extra", "staging", "victim"]


# -- the process that inflates for it ------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as listed:
        return [int(one) for one in listed.read().split()]


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_ahead_gives_the_same(staging: str) -> None:
    # More than there is room for at once, in pieces of many lengths.
    large = archive(*(file(b"%d" % size, os.urandom(size)) for size in (0, 1, 511, 3 << 20, 700_000, 1 << 20)))
    blob = gzip.compress(large, 1)
    before = os.listdir("/proc/self/fd")
    result = unpack(pieces(blob, 1 << 18), staging, options=OPTIONS, expected_digest=digest(blob), ahead=2)
    assert (result.diff_id, result.blob_digest) == (digest(large), digest(blob))
    assert (result.blob_size, result.size) == (len(blob), len(large))
    assert b"".join(rebuild_tar(staging)) == large
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize(
    ("blob", "expected", "message"),
    [
        (BLOB, {"expected_digest": digest(b"")}, "received other bytes"),
        (BLOB, {"expected_diff_id": digest(b"")}, "unpacked other bytes"),
        (BLOB[:-20], {}, "received "),
        (BLOB + b"x", {}, "received more than"),
        (b"x" * 2000, {"expected_size": 2000}, "received other bytes"),
    ],
)
def test_ahead_refuses_the_same(staging: str, blob: bytes, expected: dict[str, Any], message: str) -> None:
    with pytest.raises(CorruptError, match=message):
        unpack(pieces(blob), staging, options=OPTIONS, ahead=1, **{**EXPECTED, **expected})
    assert children(os.getpid()) == []


def test_ahead_ends_with_a_bad_tar(staging: str) -> None:
    def endless() -> Iterator[bytes]:
        yield archive(file(b"x"), file(b"x/../../y"))
        while True:
            yield bytes(1 << 16)

    with pytest.raises(StorageError):
        unpack(endless(), staging, options=replace(OPTIONS, limit=64 << 20), ahead=1)
    assert children(os.getpid()) == []


def test_a_full_disk_is_told_from_ahead(staging: str) -> None:
    def full() -> Iterator[bytes]:
        yield BLOB[:100]
        raise OSError(errno.ENOSPC, "no space")

    with pytest.raises(NoSpaceError, match="no space left"):
        unpack(full(), staging, options=OPTIONS, ahead=1)


def waiting() -> Iterator[bytes]:
    yield BLOB[:100]
    time.sleep(600)


def test_the_other_process_killed_is_told(staging: str) -> None:
    worker = fork_unpack(waiting, staging, options=OPTIONS)
    other = wait_for(lambda: children(worker.pid))[0]
    os.kill(other, signal.SIGKILL)
    with pytest.raises(StorageError, match="ended early"):
        worker.result()


def test_the_other_process_ends_with_the_worker(staging: str) -> None:
    worker = fork_unpack(waiting, staging, options=OPTIONS)
    other = wait_for(lambda: children(worker.pid))[0]
    worker.kill()
    # It has closed its files: at most it is still to be waited for, by whoever is its parent now.
    wait_for(lambda: has_ended(other))


def has_ended(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_little_is_inflated_by_the_worker_itself(staging: str) -> None:
    def counted() -> Iterator[bytes]:
        yield BLOB
        assert children(os.getpid()) == []
        assert os.getppid() == caller

    caller = os.getpid()
    assert fork_unpack(counted, staging, options=OPTIONS, **EXPECTED).result().diff_id == digest(TAR)


# -- the header log ------------------------------------------------------------------------------------------


def test_a_damaged_layer_is_told(staging: str) -> None:
    unpack(pieces(BLOB), staging, options=OPTIONS, **EXPECTED)
    path = Path(staging, "diff/d/a")
    path.write_bytes(b"data" * 999)
    with pytest.raises(CorruptError, match="`d/a` has another size"):
        list(rebuild_tar(staging))
    path.unlink()
    with pytest.raises(CorruptError, match="`d/a` is missing"):
        list(rebuild_tar(staging))
    path.symlink_to("/etc/passwd")
    with pytest.raises(CorruptError, match="`d/a` is missing"):
        list(rebuild_tar(staging))


def test_any_damage_of_the_log_is_told(staging: str) -> None:
    unpack(pieces(BLOB), staging, options=OPTIONS, **EXPECTED)
    log = Path(staging, "headers.zst")
    data = log.read_bytes()
    for end in (0, 5, 20, len(data) - 1):
        log.write_bytes(data[:end])
        with pytest.raises(CorruptError):
            list(rebuild_tar(staging))
    for position in range(0, len(data), 7):
        log.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        try:
            rebuilt = b"".join(rebuild_tar(staging))
        except CorruptError:
            continue
        # What zstd cannot see, the digest does.
        assert rebuilt == TAR or digest(rebuilt) != digest(TAR)
    log.unlink()
    with pytest.raises(CorruptError):
        list(rebuild_tar(staging))


# -- lower layers --------------------------------------------------------------------------------------------


def test_implied_directories_take_the_attributes_of_lower_ones(tmp_path: Path) -> None:
    low = Unpacked(tmp_path / "low", archive(directory(b"a", mode=0o1777, mtime=7), directory(b"a/b", mode=0o700)))
    high = Unpacked(tmp_path / "high", archive(file(b"other"), symlink(b"c", b"a")))
    layer = Unpacked(tmp_path / "new", archive(file(b"a/b/f"), file(b"c/f"), file(b"e/f")))
    assert layer.result.implied == ("a", "a/b", "c", "e")
    for _ in range(2):
        complete(str(layer.diff), layer.result, (str(high.diff), str(low.diff)))
        modes = [stat.S_IMODE(os.stat(layer / name).st_mode) for name in ("a", "a/b", "c", "e")]
        assert modes == [0o1777, 0o700, 0o755, 0o755]
        assert os.stat(layer / "a").st_mtime == 7


@pytest.mark.parametrize("hidden", [file(b".wh.a"), file(b"a/.wh..wh..opq"), file(b"a", b"now a file")])
def test_hidden_directories_give_no_attributes(tmp_path: Path, hidden: bytes) -> None:
    low = Unpacked(tmp_path / "low", archive(directory(b"a", mode=0o700), directory(b"a/b", mode=0o700)))
    high = Unpacked(tmp_path / "high", archive(hidden))
    layer = Unpacked(tmp_path / "new", archive(file(b"a/b/f")))
    complete(str(layer.diff), layer.result, (str(high.diff), str(low.diff)))
    assert stat.S_IMODE(os.stat(layer / "a/b").st_mode) == 0o755


def test_links_into_lower_layers_are_completed_later(tmp_path: Path) -> None:
    low = Unpacked(tmp_path / "low", archive(file(b"d/a", b"data")))
    layer = Unpacked(
        tmp_path / "new", archive(link(b"z", b"x"), link(b"x", b"d/a"), link(b"y", b"d/a")), defer_links=True
    )
    for _ in range(2):
        complete(str(layer.diff), layer.result, (str(low.diff),))
        assert {os.stat(layer / name).st_ino for name in "xyz"} == {os.stat(layer / "x").st_ino}
    assert (layer / "y").read_bytes() == b"data"
