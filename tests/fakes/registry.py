"""A registry in this process that misbehaves as a test tells it to, and remembers every request.

    from tests.fakes.actions import broken_after, status, too_many

    with FakeRegistry() as registry:
        image = registry.add_image("a/b", "latest", [b"layer"])
        registry.script("/blobs/", broken_after(10), status(503), too_many("1"))     # the first three blob requests
        registry.auth = Bearer(registry, user="u", password="p")
        ... RegistryClient(registry.domain, options) ...
        assert registry.requests[-1].headers.get("Authorization") is None

Scripted actions are used up one per request whose path contains the text; `normally` stands for an honest
answer; tests/fakes/actions.py has the others.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, Self
from urllib.parse import parse_qs, urlsplit

from storage import documents


@dataclass
class Answer:
    """An honest answer, before an action spoils it."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Message
    body: bytes


class Exchange:
    """One request with its honest answer, for an action to send in its way."""

    def __init__(
        self, handler: BaseHTTPRequestHandler, request: Request, answer: Answer, released: threading.Event
    ) -> None:
        self.handler = handler
        self.request = request
        self.answer = answer
        self._released = released

    def wait(self, seconds: float) -> None:
        """Keep the client waiting, but not longer than the registry lives."""
        self._released.wait(seconds)

    def send(
        self, answer: Answer, *, length: int | None = None, body: bytes | None = None, chunked: bool = False
    ) -> None:
        """Send an answer, perhaps with another Content-Length or with fewer bytes than it promises."""
        handler = self.handler
        sent = answer.body if body is None else body
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            for one in value.split("\n"):
                handler.send_header(name, one)
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", str(len(answer.body) if length is None else length))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        if chunked:
            for start in range(0, len(sent), 65536):
                piece = sent[start : start + 65536]
                handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            handler.wfile.write(b"0\r\n\r\n")
        else:
            handler.wfile.write(sent)

    def hang_up(self) -> None:
        """Close the connection after this."""
        self.handler.wfile.flush()
        self.handler.close_connection = True


Action = Callable[[Exchange], None]


class Auth(Protocol):
    """How a registry protects itself."""

    def allows(self, request: Request) -> bool:
        """Tell whether a request below /v2/ may pass."""

    def challenge(self, request: Request) -> str:
        """Give the WWW-Authenticate header."""


@dataclass(frozen=True)
class Basic:
    """Asks for a user and a password."""

    user: str = "user"
    password: str = "password"

    def allows(self, request: Request) -> bool:
        """Compare the Authorization header."""
        return request.headers.get("Authorization") == basic(self.user, self.password)

    def challenge(self, request: Request) -> str:
        """Give the header of a Basic challenge."""
        return 'Basic realm="Registry, of tests"'


CATALOG = "registry:catalog:*"


