"""One blob on its way to a registry (distribution-spec, "Pushing blobs").

A small blob goes in one PUT; a larger one in one PATCH (some registries know no more than that) or, where the registry
says how long pieces must be, in several. When a connection breaks or a token expires, the registry is asked how
much it has, and the rest is read from its source again: what was sent once is never sent on.
"""

from __future__ import annotations

import re
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from storage.errors import ImageNotFoundError, RegistryError, StorageError
from storage.registry.addresses import redirected
from storage.registry.backoff import RETRIED, Patience, delay
from storage.registry.failures import ConnectionFailedError
from storage.registry.transport import Upload, discard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.documents import Descriptor
    from storage.registry.client import RegistryClient
    from storage.registry.connections import Answer

_SMALL = 1 << 20
_PIECE = 64 << 20
_TYPE = {"Content-Type": "application/octet-stream"}
_RETRIED = tuple(sorted(RETRIED))
_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")


class Session:
    """An upload that the registry has begun: where it goes on, and how long its pieces must be."""

    def __init__(self, url: str, least: int = 0) -> None:
        self.url = url
        self.least = least

    def advance(self, answer: Answer) -> None:
        """Take the address for the next request from an answer; it may be relative, and its query is kept."""
        location = answer.headers.get("Location")
        if location:
            self.url = redirected(answer.url, location)


