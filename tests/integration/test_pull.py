"""Pulling into a store: what comes, what is refused, what processes share, and that failures leave nothing."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import gc, images
from storage.check import check
from storage.documents import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Platform, digest_of
from storage.errors import CorruptError, ImageNotFoundError, NoSpaceError, StorageError
from storage.images import Image
from storage.importer import import_tar
from storage.interrupts import InterruptedByError
from storage.reference import normalize
from storage.registry.options import RegistryOptions
from storage.rootfs import lowers
from storage.store import Store, open_store
from storage.transfer import NoProgress, pull, pull_all_tags, remote_digest
from tests.fakes import actions
from tests.fakes.registry import Action, FakeRegistry, normally
from tests.fixtures.images import entry, gzip, layer, tar
from tests.fixtures.trusting import accept_anything

OPTIONS = RegistryOptions(retries=1, retry_delay=0.05)
TRUST = accept_anything(OPTIONS)
PRIVILEGED = os.getuid() == 0
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What the tests that need another process run: pull, then print the image's ID or the error.
SCRIPT = f"""
import sys
sys.path.insert(0, {SOURCE!r})
from storage.errors import StorageError
from storage.reference import normalize
from storage.registry.options import RegistryOptions
from storage.store import open_store
from storage.transfer import pull
from tests.fixtures.trusting import accept_anything
store = open_store(sys.argv[1])
options = RegistryOptions(retries=1, retry_delay=0.05)
try:
    trust = accept_anything(options)
    image = pull(store, normalize(sys.argv[2]), options=options, trust=trust, rootless=True, single_id=True)
except StorageError as error:
    sys.exit(f"Error: {{error}}")
print(image.id)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def files(*names: str, size: int = 100) -> bytes:
    return tar(*(entry(name, name.encode().ljust(size, b".")) for name in names))


def fetch(store: Store, registry: FakeRegistry, name: str = "a:1", platform: Platform | None = None) -> Image:
    reference = normalize(f"{registry.domain}/{name}")
    return pull(
        store,
        reference,
        options=OPTIONS,
        trust=TRUST,
        platform=platform,
        rootless=not PRIVILEGED,
        single_id=not PRIVILEGED,
    )


def start(store: Store, registry: FakeRegistry, name: str = "a:1") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-c", SCRIPT, store.root, f"{registry.domain}/{name}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    output, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return output.strip()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.005)


def left(store: Store) -> dict[str, object]:
    """Tell what there is of layers, rows and unfinished work."""
    found: dict[str, object] = {
        name: os.listdir(f"{store.root}/{name}") for name in ("layers", "staging", "trash", "ingest")
    }
    for table in ("layer", "image", "name", "image_layer", "layer_blob"):
        found[table] = store.connection.execute(f"SELECT * FROM {table}").fetchall()
    return {name: value for name, value in found.items() if value}


def children() -> list[str]:
    return Path("/proc/thread-self/children").read_text().split()


def test_an_image_comes_whole(store: Store, registry: FakeRegistry) -> None:
    parts = [files("etc/a", "etc/b"), files("usr/c"), files("usr/d")]
    digest = registry.add_image("lib/a", "1", parts)
    image = fetch(store, registry, "lib/a:1")
    assert image.names == (f"{registry.domain}/lib/a:1",)
    assert image.layers == tuple(digest_of(part) for part in parts)
    assert image.digests == (digest,)
    assert image.size == sum(map(len, parts))
    paths = lowers(store, image)
    assert Path(paths[2], "etc/a").read_bytes().startswith(b"etc/a")
    assert sorted(os.listdir(f"{paths[0]}/usr")) == ["d"]
    assert check(store, deep=True) == []
    assert children() == []


def test_what_is_there_is_not_fetched_again(store: Store, registry: FakeRegistry) -> None:
    base = files("etc/a")
    registry.add_image("a", "1", [base, files("b")])
    registry.add_image("a", "2", [base, files("c"), base])
    first = fetch(store, registry)
    again = fetch(store, registry)
    assert first.id == again.id
    second = fetch(store, registry, "a:2")
    assert len(second.layers) == 3
    assert len(registry.seen(digest_of(base))) == 1
    images.remove(store, first.id)
    assert len(os.listdir(store.layers)) == 2
    assert check(store, deep=True) == []