@dataclass
class Bearer:
    """Asks for tokens from `realm` (by default the same server, /token), valid for one scope until revoked.

    Without user, tokens are given to anybody. `refresh_token` is what POST takes in place of user and password.
    """

    registry: FakeRegistry
    user: str | None = None
    password: str = "password"
    refresh_token: str | None = None
    realm: str | None = None
    lifetime: int | None = 300
    key: str = "token"
    tokens: dict[str, str] = field(default_factory=dict)
    extra: str = ""

    def allows(self, request: Request) -> bool:
        """Look the token up; the ping is not allowed with a token of another scope, as everywhere."""
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in self.tokens or request.path == "/v2/":
            return token in self.tokens
        if request.path == "/v2/_catalog":
            return self.tokens[token] == CATALOG
        return may(self.tokens[token], repository_of(request.path), action_of(request.method))

    def challenge(self, request: Request) -> str:
        """Give the header of a Bearer challenge."""
        realm = self.realm or f"{self.registry.url}/token"
        scope = f',scope="{self._scope(request)}"' if request.path != "/v2/" else ""
        return f'Bearer realm="{realm}",service="tests"{scope}{self.extra}'

    def revoke(self) -> None:
        """Let all tokens expire."""
        self.tokens.clear()

    def issue(self, request: Request) -> Answer:
        """Answer at the token server."""
        fields = parse_qs(request.body.decode()) if request.method == "POST" else request.query
        if request.method == "POST":
            good = self.refresh_token is not None and fields.get("refresh_token") == [self.refresh_token]
        else:
            good = self.user is None or request.headers.get("Authorization") == basic(self.user, self.password)
        if not good:
            return error(401, "UNAUTHORIZED", "incorrect username or password")
        token = f"token-{len(self.registry.requests)}-{time.monotonic_ns()}"
        self.tokens[token] = " ".join(fields.get("scope", [""]))
        document: dict[str, Any] = {self.key: token}
        if self.lifetime is not None:
            document["expires_in"] = self.lifetime
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def _scope(self, request: Request) -> str:
        if request.path == "/v2/_catalog":
            return CATALOG
        actions = "pull" if action_of(request.method) == "pull" else "pull,push"
        return f"repository:{repository_of(request.path)}:{actions}"


