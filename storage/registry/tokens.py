"""Authorization for requests: Basic, or Bearer tokens from the token server that the registry names.

Sources: distribution's token authentication specification (GET) and its OAuth 2 variant (POST with a refresh token).
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from storage.errors import RegistryError, UnauthorizedError
from storage.registry.addresses import check_realm, shown
from storage.registry.failures import MAX_ERROR_BODY, from_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.credentials import Credentials
    from storage.registry.challenges import Challenge
    from storage.registry.transport import Transport

MAX_TOKEN_BODY = 1 << 20
_SHORTEST = 60.0
_CLIENT_ID = "pod"


@dataclass(frozen=True)
class Token:
    """A bearer token, and until when by the monotonic clock it may be used."""

    text: str = field(repr=False)
    expires: float

    @property
    def is_fresh(self) -> bool:
        """Tell whether it will hold for the next request."""
        return time.monotonic() < self.expires


class Authorizer:
    """Gives the Authorization header for each scope of one registry, and asks for a token only where it has none."""

    def __init__(
        self, transport: Transport, registry_url: str, find: Callable[[], Credentials | None], *, allow_http: bool
    ) -> None:
        self._transport = transport
        self._registry_url = registry_url
        self._find = find
        self._allow_http = allow_http
        self.challenges: tuple[Challenge, ...] = ()
        self.tokens: dict[str, Token] = {}

    def header(self, scope: str) -> str | None:
        """Give the header by the registry's challenge, None when it asks for nothing or we have nothing."""
        credentials = self._find()
        if credentials is not None and credentials.registry_token:
            return _bearer(credentials.registry_token)
        for challenge in self.challenges:
            if challenge.scheme == "basic":
                return _basic(credentials) if credentials is not None else None
            if challenge.scheme == "bearer":
                return self._bearer(challenge, scope, credentials)
        return None

    def renew(self, scope: str, used: str | None, challenges: tuple[Challenge, ...]) -> str | None:
        """Give another header after a 401, or None when there is nothing else to try.

        The challenge of the ping stays in force (some registries send none, or a worse one, later), but for its scope.
        """
        self.tokens.pop(scope, None)
        if not self.challenges:
            self.challenges = challenges
        if used is not None and used.startswith("Basic "):
            return None
        wider = next((one.parameters["scope"] for one in challenges if _is_insufficient(one)), None)
        header = self.header(wider or scope)
        if wider is not None and wider in self.tokens:
            self.tokens[scope] = self.tokens[wider]
        return None if header == used else header

    def _bearer(self, challenge: Challenge, scope: str, credentials: Credentials | None) -> str:
        token = self.tokens.get(scope)
        if token is None or not token.is_fresh:
            token = self._fetch(challenge, scope, credentials)
            self.tokens[scope] = token
        return _bearer(token.text)

    def _fetch(self, challenge: Challenge, scope: str, credentials: Credentials | None) -> Token:
        realm = challenge.parameters.get("realm", "")
        if not realm:
            raise RegistryError("registry asks for a bearer token but names no token server")
        self._check(realm)
        asked = time.monotonic()
        query = [("service", challenge.parameters["service"])] if challenge.parameters.get("service") else []
        headers: dict[str, str] = {}
        if credentials is not None and credentials.identity_token:
            query += [("scope", scope)] if scope else []
            form = [("grant_type", "refresh_token"), ("refresh_token", credentials.identity_token)]
            body = urlencode([*query, *form, ("client_id", _CLIENT_ID)])
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            answer = self._transport.send("POST", realm, headers=headers, body=body, check=self._check)
        else:
            query += [("scope", one) for one in scope.split()]
            if credentials is not None:
                query.insert(0, ("account", credentials.username))
            authorization = _basic(credentials) if credentials is not None else None
            answer = self._transport.send(
                "GET", _with_query(realm, query), authorization=authorization, check=self._check
            )
        what = f"token server {shown(realm)}"
        body_limit = MAX_TOKEN_BODY if answer.status == HTTPStatus.OK else MAX_ERROR_BODY
        status = answer.status
        return _read_token(status, self._transport.read_all(answer, body_limit, what), realm, asked, credentials)

    def _check(self, url: str) -> None:
        check_realm(url, self._registry_url, allow_http=self._allow_http)


def _read_token(status: int, body: bytes, realm: str, asked: float, credentials: Credentials | None) -> Token:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) and credentials is not None:
        raise UnauthorizedError("unable to retrieve auth token: invalid username/password")
    if status != HTTPStatus.OK:
        error = from_answer(status, body, realm)
        kind = UnauthorizedError if isinstance(error, UnauthorizedError) else RegistryError
        raise kind(f"requesting bearer token: {error}", hint=error.hint)
    try:
        document = json.loads(body)
        text = document.get("token") or document.get("access_token")
        lifetime = document.get("expires_in")
    except (ValueError, AttributeError, RecursionError):
        raise RegistryError(f"token server {shown(realm)}: answer is not a JSON object") from None
    if not isinstance(text, str) or not _is_visible(text):
        raise RegistryError(f"token server {shown(realm)}: answer has no token")
    known = isinstance(lifetime, int | float) and not isinstance(lifetime, bool)
    seconds = float(min(lifetime, 1 << 31)) if known else _SHORTEST
    # A token is dropped a little early, so that it does not expire on its way.
    return Token(text, asked + max(seconds, _SHORTEST) - 5)


def _is_insufficient(challenge: Challenge) -> bool:
    return challenge.parameters.get("error") == "insufficient_scope" and bool(challenge.parameters.get("scope"))


def _basic(credentials: Credentials) -> str | None:
    if not credentials.username and not credentials.password:
        return None
    return "Basic " + base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()


def _bearer(token: str) -> str:
    if not _is_visible(token):
        raise RegistryError("bearer token contains characters that no header may have")
    return f"Bearer {token}"


def _is_visible(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _with_query(realm: str, query: list[tuple[str, str]]) -> str:
    parts = urlsplit(realm)
    joined = "&".join(part for part in (parts.query, urlencode(query)) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, joined, ""))
