"""The rules of the registry client that need no registry: challenges, addresses, proxies, back-off, error texts."""

from __future__ import annotations

import email.utils
import json
import socket
import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import ImageNotFoundError, RegistryError, StorageError, UnauthorizedError
from storage.registry import addresses, backoff, challenges, failures
from storage.registry.challenges import Challenge


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], []),
        ([""], []),
        (["Basic"], [("basic", {})]),
        (['Basic realm="a, b"'], [("basic", {"realm": "a, b"})]),
        (
            ['Bearer realm="https://a.b/token",service="s",scope="repository:x:pull,push"'],
            [("bearer", {"realm": "https://a.b/token", "service": "s", "scope": "repository:x:pull,push"})],
        ),
        (
            ['Basic realm="x", Bearer realm=y , service = "z"'],
            [("basic", {"realm": "x"}), ("bearer", {"realm": "y", "service": "z"})],
        ),
        (['Basic realm="x"', 'BEARER Realm="y"'], [("basic", {"realm": "x"}), ("bearer", {"realm": "y"})]),
        (["Negotiate, Basic realm=x"], [("negotiate", {}), ("basic", {"realm": "x"})]),
        ([r'Bearer realm="a\"b"'], [("bearer", {"realm": 'a"b'})]),
        (['Bearer realm="open'], [("bearer", {"realm": "open"})]),
        (['Bearer realm="a",realm="b"'], [("bearer", {"realm": "a"})]),
    ],
)
def test_challenges(headers: list[str], expected: list[tuple[str, dict[str, str]]]) -> None:
    assert challenges.parse(headers) == tuple(Challenge(scheme, parameters) for scheme, parameters in expected)


@given(st.lists(st.text(max_size=60) | st.text(alphabet='Bearer rlm="a,=\\', max_size=60), max_size=3))
def test_any_challenge_is_read(headers: list[str]) -> None:
    for challenge in challenges.parse(headers):
        assert challenge.scheme


def test_hosts() -> None:
    assert addresses.host_of("docker.io") == "registry-1.docker.io"
    assert addresses.host_of("a.b:5000") == "a.b:5000"
    for host in ("localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:5000"):
        assert addresses.is_loopback(host)
    for host in ("a.b", "localhost.a.b", "128.0.0.1", "10.0.0.1:5000", "127.a.b", "[::2]"):
        assert not addresses.is_loopback(host)


def test_shown_hides_secrets() -> None:
    assert addresses.shown("https://user:secret@a.b:1/p?sig=secret#secret") == "https://a.b:1/p"
    assert addresses.shown("http://[").isprintable()
    assert addresses.shown("http://a.b/\x1b[31m").isprintable()


@pytest.mark.parametrize(
    ("url", "location", "expected"),
    [
        ("https://a.b/v2/x", "/y?z=1", "https://a.b/y?z=1"),
        ("https://a.b/v2/x", "y", "https://a.b/v2/y"),
        ("https://a.b/v2/x", "https://c.d:8443/y", "https://c.d:8443/y"),
        ("http://a.b/x", "https://a.b/x", "https://a.b/x"),
        ("http://a.b/x", "http://c.d/x", "http://c.d/x"),
        ("https://a.b/x", "//c.d/y", "https://c.d/y"),
        ("https://a.b/x", "https://user:password@c.d/y#z", "https://c.d/y"),
    ],
)
def test_redirect(url: str, location: str, expected: str) -> None:
    assert addresses.redirected(url, location) == expected


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://a.b/x", "https to http://a.b/x"),
        ("HTTP://a.b/x", "from https"),
        ("file:///etc/passwd", "malformed"),
        ("ftp://a.b/x", "malformed"),
        ("https://a.b:port/", "malformed"),
        ("https://a.b:99999/", "malformed"),
        ("https://[/", "malformed"),
    ],
)
def test_redirect_refused(location: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        addresses.redirected("https://a.b/y", location)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ('</v2/a/tags/list?last=x&n=2>; rel="next"', "/v2/a/tags/list?last=x&n=2"),
        ("<https://a.b/c,d;e>;rel=next", "https://a.b/c,d;e"),
        ('</first>; rel="first", </second>; title="a" ; REL = "last Next"', "/second"),
        ("</other>; rel=other", ""),
        ("</open; rel=next", ""),
        ("rel=next", ""),
        ("", ""),
    ],
)
def test_next_page(link: str, expected: str) -> None:
    assert addresses.next_page(link) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.b/x", "https://a.b:443/y", True),
        ("https://A.b/x", "https://a.b/y", True),
        ("https://a.b/x", "http://a.b/x", False),
        ("https://a.b/x", "https://a.b:444/x", False),
        ("https://a.b/x", "https://a.b.c/x", False),
    ],
)
def test_origin(one: str, other: str, same: bool) -> None:
    assert (addresses.origin(one) == addresses.origin(other)) is same


