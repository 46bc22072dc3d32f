"""From exceptions of connections and answers of registries to one clear line each."""

from __future__ import annotations

import json
import socket
import ssl
from http import HTTPStatus

from storage.errors import ImageNotFoundError, RegistryError, StorageError, UnauthorizedError
from storage.registry.addresses import shown

MAX_ERROR_BODY = 1 << 20

_NOT_FOUND = frozenset(["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND", "NAME_INVALID"])
_REFUSED = frozenset(["UNAUTHORIZED", "DENIED"])


class ConnectionFailedError(RegistryError):
    """No answer came, or it broke off; `kind` says why."""

    def __init__(self, message: str, *, kind: str = "other", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind

    @property
    def is_passing(self) -> bool:
        """Tell whether the same request may well succeed a second later.

        Not after a time limit, be it the resolver's: to wait for it several times would look like hanging.
        """
        return self.kind == "broken"


class TooSlowError(OSError):
    """An answer comes in, but at a rate at which it never ends."""

    def __init__(self, count: int, seconds: float) -> None:
        super().__init__(
            f"the answer comes too slowly: {count} bytes in {seconds:.0f} seconds ({count / seconds:.1f} bytes/s)"
        )


class AnswerError(RegistryError):
    """The registry answered with an error that says nothing about the image or the credentials."""


def from_exception(error: BaseException, method: str, url: str) -> ConnectionFailedError:
    """Translate whatever urllib3, http.client or ssl raise."""
    kind, text, hint = _classify(_chain(error))
    return ConnectionFailedError(f'{method.capitalize()} "{shown(url)}": {text}', kind=kind, hint=hint)


def _chain(error: BaseException) -> list[BaseException]:
    """List an exception with all that it wraps, by cause, context, reason or argument; the outermost first."""
    found: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        one = pending.pop(0)
        if not isinstance(one, BaseException) or any(one is other for other in found):
            continue
        found.append(one)
        pending += [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]
    return found


def _classify(chain: list[BaseException]) -> tuple[str, str, str]:
    names = {type(error).__name__ for error in chain}
    proxied = "proxy: " if "ProxyError" in names else ""
    for error in chain:
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = "put the CA into certs.d/HOST[:PORT]/ca.crt, or use --tls-verify=false"
            return "certificate", f"{proxied}tls: failed to verify certificate: {error.verify_message}", hint
        if isinstance(error, socket.gaierror):
            passing = error.errno == socket.EAI_AGAIN
            return "host", proxied + ("temporary failure in name resolution" if passing else "no such host"), ""
        if isinstance(error, ConnectionRefusedError):
            return "refused", f"{proxied}connection refused", ""
    for error in chain:
        if isinstance(error, ssl.SSLError):
            return _classify_tls(error, proxied)
    for error in chain:
        if isinstance(error, TooSlowError):
            return "slow", f"{proxied}{error}", ""
    if names & {"LineTooLong", "HTTPException"}:  # the latter itself: more headers than http.client takes
        return "other", f"{proxied}the header of the answer is too long", ""
    if "ConnectTimeoutError" in names:
        return "unreachable", f"{proxied}connection timed out", ""
    if names & {"ReadTimeoutError", "TimeoutError"}:
        return "timeout", f"{proxied}no answer in time", ""
    for error in chain:
        if isinstance(error, OSError) and error.errno and error.strerror:
            kind = "broken" if isinstance(error, ConnectionError) else "network"
            return kind, proxied + str(error.strerror).lower(), ""
    if names & {"IncompleteRead", "RemoteDisconnected", "ProtocolError", "BadStatusLine", "InvalidChunkLength"}:
        return "broken", f"{proxied}unexpected end of the answer", ""
    return "other", f"{proxied}{type(chain[0]).__name__}", ""


def _classify_tls(error: ssl.SSLError, proxied: str) -> tuple[str, str, str]:
    reason = (getattr(error, "reason", None) or "").lower().replace("_", " ")
    if reason in ("wrong version number", "unknown protocol", "http request", "record layer failure"):
        return "tls", f"{proxied}server gave HTTP response to HTTPS client", "for plain http use --tls-verify=false"
    if "eof" in reason or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "broken", f"{proxied}tls: unexpected end of the connection", ""
    return "tls", f"{proxied}tls: {reason or 'handshake failed'}", ""


def from_answer(status: int, body: bytes, url: str, method: str = "Get") -> StorageError:
    """Translate an error answer by the code in its body (distribution-spec, error codes), else by its status."""
    code, message = _first_error(body)
    text = _line(code, message)
    if status == HTTPStatus.UNAUTHORIZED or code == "UNAUTHORIZED":
        return UnauthorizedError(text or "unauthorized: authentication required", hint="log in with `pod login`")
    if status == HTTPStatus.FORBIDDEN or code in _REFUSED:
        return UnauthorizedError(text or "denied: requested access to the resource is denied")
    if code in _NOT_FOUND or (status == HTTPStatus.NOT_FOUND and code in ("", "UNKNOWN")):
        return ImageNotFoundError(text or "not found")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return AnswerError(
            text or "toomanyrequests: too many requests to the registry",
            hint="try again later; some registries allow more to those who log in with `pod login`",
        )
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "unknown status"
    tail = f": {text}" if text else ""
    return AnswerError(
        f'{method.capitalize()} "{shown(url)}": received unexpected HTTP status: {status} {phrase}{tail}'
    )


def _first_error(body: bytes) -> tuple[str, str]:
    try:
        first = json.loads(body)["errors"][0]
        code, message = first.get("code"), first.get("message")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return "", ""
    return code if isinstance(code, str) else "", message if isinstance(message, str) else ""


def _line(code: str, message: str) -> str:
    """Make one printable line of what a registry says, for it goes to a terminal."""
    name = code.lower().replace("_", " ")
    text = message.strip()
    if name and text and text.lower() != name and name != "unknown":
        text = f"{name}: {text}"
    text = " ".join((text or name).split())
    return "".join(character if character.isprintable() else "?" for character in text)[:300]


def prefixed(error: StorageError, what: str) -> StorageError:
    """Give the same kind of error with what was attempted in front."""
    message = f"{what}: {error}"
    if isinstance(error, ConnectionFailedError):
        return ConnectionFailedError(message, kind=error.kind, hint=error.hint)
    return type(error)(message, hint=error.hint)