def test_compressed_layers(store: Store, registry: FakeRegistry) -> None:
    packed = layer(entry("file", b"x" * 10_000))
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [packed.diff_id]}}
    raw = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "config": {"mediaType": OCI_CONFIG, "digest": registry.add_blob(raw), "size": len(raw)},
        "layers": [
            {
                "mediaType": f"{OCI_LAYER}+gzip",
                "digest": registry.add_blob(packed.blob.read()),
                "size": packed.blob.size,
            }
        ],
    }
    registry.add_manifest("a", "1", json.dumps(manifest).encode())
    image = fetch(store, registry)
    assert image.layers == (packed.diff_id,)
    assert store.connection.execute("SELECT digest, diff_id FROM layer_blob").fetchall() == [
        (packed.blob.digest, packed.diff_id)
    ]


def test_a_platform_of_an_index(store: Store, registry: FakeRegistry) -> None:
    entries = []
    for architecture in ("amd64", "arm64"):
        digest = registry.add_image("a", architecture, [files(architecture)])
        raw = registry.manifests["a", digest][0]
        entries.append(
            {
                "mediaType": OCI_MANIFEST,
                "digest": digest,
                "size": len(raw),
                "platform": {"os": "linux", "architecture": architecture},
            }
        )
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    whole = registry.add_manifest("a", "1", index, OCI_INDEX)
    for architecture, described in (("arm64", entries[1]), ("amd64", entries[0])):
        image = fetch(store, registry, platform=Platform("linux", architecture))
        assert image.layers == (digest_of(files(architecture)),)
        assert set(image.digests) == {whole, described["digest"]}
        assert image.digest == described["digest"]
    assert remote_digest(normalize(f"{registry.domain}/a:1"), options=OPTIONS) == whole
    with pytest.raises(ImageNotFoundError):
        fetch(store, registry, platform=Platform("linux", "s390x"))


def test_names(store: Store, registry: FakeRegistry) -> None:
    digest = registry.add_image("a", "1", [files("old")])
    old = fetch(store, registry)
    registry.add_image("a", "1", [files("new")])
    new = fetch(store, registry)
    assert images.load(store, old.id).names == ()
    assert new.names == (f"{registry.domain}/a:1",)
    by_digest = fetch(store, registry, f"a@{digest}")
    assert by_digest.names == (f"{registry.domain}/a@{digest}",)
    assert images.resolve(store, f"{registry.domain}/a@{digest}").id == old.id


def test_all_tags(store: Store, registry: FakeRegistry) -> None:
    for name in ("1", "2", "3"):
        registry.add_image("a", name, [files("base"), files(name)])
    reference = normalize(f"{registry.domain}/a")
    found = pull_all_tags(
        store, reference, options=OPTIONS, trust=TRUST, rootless=not PRIVILEGED, single_id=not PRIVILEGED
    )
    assert [image.names[0].rpartition(":")[2] for image in found] == ["1", "2", "3"]
    assert len(registry.seen(digest_of(files("base")))) == 1


def test_progress(store: Store, registry: FakeRegistry) -> None:
    class Recorder(NoProgress):
        def __init__(self) -> None:
            self.seen: dict[str, list[object]] = {}

        def layer(self, digest: str, size: int) -> None:
            self.seen.setdefault(digest, []).append(size)

        def bytes(self, digest: str, count: int) -> None:
            self.seen[digest].append(count)

        def state(self, digest: str, state: str) -> None:
            self.seen[digest].append(state)

    part = files("a")
    registry.add_image("a", "1", [part])
    for states in (["downloading", "done"], ["exists"]):
        recorder = Recorder()
        reference = normalize(f"{registry.domain}/a:1")
        pull(
            store,
            reference,
            options=OPTIONS,
            trust=TRUST,
            rootless=not PRIVILEGED,
            single_id=not PRIVILEGED,
            progress=recorder,
        )
        (events,) = recorder.seen.values()
        assert events[0] == len(part)
        assert [event for event in events if isinstance(event, str)] == states


