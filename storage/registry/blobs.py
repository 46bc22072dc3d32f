"""A blob as a stream that survives broken connections: it goes on by Range where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import TYPE_CHECKING

from storage.errors import CorruptError, RegistryError
from storage.registry.backoff import Patience, delay
from storage.registry.failures import ConnectionFailedError
from storage.registry.parallel import NoRangesError
from storage.registry.transport import translated

if TYPE_CHECKING:
    from storage.registry.connections import Answer

CHUNK = 256 << 10

Opener = Callable[[dict[str, str]], "Answer"]


def stream(
    open_at: Opener, digest: str, size: int, *, offset: int, end: int | None, retries: int, retry_delay: float
) -> Generator[bytes]:
    """Yield the bytes from offset to end (by default size) in chunks of at most CHUNK; exactly as many, or an error.

    `open_at` sends the request with the headers given and raises for error answers. The digest is only for messages.
    Raises CorruptError when the registry has more or fewer bytes, RegistryError when it broke off too often,
    NoRangesError when it does not stop at the end that was asked for.
    """
    stop = size if end is None else end
    what = f"reading blob {digest}: "
    if not 0 <= offset <= stop <= size:
        raise CorruptError(f"blob {digest}: position {offset} of {size} bytes")
    position = offset
    patience = Patience(position, retries)
    while position < stop:
        try:
            headers = _range(position, stop, size)
            answer = open_at(headers)
            with translated(answer):
                _skip(answer, _already_sent(answer, digest, position, stop, size))
                read = answer.read
                while position < stop:
                    chunk = read(min(CHUNK, stop - position))
                    if not chunk:
                        break
                    position += len(chunk)
                    yield chunk
                else:
                    # Reading on to the end also gives the connection back for the next blob.
                    if read(1):
                        raise CorruptError(f"blob {digest}: longer than {stop} bytes")
                    return
            reason = f"ends at byte {position} of {stop}"
        except ConnectionFailedError as error:
            if error.kind in ("certificate", "tls", "other"):
                raise
            reason = str(error).removeprefix(what)  # the request says it, too
        fruitless = patience.again(position)
        if fruitless is None:
            raise RegistryError(f"{what}{reason}") from None
        time.sleep(delay(fruitless, retry_delay))


def _range(position: int, stop: int, size: int) -> dict[str, str]:
    if stop < size:
        return {"Range": f"bytes={position}-{stop - 1}"}
    return {"Range": f"bytes={position}-"} if position else {}


def _already_sent(answer: Answer, digest: str, position: int, stop: int, size: int) -> int:
    """Check what the answer promises against what was asked; give the number of bytes to skip in front."""
    length = answer.headers.get("Content-Length", "")
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        given = answer.headers.get("Content-Range", "").strip().lower()
        if given not in (f"bytes {position}-{stop - 1}/{size}", f"bytes {position}-{stop - 1}/*"):
            raise RegistryError(f"blob {digest}: asked for bytes from {position} of {size}, got {given[:80]!r}")
        return 0
    if stop < size:
        raise NoRangesError(f"blob {digest}: the registry does not send parts of it")
    if answer.status != HTTPStatus.OK:
        raise RegistryError(f"blob {digest}: unexpected HTTP status {answer.status}")
    if length.isascii() and length.isdigit() and int(length) != size:
        raise CorruptError(f"blob {digest}: {int(length)} bytes instead of {size}")
    return position


def _skip(answer: Answer, count: int) -> None:
    while count > 0:
        chunk = answer.read(min(CHUNK, count))
        if not chunk:
            raise ConnectionFailedError("answer ends before the place to go on", kind="broken")
        count -= len(chunk)
