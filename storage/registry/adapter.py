"""The only module that imports requests: an adapter whose TLS settings are ours alone.

Requests go straight to the adapter, not through a Session, which would take credentials from .netrc, settings from the
environment and cookies from answers, and would read the bodies of redirects without a limit.
"""

from __future__ import annotations

import http.client
import warnings
from typing import TYPE_CHECKING, Any, cast

import requests.adapters
import urllib3.exceptions

if TYPE_CHECKING:
    import ssl

    from requests import PreparedRequest, Response

    from storage.registry.transport import Body

FAILURES = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException, UnicodeError)
"""What sending a request or reading its answer may raise (requests' own exceptions are OSErrors)."""


class Adapter(requests.adapters.HTTPAdapter):
    """Sends requests with one TLS context, which alone decides on verification; without one, by plain http."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=4)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Give the pool our context."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Give a proxy's pool our context."""
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        """Leave certifi's bundle out: the context has the system's CAs and those of certs.d."""

    def exchange(
        self, request: PreparedRequest, *, timeout: tuple[float, float], verify: bool, proxy: str | None
    ) -> Response:
        """Send one request; the body of the answer is not read. Raises one of FAILURES."""
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        with warnings.catch_warnings():
            # The user asked for it with --tls-verify=false.
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            return self.send(request, stream=True, timeout=timeout, verify=verify, proxies=proxies)


def prepare(method: str, url: str, headers: dict[str, str], body: Body | None) -> PreparedRequest:
    """Make a request with just these headers."""
    return requests.Request(method, url, headers=headers, data=cast("Any", body)).prepare()
