"""The only module that imports urllib3: connections whose TLS settings are ours alone.

Not by requests: that costs a third more to import, and what it adds is not wanted here (credentials from .netrc,
settings from the environment, cookies from answers, bodies of redirects without a limit).
"""

from __future__ import annotations

import http.client
import io
import time
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from storage.errors import RegistryError
from storage.registry.backoff import LEAST_BYTES_PER_SECOND
from storage.registry.failures import TooSlowError

if TYPE_CHECKING:
    import socket
    import ssl

    from storage.registry.transport import Body

FAILURES = (OSError, HTTPError, http.client.HTTPException, ValueError)
"""What sending a request or reading its answer may raise; ValueError by headers that cannot be sent."""
_CONNECTIONS = 4
_MAX_HEAD = 1 << 20
# No repetitions, and errors as they are.
_ONCE = urllib3.Retry(0, read=False)


class Answer:
    """An answer, whose body has not been read yet."""

    __slots__ = ("_response", "headers", "status", "url")

    def __init__(self, url: str, response: urllib3.BaseHTTPResponse) -> None:
        self.url = url
        self.status = response.status
        self.headers = response.headers
        self._response = response

    def read(self, size: int) -> bytes:
        """Read as many bytes of the body as it was sent, fewer at its end. Raises one of FAILURES."""
        return self._response.read(size, decode_content=False)

    def read1(self, size: int) -> bytes:
        """Read at most as many bytes, by one receive. Raises one of FAILURES."""
        return self._response.read1(size, decode_content=False)

    def close(self) -> None:
        """End the connection, unless the body was read to its end: then it can be used again."""
        self._response.close()
        self._response.release_conn()


class _Head:
    """What http.client reads an answer's status and headers from: no more than has room, and not without end in time.

    By itself it reads as many answers 100 (Continue) as come, and waits anew for each byte of a line.
    """

    def __init__(self, file: io.BufferedReader, seconds: float | None) -> None:
        self._file = file
        self._deadline = None if seconds is None else time.monotonic() + 2 * seconds
        self._room = _MAX_HEAD

    def readline(self, limit: int) -> bytes:
        """Read a line, or as many bytes of it. Raises TimeoutError, or LineTooLong when all is too much."""
        line = b""
        while len(line) < limit and not line.endswith(b"\n"):
            if self._deadline is not None and time.monotonic() > self._deadline:
                raise TimeoutError
            ready = self._file.peek()[: limit - len(line)]  # by one receive at most
            if not ready:
                break
            line += self._file.read(ready.find(b"\n") + 1 or len(ready))
        self._room -= len(line)
        if self._room < 0:
            raise http.client.LineTooLong("header")
        return line

    def close(self) -> None:
        """End the reading."""
        self._file.close()


class _Paced(io.RawIOBase):
    """What comes from a socket, which must not trickle for ever: the time limit of a socket begins anew with each byte.

    Only the time in which bytes are waited for counts, not that in which nobody asks for them.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._seconds: float | None = None
        self._waited = 0.0
        self._came = 0

    def begin(self, seconds: float | None) -> None:
        """Look at the pace from now on, over so many seconds each time; None: not at all."""
        self._seconds = seconds

    def readable(self) -> bool:
        """Tell that it is to be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Receive once. Raises TooSlowError when less came in these seconds than at the least rate."""
        before = time.monotonic()
        count = self._raw.readinto(buffer)
        if self._seconds is not None and count:
            self._waited += time.monotonic() - before
            self._came += count
            if self._waited >= self._seconds:
                if self._came < self._waited * LEAST_BYTES_PER_SECOND:
                    raise TooSlowError(self._came, self._waited)
                self._waited, self._came = 0.0, 0
        return count

    def close(self) -> None:
        """Close the socket's end of it."""
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose head is bounded, and whose body comes at some pace."""

    def __init__(self, sock: socket.socket, *arguments: Any, **settings: Any) -> None:
        super().__init__(sock, *arguments, **settings)
        self._seconds = sock.gettimeout()
        self._paced = _Paced(self.fp.detach())
        self.fp = io.BufferedReader(self._paced)

    def begin(self) -> None:
        """Read status and headers."""
        file = self.fp
        head: Any = _Head(file, self._seconds)
        self.fp = head
        try:
            super().begin()
        finally:
            if self.fp is head:
                self.fp = file
        self._paced.begin(self._seconds)


def _bounded(pool: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
    """Give connections such answers."""
    connection = type("Connection", (pool.ConnectionCls,), {"response_class": _Response})
    return type("Pool", (pool,), {"ConnectionCls": connection})


class Connections:
    """Connections with one TLS context, which alone decides on verification; without one, by plain http."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._settings: dict[str, Any] = {"num_pools": _CONNECTIONS, "maxsize": _CONNECTIONS, "ssl_context": context}
        self._managers: dict[str | None, urllib3.PoolManager] = {}

    def exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Body | None,
        *,
        timeout: tuple[float, float],
        proxy: str | None,
    ) -> Answer:
        """Send one request with just these headers; the body of the answer is not read. Raises one of FAILURES.

        `timeout` is how long it may take to connect, and how long nothing may come then.
        """
        if body is not None:
            headers = {**headers, "Content-Length": str(len(body.encode() if isinstance(body, str) else body))}
        with warnings.catch_warnings():
            # The user asked for it with --tls-verify=false.
            warnings.simplefilter("ignore", InsecureRequestWarning)
            response = self._manager(proxy).urlopen(
                method,
                url,
                headers=headers,
                body=body,
                timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
                retries=_ONCE,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        return Answer(url, response)

    def close(self) -> None:
        """Close idle connections."""
        for manager in self._managers.values():
            manager.clear()

    def _manager(self, proxy: str | None) -> urllib3.PoolManager:
        if proxy not in self._managers:
            manager = _through(proxy, self._settings) if proxy else urllib3.PoolManager(**self._settings)
            pools = manager.pool_classes_by_scheme
            manager.pool_classes_by_scheme = {scheme: _bounded(pool) for scheme, pool in pools.items()}
            self._managers[proxy] = manager
        return self._managers[proxy]


def _through(proxy: str, settings: dict[str, Any]) -> urllib3.PoolManager:
    """Make connections that go through a proxy, with the user and password in its address if it has some."""
    try:
        return _proxied(proxy, settings)
    except (HTTPError, ValueError) as error:
        raise RegistryError(
            f'invalid proxy "{proxy}": {str(error) or type(error).__name__}',
            hint="HTTPS_PROXY and HTTP_PROXY are like http://proxy.example.com:3128",
        ) from None


def _proxied(proxy: str, settings: dict[str, Any]) -> urllib3.PoolManager:
    parts = urlsplit(proxy)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not proxy.lower().startswith("socks"):
        headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **settings)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error says it
            from urllib3.contrib.socks import SOCKSProxyManager
    except ImportError:
        raise RegistryError("a SOCKS proxy needs the Python package PySocks", hint="pip install PySocks") from None
    return SOCKSProxyManager(proxy, username=user or None, password=password or None, **settings)