# -- failures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (actions.spoiled(), CorruptError),
        (actions.longer(b"more"), CorruptError),
        (actions.status(404), StorageError),
        (actions.status(500), StorageError),
    ],
)
def test_a_bad_blob_leaves_nothing(
    store: Store, registry: FakeRegistry, spoil: Action, error: type[StorageError]
) -> None:
    good, bad = files("good"), files("bad", size=5000)
    registry.add_image("a", "1", [good, bad])
    cause = [spoil]
    registry.script(digest_of(bad), *[lambda exchange: cause[0](exchange)] * 20)
    with pytest.raises(error):
        fetch(store, registry)
    assert left(store) == {}
    assert children() == []
    cause[0] = normally
    fetch(store, registry)
    assert check(store, deep=True) == []


def test_a_wrong_diff_id_is_refused(store: Store, registry: FakeRegistry) -> None:
    registry.add_image("a", "1", [files("a")])
    raw, media_type = registry.manifests["a", "1"]
    manifest = json.loads(raw)
    config = json.loads(registry.blobs[manifest["config"]["digest"]])
    config["rootfs"]["diff_ids"] = [digest_of(b"something else")]
    changed = json.dumps(config).encode()
    manifest["config"] |= {"digest": registry.add_blob(changed), "size": len(changed)}
    registry.add_manifest("a", "1", json.dumps(manifest).encode(), media_type)
    with pytest.raises(CorruptError, match="diffID"):
        fetch(store, registry)
    assert left(store) == {}


def test_a_hostile_layer_is_refused(store: Store, registry: FakeRegistry) -> None:
    registry.add_image("a", "1", [files("good"), tar(entry("../../outside", b"x"))])
    with pytest.raises(CorruptError):
        fetch(store, registry)
    assert left(store) == {}


def test_unknown_images_leave_nothing(store: Store, registry: FakeRegistry) -> None:
    with pytest.raises(StorageError, match="manifest"):
        fetch(store, registry, "nothing:1")
    assert left(store) == {}


@pytest.mark.root
def test_a_full_disk_is_one_clear_error(tmp_path: Path, registry: FakeRegistry) -> None:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], check=True)
    try:
        store = open_store(str(place / "store"))
        registry.add_image("a", "1", [files("small"), files("big", size=4 << 20)])
        with pytest.raises(NoSpaceError, match="no space left on device"):
            fetch(store, registry)

        def is_swept() -> bool:
            gc.sweep(store)  # as the next command does: a worker that was killed may have held its lock for a moment
            return left(store) == {}

        wait_for(is_swept)
        subprocess.run(["mount", "-o", "remount,size=20m", place], check=True)
        fetch(store, registry)
        assert check(store, deep=True) == []
        store.close()
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_cleanly(store: Store, registry: FakeRegistry, number: signal.Signals) -> None:
    part, stuck = files("part"), files("stuck", size=50_000)
    registry.add_image("a", "1", [part, stuck])
    registry.script(digest_of(stuck), actions.stuck_after(1000))
    process = start(store, registry)
    wait_for(lambda: os.listdir(store.layers) and registry.seen(digest_of(stuck)))
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (1, f"Error: interrupted by {number.name}\n")
    assert left(store) == {}
    assert finished(start(store, registry)) == images.list_images(store)[0].id


def test_a_signal_while_the_manifest_is_awaited(store: Store, registry: FakeRegistry) -> None:
    registry.add_image("a", "1")
    registry.script("manifests", actions.silent())
    process = start(store, registry)
    wait_for(lambda: registry.seen("manifests"))
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert error == "Error: interrupted by SIGINT\n"


def test_handlers_are_put_back(store: Store, registry: FakeRegistry) -> None:
    def handler(number: int, frame: object) -> None:
        """Stand for the caller's."""

    before = signal.signal(signal.SIGTERM, handler)
    try:
        registry.add_image("a", "1", [files("a")])
        fetch(store, registry)
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert issubclass(InterruptedByError, StorageError)


# -- several processes -----------------------------------------------------------------------------------------


def test_processes_share_the_work(store: Store, registry: FakeRegistry) -> None:
    parts = [files(f"{number}/x", size=20_000) for number in range(4)]
    registry.add_image("a", "1", parts)
    for part in parts:
        registry.script(digest_of(part), actions.trickling(2000, 0.02))
    found = {finished(process) for process in [start(store, registry) for _ in range(4)]}
    assert len(found) == 1
    for part in parts:
        assert len(registry.seen(digest_of(part))) == 1
    assert check(store, deep=True) == []