@pytest.mark.parametrize(
    ("realm", "registry", "allow_http"),
    [
        ("https://auth.docker.io/token", "https://registry-1.docker.io", False),
        ("https://8.8.8.8/token", "https://a.b", False),
        ("https://10.0.0.1:8443/token", "https://10.0.0.1:5000", False),
        ("http://127.0.0.1:5001/token", "http://127.0.0.1:5000", True),
        ("http://auth.a.b/token", "http://a.b", True),
    ],
)
def test_realm(realm: str, registry: str, allow_http: bool) -> None:
    addresses.check_realm(realm, registry, allow_http=allow_http)


@pytest.mark.parametrize(
    "realm",
    [
        *("http://auth.a.b/token", "ftp://a.b/", "auth", "", "https://", "https://user:password@c.d/token"),
        *(
            "https://127.0.0.1/token",
            "https://localhost/token",
            "https://x.localhost/",
            "https://[::1]/",
            "https://0.0.0.0/",
        ),
        *(
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://[fe80::1]/",
        ),
        *("https://[::ffff:10.0.0.1]/", "https://[fd00::1]/", "https://100.64.0.1/"),
    ],
)
def test_realm_refused(realm: str) -> None:
    with pytest.raises(RegistryError, match=r"token server") as caught:
        addresses.check_realm(realm, "https://a.b", allow_http=False)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://a.b/", {}, None),
        ("https://a.b/", {"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ("https://a.b/", {"https_proxy": "p:3128"}, "http://p:3128"),
        ("https://a.b/", {"https_proxy": "http://low", "HTTPS_PROXY": "http://up"}, "http://low"),
        ("http://a.b/", {"HTTPS_PROXY": "http://p"}, None),
        ("http://a.b/", {"HTTP_PROXY": "http://p"}, "http://p"),
        ("https://a.b/", {"ALL_PROXY": "http://p"}, None),
        ("http://localhost:5000/", {"HTTP_PROXY": "http://p"}, None),
        ("http://127.0.0.1:5000/", {"HTTP_PROXY": "http://p"}, None),
        ("http://[::1]:5000/", {"HTTP_PROXY": "http://p"}, None),
        *(
            ("https://r.a.b:8443/", {"HTTPS_PROXY": "http://p", "NO_PROXY": no_proxy}, None)
            for no_proxy in ("*", "a.b", ".a.b", "*.a.b", "r.a.b", "x, R.A.B ,y", "a.b:8443", "r.a.b:8443")
        ),
        *(
            ("https://r.a.b:8443/", {"HTTPS_PROXY": "http://p", "NO_PROXY": no_proxy}, "http://p")
            for no_proxy in ("", ",", "b.c", "xa.b", ".r.a.b", "a.b:443", "a", "10.0.0.0/8")
        ),
        ("https://10.1.2.3/", {"HTTPS_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8"}, None),
        ("https://10.1.2.3/", {"HTTPS_PROXY": "http://p", "NO_PROXY": "10.1.2.3"}, None),
        ("https://10.1.2.3:444/", {"HTTPS_PROXY": "http://p", "NO_PROXY": "10.1.2.3:444"}, None),
        ("https://11.1.2.3/", {"HTTPS_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8,a.b,*.x"}, "http://p"),
    ],
)
def test_proxy(url: str, environment: dict[str, str], expected: str | None) -> None:
    assert addresses.proxy_for(url, environment) == expected