class FakeRegistry:
    """The server; use it as a context manager. Everything may be changed while it runs."""

    def __init__(self, *, certificate: tuple[str, str] | None = None, client_authority: str | None = None) -> None:
        self.requests: list[Request] = []
        self.blobs: dict[str, bytes] = {}
        self.owners: dict[str, set[str]] = {}
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.auth: Auth | None = None
        self.tag_page = 100
        self.index: list[dict[str, Any]] | None = None
        self.uploads: dict[str, bytearray] = {}
        self.located = "{path}?_state=a%2Fb"
        self.least_piece = 0
        self.mounts = True
        self._scripts: list[tuple[str, list[Action]]] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = _Server(self, certificate, client_authority)
        self.domain = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'https' if certificate else 'http'}://{self.domain}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add_blob(self, data: bytes) -> str:
        """Serve a blob; give its digest."""
        digest = documents.digest_of(data)
        self.blobs[digest] = data
        return digest

    def add_manifest(self, repository: str, tag: str, raw: bytes, media_type: str = documents.OCI_MANIFEST) -> str:
        """Serve any bytes as a manifest, by tag and by digest; give the digest."""
        digest = documents.digest_of(raw)
        self.manifests[repository, tag] = self.manifests[repository, digest] = (raw, media_type)
        return digest

    def add_image(
        self, repository: str, tag: str, layers: Sequence[bytes] = (b"layer",), changes: Mapping[str, Any] | None = None
    ) -> str:
        """Serve an OCI image whose layers are these bytes, uncompressed; `changes` go into its manifest."""
        config = {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers],
            },
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": documents.OCI_MANIFEST,
            "config": self._descriptor(documents.OCI_CONFIG, json.dumps(config).encode()),
            "layers": [self._descriptor(documents.OCI_LAYER, layer) for layer in layers],
            **(changes or {}),
        }
        for one in [manifest["config"], *manifest["layers"]]:
            self.owners.setdefault(one["digest"], set()).add(repository)
        return self.add_manifest(repository, tag, json.dumps(manifest).encode(), str(manifest["mediaType"]))

    def script(self, text: str, *actions: Action) -> None:
        """Answer the next requests whose path contains the text by these actions, one each."""
        with self._lock:
            self._scripts.append((text, list(actions)))

    def seen(self, text: str) -> list[Request]:
        """List the requests so far whose path contains the text."""
        return [request for request in self.requests if text in request.path]

    def handle(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        request = Request(handler.command, parts.path, parse_qs(parts.query), handler.headers, body)
        self.requests.append(request)
        exchange = Exchange(handler, request, self._answer(request), self._released)
        self._action(request.path)(exchange)

    def _action(self, path: str) -> Action:
        with self._lock:
            for text, actions in self._scripts:
                if actions and text in path:
                    return actions.pop(0)
        return normally

    def _answer(self, request: Request) -> Answer:
        if isinstance(self.auth, Bearer) and request.path == "/token":
            return self.auth.issue(request)
        if self.auth is not None and request.path.startswith("/v2/") and not self.auth.allows(request):
            refused = error(401, "UNAUTHORIZED", "authentication required")
            refused.headers["WWW-Authenticate"] = self.auth.challenge(request)
            return refused
        if request.path == "/v1/search" and self.index is not None:
            return Answer(200, {"Content-Type": "application/json"}, json.dumps({"results": self.index}).encode())
        if request.path == "/v2/_catalog":
            names = sorted({name for name, _ in self.manifests})
            return self._listed("/v2/_catalog", "repositories", names, request.query)
        if request.path == "/v2/":
            return Answer(200, {"Content-Type": "application/json"}, b"{}")
        if "/blobs/uploads/" in request.path:
            return self._upload(request, *request.path.removeprefix("/v2/").split("/blobs/uploads/"))
        *names, kind, name = ["", *request.path.removeprefix("/v2/").split("/")]
        repository = "/".join(names).lstrip("/")
        if kind == "manifests" and request.method == "PUT":
            return self._put_manifest(request, repository, name)
        if kind == "manifests":
            return self._manifest(repository, name)
        if kind == "blobs" and request.method == "HEAD" and repository not in self.owners.get(name, {repository}):
            return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        if kind == "blobs":
            return self._blob(name, request.headers.get("Range"))
        if kind == "tags":
            return self._tags(repository, request.query)
        return error(404, "NOT_FOUND", "page not found")

    def _manifest(self, repository: str, name: str) -> Answer:
        if (repository, name) not in self.manifests:
            known = any(repository == other for other, _ in self.manifests)
            return error(404, "MANIFEST_UNKNOWN" if known else "NAME_UNKNOWN", "manifest unknown")
        raw, media_type = self.manifests[repository, name]
        return Answer(200, {"Content-Type": media_type}, raw)

    def _blob(self, digest: str, wanted: str | None) -> Answer:
        data = self.blobs.get(digest)
        if data is None:
            return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        if wanted is None:
            return Answer(200, {"Content-Type": "application/octet-stream"}, data)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), int(last or len(data) - 1) + 1
        if start >= len(data):
            return Answer(416, {"Content-Range": f"bytes */{len(data)}"})
        part = data[start:end]
        return Answer(206, {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}"}, part)

    def _upload(self, request: Request, repository: str, name: str) -> Answer:
        if request.method == "POST":
            return self._begin_upload(request, repository)
        if name not in self.uploads:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        arrived = self.uploads[name]
        if request.query.get("_state") != ["a/b"] and "{path}?" in self.located:
            return error(400, "BLOB_UPLOAD_INVALID", "the query of the location is lost")
        if request.method == "DELETE":
            del self.uploads[name]
            return Answer(204)
        if request.method == "GET":
            return self._state(204, request.path, arrived)
        expected = request.headers.get("Content-Range", f"{len(arrived)}-").partition("-")[0]
        if int(expected) != len(arrived):
            return self._state(416, request.path, arrived)
        arrived += request.body
        if request.method == "PATCH":
            return self._state(202, request.path, arrived)
        digest = request.query["digest"][0]
        if documents.digest_of(bytes(arrived), digest.partition(":")[0]) != digest:
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.blobs[digest] = bytes(arrived)
        self.owners.setdefault(digest, set()).add(repository)
        del self.uploads[name]
        return Answer(201, {"Location": f"/v2/{repository}/blobs/{digest}"})

    def _begin_upload(self, request: Request, repository: str) -> Answer:
        digest, source = (request.query.get(name, [""])[0] for name in ("mount", "from"))
        if digest and self.mounts and source in self.owners.get(digest, ()) and self._may_pull(request, source):
            self.owners[digest].add(repository)
            return Answer(201, {"Location": f"/v2/{repository}/blobs/{digest}"})
        name = f"upload-{len(self.requests)}"
        self.uploads[name] = bytearray()
        answer = self._state(202, f"/v2/{repository}/blobs/uploads/{name}", self.uploads[name])
        if self.least_piece:
            answer.headers["OCI-Chunk-Min-Length"] = str(self.least_piece)
        return answer

    def _may_pull(self, request: Request, repository: str) -> bool:
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        return not isinstance(self.auth, Bearer) or may(self.auth.tokens[token], repository, "pull")

    def _state(self, status: int, path: str, arrived: bytearray) -> Answer:
        location = self.located.replace("{path}", path).replace("{url}", self.url)
        return Answer(status, {"Location": location, "Range": f"0-{max(len(arrived) - 1, 0)}"})

    def _put_manifest(self, request: Request, repository: str, name: str) -> Answer:
        document = json.loads(request.body)
        parts = [*document.get("layers", ()), *([document["config"]] if "config" in document else [])]
        missing = [one["digest"] for one in parts if repository not in self.owners.get(one["digest"], ())]
        missing += [
            one["digest"] for one in document.get("manifests", ()) if (repository, one["digest"]) not in self.manifests
        ]
        if missing:
            return error(404, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {missing}")
        digest = documents.digest_of(request.body)
        if ":" in name and name != digest:
            return error(400, "DIGEST_INVALID", "not the digest of the manifest")
        self.add_manifest(repository, name, request.body, request.headers.get("Content-Type", ""))
        return Answer(201, {"Location": f"/v2/{repository}/manifests/{digest}", "Docker-Content-Digest": digest})

    def _tags(self, repository: str, query: dict[str, list[str]]) -> Answer:
        tags = sorted(tag for name, tag in self.manifests if name == repository and ":" not in tag)
        return self._listed(f"/v2/{repository}/tags/list", "tags", tags, query)

    def _listed(self, path: str, key: str, names: list[str], query: dict[str, list[str]]) -> Answer:
        last = query.get("last", [""])[0]
        rest = [name for name in names if name > last]
        page = rest[: self.tag_page]
        headers = {"Content-Type": "application/json"}
        if len(rest) > len(page):
            headers["Link"] = f'<{path}?n={self.tag_page}&last={page[-1]}>; rel="next"'
        return Answer(200, headers, json.dumps({key: page}).encode())

    def _descriptor(self, media_type: str, data: bytes) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": self.add_blob(data), "size": len(data)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, registry: FakeRegistry, certificate: tuple[str, str] | None, client_authority: str | None
    ) -> None:
        self.registry = registry
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
            if client_authority is not None:
                self._context.verify_mode = ssl.CERT_REQUIRED
                self._context.load_verify_locations(client_authority)
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._context is None:
            super().finish_request(request, client_address)
            return
        with self._context.wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.registry.handle(self, body)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def repository_of(path: str) -> str:
    """Give the repository that a request is about."""
    for kind in ("/blobs/", "/manifests/", "/tags/"):
        if kind in path:
            return path.removeprefix("/v2/").partition(kind)[0]
    return ""


def action_of(method: str) -> str:
    """Give the action that a request needs."""
    return "pull" if method in ("GET", "HEAD") else "push"


def may(scopes: str, repository: str, action: str) -> bool:
    """Tell whether a token's scopes allow an action."""
    granted = [one.split(":") for one in scopes.split()]
    return any(one[:2] == ["repository", repository] and action in one[2].split(",") for one in granted)


def basic(user: str, password: str) -> str:
    """Give a Basic Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def error(status: int, code: str, message: str) -> Answer:
    """Make an error answer in the specification's form."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Answer(status, {"Content-Type": "application/json"}, body)


def normally(exchange: Exchange) -> None:
    """Answer honestly."""
    exchange.send(exchange.answer)