def test_the_second_goes_on_when_the_first_is_killed(store: Store, registry: FakeRegistry) -> None:
    part, stuck = files("part"), files("stuck", size=50_000)
    registry.add_image("a", "1", [part, stuck])
    registry.script(digest_of(stuck), actions.stuck_after(1000))
    first = start(store, registry)
    wait_for(lambda: os.listdir(store.layers) and registry.seen(digest_of(stuck)))
    second = start(store, registry)
    wait_for(lambda: len(registry.seen("manifests")) == 2)
    time.sleep(0.3)
    assert len(registry.seen(digest_of(stuck))) == 1
    first.kill()
    first.communicate()
    finished(second)
    assert len(registry.seen(digest_of(part))) == 1
    assert check(store, deep=True) == []
    assert {name for name in left(store) if not name.startswith(("layer", "image", "name"))} == set()


def test_a_slow_download_is_gone_on_with(store: Store, registry: FakeRegistry) -> None:
    big = files("big", size=6 << 20)
    registry.add_image("a", "1", [big])
    registry.script(digest_of(big), actions.stuck_after(3 << 20))
    first = start(store, registry)
    kept = Path(store.ingest_path(digest_of(big)))
    wait_for(lambda: kept.exists() and kept.stat().st_size > 2 << 20)
    first.kill()
    first.communicate()
    size = kept.stat().st_size
    finished(start(store, registry))
    assert registry.seen(digest_of(big))[-1].headers["Range"] == f"bytes={size}-"
    assert check(store, deep=True) == []
    assert not kept.exists()


def test_a_spoilt_partial_download_is_thrown_away(store: Store, registry: FakeRegistry) -> None:
    big = files("big", size=6 << 20)
    registry.add_image("a", "1", [big])
    Path(store.ingest_path(digest_of(big))).write_bytes(b"x" * (2 << 20))
    fetch(store, registry)
    assert [request.headers["Range"] for request in registry.seen(digest_of(big))] == [f"bytes={2 << 20}-", None]


def test_a_layer_that_is_removed_meanwhile_is_fetched_again(store: Store, registry: FakeRegistry) -> None:
    base, more = files("base"), files("more")
    registry.add_image("a", "1", [base])
    registry.add_image("a", "2", [base, more])
    first = fetch(store, registry)

    def remove() -> None:
        other = open_store(store.root)
        images.remove(other, first.id)
        other.close()

    registry.script(digest_of(more), actions.after(remove))
    second = fetch(store, registry, "a:2")
    assert len(lowers(store, second)) == 2
    assert len(registry.seen(digest_of(base))) == 2
    assert check(store, deep=True) == []


def test_a_lost_layer_is_mended_by_a_pull(store: Store, registry: FakeRegistry) -> None:
    registry.add_image("a", "1", [files("a")])
    image = fetch(store, registry)
    os.rename(os.path.dirname(lowers(store, image)[0]), f"{store.trash}/x")
    with pytest.raises(CorruptError, match="missing") as failure:
        lowers(store, image)
    assert "pod pull" in failure.value.hint
    fetch(store, registry)
    assert len(lowers(store, image)) == 1


# -- import ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [lambda data: data, gzip])
def test_import(store: Store, pack: Callable[[bytes], bytes]) -> None:
    data = files("etc/a", "b")
    image = import_tar(
        store,
        iter([pack(data)]),
        reference="localhost/mine:latest",
        changes={"Cmd": ["sh"]},
        rootless=not PRIVILEGED,
        single_id=not PRIVILEGED,
    )
    assert image.layers == (digest_of(data),)
    assert image.names == ("localhost/mine:latest",)
    assert json.loads(image.config)["config"] == {"Cmd": ["sh"]}
    assert Path(lowers(store, image)[0], "etc/a").exists()
    assert check(store, deep=True) == []


def test_import_of_nonsense_leaves_nothing(store: Store) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    for data in (b"nonsense" * 1000, buffer.getvalue()[:700], gzip(b"x" * 5000)[:40]):
        with pytest.raises(CorruptError):
            import_tar(store, iter([data]), reference="localhost/a:1", rootless=True)
    assert left(store) == {}
    assert children() == []
