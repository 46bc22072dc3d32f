"""Ways in which a registry can misbehave, for FakeRegistry.script."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.fakes.registry import Action, Answer, Exchange, FakeRegistry, error, normally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Action:
    """Answer with anything."""
    return lambda exchange: exchange.send(Answer(status, dict(headers or {}), body))


def status(code: int) -> Action:
    """Answer with a bare status."""
    return answer(code)


def too_many(retry_after: str | None = None) -> Action:
    """Answer 429, with Retry-After in seconds or as a date."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return lambda exchange: exchange.send(
        Answer(429, headers, error(429, "TOOMANYREQUESTS", "pull rate limit exceeded").body)
    )


def redirect(location: str, code: int = 307) -> Action:
    """Send the client elsewhere; `{path}` in the location stands for the path that it asked for."""
    return lambda exchange: exchange.send(
        Answer(code, {"Location": location.replace("{path}", exchange.request.path)}, b"elsewhere")
    )


def broken_after(count: int) -> Action:
    """Promise the whole body, send some bytes and hang up."""

    def act(exchange: Exchange) -> None:
        exchange.send(exchange.answer, length=len(exchange.answer.body), body=exchange.answer.body[:count])
        exchange.hang_up()

    return act


def hung_up() -> Action:
    """Close the connection without an answer."""
    return lambda exchange: exchange.hang_up()


def truncated(count: int) -> Action:
    """Send fewer bytes, and call that the length."""

    def act(exchange: Exchange) -> None:
        exchange.send(Answer(exchange.answer.status, exchange.answer.headers, exchange.answer.body[:count]))

    return act


def longer(extra: bytes, *, chunked: bool = False) -> Action:
    """Send more bytes than the blob has, with an honest Content-Length or with none."""

    def act(exchange: Exchange) -> None:
        changed = Answer(exchange.answer.status, exchange.answer.headers, exchange.answer.body + extra)
        exchange.send(changed, chunked=chunked)

    return act


def chunked() -> Action:
    """Answer honestly, but without a Content-Length."""
    return lambda exchange: exchange.send(exchange.answer, chunked=True)


def spoiled() -> Action:
    """Flip the first byte of the body."""

    def act(exchange: Exchange) -> None:
        body = bytes([exchange.answer.body[0] ^ 1]) + exchange.answer.body[1:]
        exchange.send(Answer(exchange.answer.status, exchange.answer.headers, body))

    return act


def without_range(registry: FakeRegistry) -> Action:
    """Ignore Range and send everything with 200."""

    def act(exchange: Exchange) -> None:
        exchange.send(Answer(200, {}, registry.blobs[exchange.request.path.rpartition("/")[2]]))

    return act


def headers(**changes: str) -> Action:
    """Answer honestly with other headers; `_` stands for `-`."""

    def act(exchange: Exchange) -> None:
        changed = {name.replace("_", "-"): value for name, value in changes.items()}
        kept = {name: value for name, value in exchange.answer.headers.items() if name not in changed}
        exchange.send(Answer(exchange.answer.status, {**kept, **changed}, exchange.answer.body))

    return act


def silent(seconds: float = 60) -> Action:
    """Send nothing for a long time, then hang up."""

    def act(exchange: Exchange) -> None:
        exchange.wait(seconds)
        exchange.hang_up()

    return act


def stuck_after(count: int, seconds: float = 60) -> Action:
    """Send some bytes, then nothing for a long time."""

    def act(exchange: Exchange) -> None:
        exchange.send(exchange.answer, length=len(exchange.answer.body), body=exchange.answer.body[:count])
        exchange.handler.wfile.flush()
        exchange.wait(seconds)
        exchange.hang_up()

    return act


def trickling(piece: int, pause: float) -> Action:
    """Send the body a few bytes at a time."""

    def act(exchange: Exchange) -> None:
        exchange.send(exchange.answer, length=len(exchange.answer.body), body=b"")
        body = exchange.answer.body
        for start in range(0, len(body), piece):
            exchange.handler.wfile.write(body[start : start + piece])
            exchange.handler.wfile.flush()
            exchange.wait(pause)

    return act


def endless_head(start: bytes, piece: bytes, pause: float) -> Action:
    """Send the beginning of an answer's head, and pieces of it until the client hangs up."""

    def act(exchange: Exchange) -> None:
        with contextlib.suppress(OSError):
            exchange.handler.wfile.write(start)
            while True:
                exchange.handler.wfile.write(piece)
                exchange.handler.wfile.flush()
                exchange.wait(pause)
        exchange.hang_up()

    return act


def after(action: Callable[[], None], then: Action = normally) -> Action:
    """Do something at the moment of the request (revoke tokens, say), then answer."""

    def act(exchange: Exchange) -> None:
        action()
        then(exchange)

    return act


def forgetting(registry: FakeRegistry, kept: int) -> Action:
    """Keep only so many bytes of an upload, and hang up without an answer."""

    def act(exchange: Exchange) -> None:
        del registry.uploads[exchange.request.path.rpartition("/")[2]][kept:]
        exchange.hang_up()

    return act
