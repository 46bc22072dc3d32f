"""Blobs over bad connections: resumed where they stopped, never longer or shorter than promised, never for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import documents
from storage.documents import Descriptor
from storage.errors import BadReferenceError, CorruptError, RegistryError, StorageError
from storage.registry.blobs import CHUNK
from storage.registry.client import RegistryClient
from storage.registry.options import RegistryOptions
from tests.fakes import actions
from tests.fakes.registry import Action, FakeRegistry, normally

QUICK = RegistryOptions(retry_delay=0.001, connect_timeout=30, read_timeout=30)
HASTY = replace(QUICK, connect_timeout=2, read_timeout=0.5)  # for what never comes
DATA = bytes(range(256)) * 4096
DIGEST = documents.digest_of(DATA)
BLOB = Descriptor(documents.OCI_LAYER, DIGEST, len(DATA))


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeRegistry]:
    """A registry with one blob of 1 MiB."""
    with FakeRegistry() as running:
        running.add_blob(DATA)
        yield running


@pytest.fixture
def registry(shared: FakeRegistry) -> FakeRegistry:
    """The same, with no script and no memory."""
    shared._scripts.clear()
    shared.requests.clear()
    return shared


def pull(
    registry: FakeRegistry, blob: Descriptor = BLOB, *, offset: int = 0, options: RegistryOptions = QUICK
) -> bytes:
    """Fetch a blob."""
    client = RegistryClient(registry.domain, options)
    try:
        return b"".join(client.open_blob("a/b", blob, offset=offset))
    finally:
        client.close()


def ranges(registry: FakeRegistry) -> list[str | None]:
    """List the Range headers of the requests for blobs."""
    return [request.headers["Range"] for request in registry.seen("/blobs/")]


def test_chunks(registry: FakeRegistry) -> None:
    chunks = list(RegistryClient(registry.domain, QUICK).open_blob("a/b", BLOB))
    assert b"".join(chunks) == DATA
    assert [len(chunk) for chunk in chunks] == [CHUNK] * 4


def test_empty_blob_and_end_of_blob_are_not_asked_for(registry: FakeRegistry) -> None:
    assert pull(registry, Descriptor(documents.OCI_LAYER, documents.digest_of(b""), 0)) == b""
    assert pull(registry, offset=len(DATA)) == b""
    assert ranges(registry) == []


@pytest.mark.parametrize("offset", [-1, len(DATA) + 1])
def test_impossible_offsets(registry: FakeRegistry, offset: int) -> None:
    with pytest.raises(CorruptError):
        pull(registry, offset=offset)


def test_offset(registry: FakeRegistry) -> None:
    assert pull(registry, offset=12345) == DATA[12345:]
    assert ranges(registry) == ["bytes=12345-"]


def test_resumed_where_it_stopped(registry: FakeRegistry) -> None:
    registry.script("/blobs/", actions.broken_after(CHUNK), actions.broken_after(CHUNK))
    assert pull(registry) == DATA
    assert ranges(registry) == [None, f"bytes={CHUNK}-", f"bytes={2 * CHUNK}-"]


@pytest.mark.parametrize(
    "action",
    [
        *(actions.hung_up(), actions.broken_after(0), actions.broken_after(1), actions.stuck_after(1000)),
        *(actions.silent(), actions.status(503), actions.too_many("0"), actions.chunked()),
    ],
)
def test_one_bad_answer(registry: FakeRegistry, action: Action) -> None:
    registry.script("/blobs/", action)
    assert pull(registry, options=HASTY) == DATA


def test_range_ignored(registry: FakeRegistry) -> None:
    registry.script("/blobs/", actions.broken_after(CHUNK), actions.without_range(registry))
    assert pull(registry) == DATA
    registry.script("/blobs/", actions.without_range(registry))
    assert pull(registry, offset=777) == DATA[777:]


@pytest.mark.parametrize(
    "given",
    [
        *("bytes 0-1048575/1048576", "bytes 100-1048574/1048576", "bytes 100-1048575/1048577"),
        *("bytes 100-200/1048576", "", "nonsense", "bytes 100-", "bytes */1048576"),
    ],
)
def test_wrong_content_range(registry: FakeRegistry, given: str) -> None:
    registry.script("/blobs/", actions.headers(Content_Range=given))
    with pytest.raises(RegistryError, match="asked for bytes from 100"):
        pull(registry, offset=100)


def test_range_of_unknown_total(registry: FakeRegistry) -> None:
    registry.script("/blobs/", actions.headers(Content_Range="bytes 100-1048575/*"))
    assert pull(registry, offset=100) == DATA[100:]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (actions.truncated(1000), "1000 bytes instead of 1048576"),
        (actions.longer(b"x"), "1048577 bytes instead of 1048576"),
        (actions.longer(b"x", chunked=True), "longer than 1048576 bytes"),
    ],
)
def test_wrong_length(registry: FakeRegistry, action: Action, message: str) -> None:
    registry.script("/blobs/", action)
    with pytest.raises(CorruptError, match=message):
        pull(registry)
    assert len(ranges(registry)) == 1


def test_wrong_bytes_are_found_in_small_blobs(registry: FakeRegistry) -> None:
    registry.script("/blobs/", actions.spoiled())
    client = RegistryClient(registry.domain, QUICK)
    with pytest.raises(CorruptError, match=f"blob {DIGEST}: digest does not match"):
        client.blob("a/b", BLOB)
    assert client.blob("a/b", BLOB) == DATA


def test_small_blobs_have_a_limit(registry: FakeRegistry) -> None:
    with pytest.raises(CorruptError, match="1048576 bytes where 1000 are allowed"):
        RegistryClient(registry.domain, QUICK).blob("a/b", BLOB, limit=1000)
    assert registry.requests == []


@pytest.mark.parametrize("action", [actions.hung_up(), actions.broken_after(10), actions.stuck_after(5)])
def test_giving_up_without_progress(registry: FakeRegistry, action: Action) -> None:
    registry.script("/blobs/", *[action] * 100)
    start = time.monotonic()
    with pytest.raises(RegistryError) as raised:
        pull(registry, options=HASTY)
    assert str(raised.value).startswith(f"reading blob {DIGEST}: ")
    assert str(raised.value).count("reading blob") == 1
    assert time.monotonic() - start < 30
    assert len(ranges(registry)) <= 16


def test_progress_is_reason_to_go_on(registry: FakeRegistry) -> None:
    data = DATA * 12
    digest = registry.add_blob(data)
    registry.script("/blobs/", *[actions.broken_after(len(DATA))] * 11)
    assert pull(registry, Descriptor(documents.OCI_LAYER, digest, len(data))) == data
    assert len(ranges(registry)) == 12


def test_an_answer_may_take_longer_than_to_connect(registry: FakeRegistry) -> None:
    registry.script("/blobs/", actions.after(lambda: time.sleep(0.6)))
    patient = replace(QUICK, connect_timeout=0.3, read_timeout=20)
    assert b"".join(RegistryClient(registry.domain, patient).open_blob("a/b", BLOB)) == DATA
    assert len(ranges(registry)) == 1


def test_a_trickle_is_broken_off_and_gone_on_with(registry: FakeRegistry) -> None:
    registry.script("/blobs/", actions.trickling(1, 0.05))
    assert pull(registry, options=HASTY) == DATA
    assert len(ranges(registry)) == 2


def test_a_trickle_is_not_put_up_with_for_ever(registry: FakeRegistry) -> None:
    registry.script("/blobs/", *[actions.trickling(1, 0.05)] * 100)
    with pytest.raises(RegistryError, match=f"{registry.domain}.*comes too slowly: .* bytes in .* bytes/s") as raised:
        pull(registry, options=HASTY)
    assert str(raised.value).startswith(f"reading blob {DIGEST}: ")
    assert len(ranges(registry)) == QUICK.retries + 1


def test_a_slow_link_is_no_trickle(registry: FakeRegistry) -> None:
    data = DATA[: 6 << 10]
    registry.script("/blobs/", actions.trickling(512, 0.1))
    assert pull(registry, Descriptor(documents.OCI_LAYER, registry.add_blob(data), len(data)), options=HASTY) == data
    assert len(ranges(registry)) == 1


def test_a_registry_that_goes_away(registry: FakeRegistry) -> None:
    with FakeRegistry() as leaving:
        leaving.add_blob(DATA)
        leaving.script("/blobs/", actions.broken_after(CHUNK))
        chunks = RegistryClient(leaving.domain, QUICK).open_blob("a/b", BLOB)
        assert next(chunks) == DATA[:CHUNK]
    with pytest.raises(RegistryError, match="connection refused"):
        list(chunks)


@pytest.mark.parametrize(
    ("code", "message"), [(404, "blob unknown"), (403, "denied"), (416, "416"), (204, "204"), (206, "asked")]
)
def test_answers_that_end_it(registry: FakeRegistry, code: int, message: str) -> None:
    action = normally if code == 404 else actions.status(code)
    blob = Descriptor(documents.OCI_LAYER, "sha256:" + "0" * 64, 10) if code == 404 else BLOB
    registry.script("/blobs/", action)
    with pytest.raises(StorageError, match=message):
        pull(registry, blob)
    assert len(ranges(registry)) == 1


def test_bad_digest_is_not_sent(registry: FakeRegistry) -> None:
    with pytest.raises(BadReferenceError):
        pull(registry, Descriptor(documents.OCI_LAYER, "sha256:../../x", 10))
    assert registry.requests == []


def test_inline_data_needs_no_registry() -> None:
    client = RegistryClient("registry.invalid", QUICK)
    assert client.blob("a/b", replace(BLOB, data=DATA)) == DATA
    assert b"".join(client.open_blob("a/b", replace(BLOB, data=DATA), offset=10)) == DATA[10:]


def test_foreign_layers_are_fetched_without_credentials(registry: FakeRegistry) -> None:
    kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    path = f"/v2/foreign/blobs/{DIGEST}"
    blob = replace(BLOB, media_type=kind, urls=("file:///etc/passwd", "http://127.0.0.1:1/x", registry.url + path))
    client = RegistryClient("registry.invalid", replace(QUICK, credentials=("user", "password")))
    assert b"".join(client.open_blob("a/b", blob)) == DATA
    assert [request.headers["Authorization"] for request in registry.requests] == [None]
    with pytest.raises(RegistryError, match="connection refused"):
        list(client.open_blob("a/b", replace(blob, urls=blob.urls[:2])))
    pull(registry, replace(BLOB, urls=("http://127.0.0.1:1/x",)))


def test_closing_in_the_middle_closes_the_connection(registry: FakeRegistry) -> None:
    client = RegistryClient(registry.domain, QUICK)
    for _ in range(3):
        chunks = client.open_blob("a/b", BLOB)
        next(chunks)
        chunks.close()  # type: ignore[attr-defined]
    assert b"".join(client.open_blob("a/b", BLOB)) == DATA


def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        domain = f"127.0.0.1:{mute.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(RegistryError, match="no answer in time"):
            RegistryClient(domain, HASTY).manifest("a/b", "latest")
        assert time.monotonic() - start < 30


def test_a_server_that_talks_nonsense() -> None:
    with socket.create_server(("127.0.0.1", 0)) as odd:
        odd.settimeout(5)
        domain = f"127.0.0.1:{odd.getsockname()[1]}"

        def talk() -> None:
            try:
                while True:
                    connection, _ = odd.accept()
                    connection.recv(1000)
                    connection.sendall(b"220 mail.example ESMTP\r\n")
                    connection.close()
            except OSError:
                pass

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        with pytest.raises(RegistryError, match="pinging container registry"):
            RegistryClient(domain, QUICK).manifest("a/b", "latest")
        odd.shutdown(socket.SHUT_RDWR)
        thread.join()


BREAKS = st.sampled_from(["hung_up", "chunked", "without_range", "normally", "503"]) | st.integers(0, len(DATA))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(BREAKS, max_size=5), st.integers(0, len(DATA)))
def test_any_sequence_of_breaks_gives_the_very_bytes_or_an_error(
    registry: FakeRegistry, breaks: list[str | int], offset: int
) -> None:
    named = {
        "hung_up": actions.hung_up(),
        "chunked": actions.chunked(),
        "without_range": actions.without_range(registry),
        "normally": normally,
        "503": actions.status(503),
    }
    registry._scripts.clear()
    registry.script("/blobs/", *(named[one] if isinstance(one, str) else actions.broken_after(one) for one in breaks))
    try:
        found = pull(registry, offset=offset)
    except RegistryError:
        assert len(breaks) > QUICK.retries
    else:
        assert found == DATA[offset:]