def test_delay_grows_and_is_bounded() -> None:
    for attempt in range(12):
        assert min(2.0**attempt, 60) <= backoff.delay(attempt, 1.0) <= min(1.5 * 2.0**attempt, 60)
    assert 2 <= backoff.delay(0, 1.0, status=429) <= 3


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("0", 0, 0),
        ("7", 7, 7),
        (" 7 ", 7, 7),
        ("99999999999999999999", 60, 60),
        ("-1", 1, 1.5),
        ("soon", 1, 1.5),
        ("٣", 1, 1.5),
    ],
)
def test_retry_after(header: str, low: float, high: float) -> None:
    assert low <= backoff.delay(0, 1.0, header) <= high


def test_retry_after_as_a_date() -> None:
    for ahead, low, high in ((30, 28, 30), (3600, 60, 60), (-30, 0, 0)):
        assert low <= backoff.delay(0, 1.0, email.utils.formatdate(time.time() + ahead, usegmt=True)) <= high


def test_patience_needs_progress() -> None:
    patience = backoff.Patience(0, 2)
    assert [patience.again(position) for position in (0, 10, 20)] == [1, 2, None]
    patience = backoff.Patience(0, 2)
    assert [patience.again(position << 20) for position in range(1, 30)] == [0] * 29
    assert [patience.again(29 << 20) for _ in range(3)] == [1, 2, None]


def test_a_few_bytes_a_minute_are_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 61))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    trickle = backoff.Patience(0, 2)
    assert [trickle.again(61 * 99 * number) for number in range(1, 4)] == [1, 2, None]
    steady = backoff.Patience(0, 2)
    assert [steady.again(61 * 100 * number) for number in range(1, 4)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("status", "code", "kind", "text"),
    [
        (404, "MANIFEST_UNKNOWN", ImageNotFoundError, "manifest unknown: said"),
        (404, "NAME_UNKNOWN", ImageNotFoundError, "name unknown: said"),
        (404, "", ImageNotFoundError, "said"),
        (404, "UNKNOWN", ImageNotFoundError, "said"),
        (404, "BLOB_UNKNOWN", failures.AnswerError, "blob unknown: said"),
        (401, "UNAUTHORIZED", UnauthorizedError, "unauthorized: said"),
        (401, "", UnauthorizedError, "said"),
        (403, "DENIED", UnauthorizedError, "denied: said"),
        (429, "TOOMANYREQUESTS", failures.AnswerError, "toomanyrequests: said"),
        (500, "", failures.AnswerError, "500 Internal Server Error: said"),
        (999, "", failures.AnswerError, "999 unknown status: said"),
    ],
)
def test_error_answers(status: int, code: str, kind: type[StorageError], text: str) -> None:
    body = json.dumps({"errors": [{"code": code, "message": "said"}]}).encode()
    error = failures.from_answer(status, body, "https://a.b/x?secret")
    assert type(error) is kind
    assert str(error).endswith(text)
    assert "secret" not in str(error)


@given(
    st.sampled_from([400, 401, 403, 404, 429, 500]),
    st.binary(max_size=50)
    | st.text(max_size=80).map(lambda text: json.dumps({"errors": [{"code": text, "message": text}]}).encode()),
)
def test_any_error_body_becomes_one_line(status: int, body: bytes) -> None:
    assert str(failures.from_answer(status, body, "https://a.b/x")).isprintable()


def test_repeated_code_and_message_are_said_once() -> None:
    body = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
    assert str(failures.from_answer(404, body, "https://a.b/")) == "manifest unknown"
    assert str(failures.from_answer(401, b"", "https://a.b/")) == "unauthorized: authentication required"
    assert str(failures.from_answer(404, b"<html>", "https://a.b/")) == "not found"


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "refused", "connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "host", "no such host"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "host", "temporary failure in name resolution"),
        (ConnectionResetError(104, "Connection reset by peer"), "broken", "connection reset by peer"),
        (OSError(113, "No route to host"), "network", "no route to host"),
        (TimeoutError(), "timeout", "no answer in time"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x"), "tls", "tls: handshake failed"),
        (ValueError("secret"), "other", "ValueError"),
    ],
)
def test_exceptions(error: Exception, kind: str, text: str) -> None:
    outer = RuntimeError("outer")
    outer.__cause__ = error
    translated = failures.from_exception(outer if kind != "other" else error, "GET", "https://u:secret@a.b/x?secret")
    assert translated.kind == kind
    assert str(translated) == f'Get "https://a.b/x": {text}'
