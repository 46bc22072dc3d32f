"""HTTP as registries need it: time limits, redirects that drop credentials, retries, bodies with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storage.errors import RegistryError
from storage.registry import backoff, tls
from storage.registry.addresses import origin, proxy_for, redirected, shown
from storage.registry.failures import ConnectionFailedError, from_exception

if TYPE_CHECKING:
    import ssl

    from storage.registry.connections import Answer, Connections
    from storage.registry.options import RegistryOptions

MAX_REDIRECTS = 10
_REDIRECTS = frozenset([301, 302, 303, 307, 308])
_SMALL_READ = 64 << 10
_SMALL_BODY = 4 << 10

Check = Callable[[str], None]


class Upload:
    """A body of known length, which can be read from the beginning as often as it has to be sent."""

    def __init__(self, open_chunks: Callable[[], Iterator[bytes]], length: int) -> None:
        self._open_chunks = open_chunks
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        return self._open_chunks()


Body = str | bytes | Upload


class Transport:
    """Connections of one command to one registry and to where it sends us; for one thread of one process."""

    def __init__(self, host: str, options: RegistryOptions) -> None:
        self._host = host
        self._options = options
        self._open: dict[str, Connections] = {}

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        authorization: str | None = None,
        body: Body | None = None,
        check: Check | None = None,
        repeat_broken: bool = True,
        repeat: bool = True,
    ) -> Answer:
        """Send a request, follow redirects, repeat after what passes; give the answer, whatever its status.

        `check` is asked about each address of a redirect and raises to refuse it. The answer must be closed.
        Without `repeat` it is sent once: the caller finds out first how much of it arrived.
        Raises ConnectionFailedError or RegistryError.
        """
        limit = self._options.retries
        attempt = 0
        while True:
            asked: str | None = None
            status = 0
            try:
                answer = self._follow(method, url, dict(headers or {}), authorization, body, check)
                status = answer.status
                if not repeat or status not in backoff.RETRIED or attempt >= backoff.tries(status, limit):
                    return answer
                asked = answer.headers.get("Retry-After")
                discard(answer)
            except ConnectionFailedError as error:
                if not (repeat and repeat_broken and error.is_passing) or attempt >= limit:
                    raise
            time.sleep(backoff.delay(attempt, self._options.retry_delay, asked, status))
            attempt += 1

    def fetch(self, open_answer: Callable[[], Answer], limit: int, what: str) -> tuple[bytes, Answer]:
        """Read a small body whole, asking again when it breaks off; give it with its answer."""
        attempt = 0
        while True:
            answer = open_answer()
            try:
                return self.read_all(answer, limit, what), answer
            except ConnectionFailedError as error:
                if not error.is_passing or attempt >= self._options.retries:
                    raise
            time.sleep(backoff.delay(attempt, self._options.retry_delay))
            attempt += 1

    def read_all(self, answer: Answer, limit: int, what: str) -> bytes:
        """Read a small body to its end and close; raise RegistryError when it is longer than the limit."""
        deadline = time.monotonic() + 2 * self._options.read_timeout
        parts: list[bytes] = []
        length = 0
        with translated(answer):
            # One receive at a time, so that a body that trickles in meets the deadline.
            while part := answer.read1(_SMALL_READ):
                parts.append(part)
                length += len(part)
                if length > limit:
                    raise RegistryError(f"{what}: larger than {limit} bytes")
                if time.monotonic() > deadline:
                    raise ConnectionFailedError(f"{what}: answer comes too slowly", kind="timeout")
        return b"".join(parts)

    def close(self) -> None:
        """Close idle connections."""
        for connections in self._open.values():
            connections.close()
        self._open.clear()

    def _follow(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        authorization: str | None,
        body: Body | None,
        check: Check | None,
    ) -> Answer:
        headers = {"User-Agent": self._options.user_agent, "Accept-Encoding": "identity", **headers}
        if authorization is not None:
            headers["Authorization"] = authorization
        current = url
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(method, current, headers, body)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            discard(answer)
            target = redirected(current, location)
            if check is not None:
                check(target)
            if origin(target) != origin(current):
                # Once dropped they stay dropped, also when a later redirect leads back.
                headers.pop("Authorization", None)
                if body is not None:
                    what = "a secret" if isinstance(body, str) else "an upload"
                    raise RegistryError(f"{shown(url)}: refusing to send {what} on to {shown(target)}")
            current = target
        raise RegistryError(f"{shown(url)}: stopped after {MAX_REDIRECTS} redirects")

    def _exchange(self, method: str, url: str, headers: dict[str, str], body: Body | None) -> Answer:
        from storage.registry.connections import FAILURES

        options = self._options
        timeout = (options.connect_timeout, options.read_timeout)
        connections = self._connections(url)
        try:
            proxy = proxy_for(url, options.environment)
            return connections.exchange(method, url, headers, body, timeout=timeout, proxy=proxy)
        except FAILURES as error:
            raise from_exception(error, method, url) from None

    def _connections(self, url: str) -> Connections:
        from storage.registry.connections import Connections

        kind = "plain" if url.startswith("http:") else "own" if self._is_own(url) else "foreign"
        if kind not in self._open:
            # Reading the system's CAs takes 30 ms, which plain http need not pay.
            self._open[kind] = Connections(None if kind == "plain" else self._context(own=kind == "own"))
        return self._open[kind]

    def _is_own(self, url: str) -> bool:
        return origin(url) == origin(f"https://{self._host}")

    def _context(self, *, own: bool) -> ssl.SSLContext:
        found = tls.find(self._host, self._options)
        # Client certificates tell who we are: only the registry itself gets to see them.
        shown_to_it = found if own else tls.Certificates(found.authorities)
        return tls.context(shown_to_it, verify=self._options.tls_verify is not False)


def discard(answer: Answer) -> None:
    """Close an answer whose body does not matter; a short one is read, so that the connection can be used again."""
    from storage.registry.connections import FAILURES

    length = answer.headers.get("Content-Length", "")
    try:
        if length.isascii() and length.isdigit() and int(length) <= _SMALL_BODY:
            answer.read(_SMALL_BODY + 1)
    except FAILURES:
        pass
    finally:
        answer.close()


@contextmanager
def translated(answer: Answer) -> Iterator[None]:
    """Close the answer at the end, and turn what reading it raises into ConnectionFailedError."""
    from storage.registry.connections import FAILURES

    try:
        yield
    except FAILURES as error:
        raise from_exception(error, "Get", answer.url) from None
    finally:
        answer.close()