class Uploader:
    """Sends blobs to one repository."""

    def __init__(self, client: RegistryClient, repository: str, *, retries: int, retry_delay: float) -> None:
        self._client = client
        self._repository = repository
        self._retries = retries
        self._retry_delay = retry_delay
        self._scope = f"repository:{repository}:pull,push"

    def begin(self, digest: str, source: str | None = None) -> Session | None:
        """Begin an upload, or mount the blob from another repository: then there is nothing to send, and None."""
        path, scope = "blobs/uploads/", self._scope
        if source is not None:
            path += "?" + urlencode({"mount": digest, "from": source})
            scope += f" repository:{source}:pull"
        shown = f"/v2/{self._repository}/blobs/uploads/ in {self._client.domain}"
        what = f"initiating layer upload to {shown}"
        answer = self._client.request(
            "POST", self._repository, path, what=what, headers={"Content-Length": "0"}, scope=scope
        )
        discard(answer)
        if source is not None and answer.status == HTTPStatus.CREATED:
            return None
        if answer.status != HTTPStatus.ACCEPTED or not answer.headers.get("Location"):
            raise RegistryError(f"{what}: unexpected answer: HTTP status {answer.status}")
        least = answer.headers.get("OCI-Chunk-Min-Length", "")
        session = Session(answer.url, int(least[:12]) if least.isascii() and least.isdigit() else 0)
        session.advance(answer)
        return session

    def cancel(self, session: Session) -> None:
        """Tell the registry that nothing will come; it does not matter whether it listens."""
        try:
            discard(self._request("DELETE", session.url, "cancelling upload"))
        except StorageError:
            pass

    def send(self, blob: Descriptor, open_at: Callable[[int], Iterator[bytes]], session: Session | None = None) -> None:
        """Send a blob, in a session that was begun or in a new one. Raises StorageError when it cannot be done."""
        patience = Patience(0, self._retries)
        position = 0
        while True:
            asked: str | None = None
            try:
                if session is None:
                    session, position = self.begin(blob.digest), 0
                    assert session is not None
                if blob.size > _SMALL:
                    position = self._patch(session, blob.size, open_at, position)
                answer = self._put(session, blob, open_at)
                if answer.status not in _RETRIED:
                    discard(answer)
                    return
                reason = f"HTTP status {answer.status}"
                asked = answer.headers.get("Retry-After")
                discard(answer)
            except _BrokenOffError as error:
                position, reason, asked = error.position, str(error), error.retry_after
            except ConnectionFailedError as error:
                if not error.is_passing:
                    raise
                reason = str(error)
            fruitless = patience.again(position)
            if fruitless is None:
                raise RegistryError(f"writing blob {blob.digest}: {reason}")
            time.sleep(delay(fruitless, self._retry_delay, asked))
            session, position = self._resume(session, blob)
            if session is None and self._exists(blob.digest):
                return  # Only the answer was lost.

    def _patch(self, session: Session, size: int, open_at: Callable[[int], Iterator[bytes]], position: int) -> int:
        """Send from a position to the end; give the end."""
        while position < size:
            end = min(size, position + max(session.least, _PIECE)) if session.least else size
            headers = dict(_TYPE)
            if position or session.least:
                headers["Content-Range"] = f"{position}-{end - 1}"
            body = Upload(partial(_part, open_at, position, end), end - position)
            try:
                answer = self._request(
                    "PATCH", session.url, "uploading layer chunked", headers=headers, body=body, accepted=_PATCHED
                )
            except ConnectionFailedError as error:
                if not error.is_passing:
                    raise
                raise _BrokenOffError(str(error), position) from None
            discard(answer)
            if answer.status >= HTTPStatus.BAD_REQUEST:
                reason = f"uploading layer chunked: HTTP status {answer.status}"
                raise _BrokenOffError(reason, position, answer.headers.get("Retry-After"))
            session.advance(answer)
            position = end
        return position

    def _put(self, session: Session, blob: Descriptor, open_at: Callable[[int], Iterator[bytes]]) -> Answer:
        """End the upload by naming its digest; a small blob goes with it."""
        url = f"{session.url}{'&' if '?' in session.url else '?'}{urlencode({'digest': blob.digest})}"
        body = Upload(lambda: open_at(0), blob.size) if 0 < blob.size <= _SMALL else b""
        return self._request("PUT", url, "uploading layer", headers=dict(_TYPE), body=body, accepted=_RETRIED)

    def _resume(self, session: Session | None, blob: Descriptor) -> tuple[Session | None, int]:
        """Ask how much has arrived; no session if it has to begin anew."""
        if session is None or blob.size <= _SMALL:
            return None, 0
        try:
            answer = self._request("GET", session.url, "asking for the state of an upload")
        except (ImageNotFoundError, RegistryError):
            return None, 0
        discard(answer)
        if answer.status != HTTPStatus.NO_CONTENT:
            return None, 0
        session.advance(answer)
        found = _RANGE.fullmatch(answer.headers.get("Range", "").strip())
        # An empty upload is "0-0" with some registries and has no Range with others: one byte is not worth the doubt.
        arrived = int(found[1][:18]) + 1 if found is not None else 0
        if 1 < arrived <= blob.size:
            return session, arrived
        self.cancel(session)
        return None, 0

    def _exists(self, digest: str) -> bool:
        path, what = f"blobs/{digest}", f"checking whether a blob {digest} exists"
        answer = self._client.request(
            "HEAD", self._repository, path, what=what, scope=self._scope, accepted=(HTTPStatus.NOT_FOUND, *_RETRIED)
        )
        discard(answer)
        return answer.status == HTTPStatus.OK

    def _request(
        self,
        method: str,
        url: str,
        what: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | Upload | None = None,
        accepted: tuple[int, ...] = (),
    ) -> Answer:
        return self._client.request(
            method,
            self._repository,
            url,
            what=what,
            headers=headers,
            body=body,
            scope=self._scope,
            accepted=accepted,
            once=method == "PUT",
        )


_PATCHED = (*_RETRIED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)


class _BrokenOffError(Exception):
    """An upload stopped somewhere behind a position."""

    def __init__(self, reason: str, position: int, retry_after: str | None = None) -> None:
        super().__init__(reason)
        self.position = position
        self.retry_after = retry_after


def _part(open_at: Callable[[int], Iterator[bytes]], start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from start to end, exactly as many; RegistryError if the source ends before."""
    left = end - start
    for chunk in open_at(start):
        if len(chunk) >= left:
            yield chunk[:left]
            return
        left -= len(chunk)
        yield chunk
    raise RegistryError(f"uploading layer: its source ends {left} bytes early")
