"""The client of one registry: manifests, blobs, tags (OCI distribution-spec 1.1, pull)."""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from storage import credentials, documents
from storage.errors import BadReferenceError, CorruptError, RegistryError, StorageError, UnauthorizedError
from storage.reference import check_digest_syntax, parse
from storage.registry import challenges, parallel
from storage.registry.addresses import host_of, is_loopback, next_page, origin
from storage.registry.blobs import stream
from storage.registry.failures import MAX_ERROR_BODY, AnswerError, ConnectionFailedError, from_answer, prefixed
from storage.registry.tokens import Authorizer
from storage.registry.transport import Transport, Upload, discard

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from storage.documents import Descriptor
    from storage.registry.connections import Answer
    from storage.registry.options import RegistryOptions

_ACCEPT = ", ".join(documents.ACCEPTED)
_MAX_PAGE = 16 << 20
_MAX_PAGES = 10_000
_MAX_LIST = 64 << 20
_FOREIGN = ("nondistributable", "foreign")


class RegistryClient:
    """Talks to the registry of one domain. Not for several threads at once; after a fork, use `fresh()`."""

    def __init__(self, domain: str, options: RegistryOptions, *, host: str = "") -> None:
        self.domain = domain
        self._options = options
        self._host = host or host_of(domain)
        self._base: str | None = None
        self._found: dict[str, credentials.Credentials | None] = {}
        self._challenges: tuple[challenges.Challenge, ...] = ()
        self._authorizers: dict[str, Authorizer] = {}
        self._transport = Transport(self._host, options)

    def fresh(self) -> RegistryClient:
        """Give a client with connections of its own that knows what this one has learned (scheme, tokens)."""
        other = RegistryClient(self.domain, self._options, host=self._host)
        other._base = self._base
        other._found = dict(self._found)
        other._challenges = self._challenges
        for repository, authorizer in self._authorizers.items():
            copy = other._authorizer(repository)
            copy.challenges, copy.tokens = authorizer.challenges, dict(authorizer.tokens)
        return other

    def close(self) -> None:
        """Close idle connections; the client stays usable."""
        self._transport.close()

    def manifest(self, repository: str, tag_or_digest: str) -> tuple[bytes, str, str]:
        """Fetch a manifest or index: its raw bytes, content type and digest, verified when asked for by digest."""
        digest = tag_or_digest if ":" in tag_or_digest else None
        separator = "@" if digest is not None else ":"
        parse(f"localhost/{repository}{separator}{tag_or_digest}")
        what = f"reading manifest {tag_or_digest} in {self.domain}/{repository}"
        raw, content_type = self._fetch_manifest(repository, tag_or_digest, what)
        if digest is None:
            return raw, content_type, documents.digest_of(raw)
        documents.check_digest(raw, digest, what)
        return raw, content_type, digest

    def open_blob(self, repository: str, descriptor: Descriptor, *, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob from offset on, in chunks of at most 256 KiB; broken connections are resumed.

        Exactly `descriptor.size - offset` bytes or an error; the digest is for the caller to verify. A large blob
        that comes slowly is fetched over several connections.
        """
        check_digest_syntax(descriptor.digest)
        if descriptor.data is not None:
            return iter([descriptor.data[offset:]] if offset < descriptor.size else [])
        if descriptor.size - offset < parallel.SMALLEST or _foreign_urls(descriptor):
            return self.open_part(repository, descriptor, offset, descriptor.size)
        clients = iter((self,))  # The first connection is this one's.

        def connect() -> Callable[[int, int], Generator[bytes]]:
            client = next(clients, None) or self.fresh()
            return partial(client.open_part, repository, descriptor)

        return parallel.fetch(connect, offset, descriptor.size)

    def open_part(self, repository: str, descriptor: Descriptor, start: int, end: int) -> Generator[bytes]:
        """Yield the bytes of a blob from start to end over one connection; else as `open_blob`.

        Raises NoRangesError if the registry sends blobs only whole, and the end is not that of the blob.
        """
        urls = _foreign_urls(descriptor)

        def open_at(headers: dict[str, str]) -> Answer:
            if urls:
                return self._open_foreign(urls, headers, descriptor.digest)
            return self._get(repository, f"blobs/{descriptor.digest}", headers, f"reading blob {descriptor.digest}")

        options = self._options
        return stream(
            open_at,
            descriptor.digest,
            descriptor.size,
            offset=start,
            end=end,
            retries=options.retries,
            retry_delay=options.retry_delay,
        )

    def blob(self, repository: str, descriptor: Descriptor, *, limit: int = documents.MAX_DOCUMENT) -> bytes:
        """Fetch a small blob whole, verified against size and digest."""
        if descriptor.size > limit:
            raise CorruptError(f"blob {descriptor.digest}: {descriptor.size} bytes where {limit} are allowed")
        raw = b"".join(self.open_blob(repository, descriptor))
        documents.check_digest(raw, descriptor.digest, f"blob {descriptor.digest}")
        return raw

    def tags(self, repository: str) -> Iterator[str]:
        """Yield the tags of a repository, page by page."""
        what = f"fetching tags list of {self.domain}/{repository}"
        return self._pages(partial(self._get, repository, headers={}, what=what), "tags/list?n=1000", "tags", what)

    def repositories(self) -> Iterator[str]:
        """Yield the repositories that the registry lists, page by page; many registries refuse."""
        what = f"listing the repositories of {self.domain}"

        def get(path: str) -> Answer:
            self._ping()
            return self._authorized(path, "registry:catalog:*", self._authorizer(""), {}, what)

        return self._pages(get, "_catalog?n=1000", "repositories", what)

    def unversioned(self, path: str, limit: int) -> bytes | None:
        """Fetch what is no part of the specification, at a path of its own, without credentials; None if it is not.

        Raises RegistryError for a registry that does not answer, or an answer that is longer than the limit.
        """
        self._ping()
        answer = self._transport.send("GET", f"{self._base_url()}{path}")
        body = self._transport.read_all(answer, limit, f"asking {self.domain}")
        return body if answer.status == HTTPStatus.OK else None

    def _pages(self, get: Callable[[str], Answer], path: str, key: str, what: str) -> Iterator[str]:
        """Yield the strings of a list that comes in pages, each of which names the next."""
        size = 0
        for _ in range(_MAX_PAGES):
            body, answer = self._transport.fetch(partial(get, path), _MAX_PAGE, what)
            size += len(body)
            if size > _MAX_LIST:
                raise RegistryError(f"{what}: more than {_MAX_LIST} bytes")
            yield from _page(body, key, what)
            following = next_page(answer.headers.get("Link", ""))
            if not following:
                return
            path = self._next_page(answer.url, following, what)
        raise RegistryError(f"{what}: more than {_MAX_PAGES} pages")

    def check_login(self, found: credentials.Credentials | None = None) -> None:
        """Raise UnauthorizedError unless the registry takes these credentials, or ours (or asks for none)."""
        if found is not None:
            self._found[""] = found
        self._ping()
        authorizer = self._authorizer("")
        header = authorizer.header("")
        answer = self._transport.send("GET", f"{self._base_url()}/v2/", authorization=header)
        body = self._transport.read_all(answer, MAX_ERROR_BODY, f"logging in to {self.domain}")
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise UnauthorizedError("invalid username/password")
        if answer.status != HTTPStatus.OK:
            raise from_answer(answer.status, body, answer.url)

    def _fetch_manifest(self, repository: str, tag_or_digest: str, what: str) -> tuple[bytes, str]:
        def open_answer() -> Answer:
            return self._get(repository, f"manifests/{tag_or_digest}", {"Accept": _ACCEPT}, what)

        raw, answer = self._transport.fetch(open_answer, documents.MAX_DOCUMENT, what)
        content_type = answer.headers.get("Content-Type", "")
        if content_type.partition(";")[0].strip().lower() == "text/html":
            raise AnswerError(
                f"{what}: the answer is a web page, not a manifest",
                hint="a proxy, or a page to sign in at, may stand between here and the registry",
            )
        return raw, content_type

    def _next_page(self, here: str, following: str, what: str) -> str:
        try:
            url = urljoin(here, following)
            if origin(url) == origin(self._base_url()):
                return url
        except ValueError:
            pass
        raise RegistryError(f"{what}: the address of the next page is not at this registry")

    def _get(self, repository: str, path: str, headers: dict[str, str], what: str) -> Answer:
        return self.request("GET", repository, path, what=what, headers=headers)

    def request(
        self,
        method: str,
        repository: str,
        path: str,
        *,
        what: str,
        headers: dict[str, str] | None = None,
        body: bytes | Upload | None = None,
        scope: str | None = None,
        accepted: Sequence[int] = (),
        once: bool = False,
    ) -> Answer:
        """Send a request below /v2/REPOSITORY/ (or to a full URL) with authorization; raise for error answers.

        Authorization goes to the registry itself only. `what` begins the message of an error, `scope` is by default to
        pull, `accepted` are error statuses that the caller sees to. An Upload, or what is to be sent `once`, is not
        repeated when it breaks off; and an Upload not when the token expired, but ConnectionFailedError of kind broken
        says so: the caller finds out how much arrived.
        """
        check_repository(repository)
        self._ping()
        url = path if path.startswith(("http://", "https://")) else f"{repository}/{path}"
        return self._authorized(
            url,
            scope or f"repository:{repository}:pull",
            self._authorizer(repository),
            headers or {},
            what,
            method=method,
            body=body,
            accepted=accepted,
            once=once,
        )

    def _authorized(
        self,
        path: str,
        scope: str,
        authorizer: Authorizer,
        headers: dict[str, str],
        what: str,
        *,
        method: str = "GET",
        body: bytes | Upload | None = None,
        accepted: Sequence[int] = (),
        once: bool = False,
    ) -> Answer:
        """Send a request below /v2/, or to a full URL, with authorization for a scope; else as `request`."""
        base = self._base_url()
        url = path if path.startswith(("http://", "https://")) else f"{base}/v2/{path}"
        send = partial(self._transport.send, method, url, headers=headers, body=body)
        upload = isinstance(body, Upload)
        try:
            header = authorizer.header(scope) if origin(url) == origin(base) else None
            answer = send(authorization=header, repeat=not (upload or once))
            if answer.status == HTTPStatus.UNAUTHORIZED and origin(answer.url) == origin(base):
                offered = challenges.parse(answer.headers.getlist("WWW-Authenticate"))
                again = authorizer.renew(scope, header, offered)
                if again is not None:
                    discard(answer)
                    if upload:
                        raise ConnectionFailedError("the token expired", kind="broken")
                    answer = send(authorization=again, repeat=not once)
            if answer.status >= HTTPStatus.BAD_REQUEST and answer.status not in accepted:
                text = self._transport.read_all(answer, MAX_ERROR_BODY, what)
                raise from_answer(answer.status, text, answer.url, method)
        except StorageError as error:
            raise prefixed(error, what) from None
        return answer

    def _open_foreign(self, urls: tuple[str, ...], headers: dict[str, str], digest: str) -> Answer:
        """Fetch what registries may not distribute from where its descriptor says, without credentials."""
        failure: StorageError = RegistryError("no usable address")
        for url in urls:
            try:
                origin(url)
                answer = self._transport.send("GET", url, headers=headers)
            except ValueError:
                continue
            except RegistryError as error:
                failure = error
                continue
            if answer.status < HTTPStatus.BAD_REQUEST:
                return answer
            body = self._transport.read_all(answer, MAX_ERROR_BODY, f"blob {digest}")
            failure = from_answer(answer.status, body, url)
        raise prefixed(failure, f"reading blob {digest}")

    def _authorizer(self, repository: str) -> Authorizer:
        if repository not in self._authorizers:
            plain = self._options.tls_verify is False or self._base_url().startswith("http:")
            made = Authorizer(
                self._transport, self._base_url(), lambda: self._credentials(repository), allow_http=plain
            )
            made.challenges = self._challenges
            self._authorizers[repository] = made
        return self._authorizers[repository]

    def _credentials(self, repository: str) -> credentials.Credentials | None:
        options = self._options
        if options.credentials is not None:
            return credentials.Credentials(*options.credentials)
        if repository not in self._found:
            key = f"{self.domain}/{repository}" if repository else self.domain
            self._found[repository] = credentials.find(key, options)
        return self._found[repository]

    def _base_url(self) -> str:
        return self._base or f"https://{self._host}"

    def _ping(self) -> None:
        """Find out once whether the registry speaks https or http, and how it wants us to authenticate."""
        if self._base is not None:
            return
        if any(character in self._host for character in "/@?#\\") or not self._host.isprintable():
            raise BadReferenceError(f"invalid registry name {self.domain!r}")
        what = f"pinging container registry {self._host}"
        failures: list[StorageError] = []
        for scheme in self._schemes():
            try:
                self._ping_scheme(scheme, what, last=scheme == self._schemes()[-1])
            except (ConnectionFailedError, AnswerError) as error:
                failures.append(error)
                if isinstance(error, ConnectionFailedError) and error.kind in ("certificate", "timeout", "slow"):
                    break
            except StorageError as error:
                raise prefixed(error, what) from None
            else:
                return
        raise prefixed(_most_telling(failures), what) from None

    def _schemes(self) -> tuple[str, ...]:
        """List what to try. This machine is asked by http first: that is what it speaks, and no secret is sent yet."""
        if self._options.tls_verify is not True and is_loopback(self._host):
            return ("http", "https")
        return ("https", "http") if self._options.tls_verify is False else ("https",)

    def _ping_scheme(self, scheme: str, what: str, *, last: bool) -> None:
        answer = self._transport.send("GET", f"{scheme}://{self._host}/v2/", repeat_broken=last)
        offered = challenges.parse(answer.headers.getlist("WWW-Authenticate"))
        body = self._transport.read_all(answer, MAX_ERROR_BODY, what)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.UNAUTHORIZED):
            failure = from_answer(answer.status, body, answer.url)
            # Not found says nothing about an image here: this is no registry.
            kind = UnauthorizedError if isinstance(failure, UnauthorizedError) else AnswerError
            raise kind(str(failure), hint=failure.hint)
        self._base = f"{scheme}://{self._host}"
        self._challenges = offered if answer.status == HTTPStatus.UNAUTHORIZED else ()


def _most_telling(failures: list[StorageError]) -> StorageError:
    """Choose what to report when neither scheme works: an answer, else why there is no TLS."""
    answers = [failure for failure in failures if isinstance(failure, AnswerError)]
    certificates = [one for one in failures if isinstance(one, ConnectionFailedError) and one.kind == "certificate"]
    encrypted = [failure for failure in failures if "https://" in str(failure)]
    return (certificates or answers or encrypted or failures)[0]


def _foreign_urls(descriptor: Descriptor) -> tuple[str, ...]:
    """Give the addresses of what registries may not distribute."""
    return descriptor.urls if any(word in descriptor.media_type for word in _FOREIGN) else ()


def check_repository(repository: str) -> None:
    """Raise BadReferenceError unless it is the path of a reference, fit for a URL."""
    try:
        if parse(f"localhost/{repository}").path == repository:
            return
    except BadReferenceError:
        pass
    raise BadReferenceError(f"invalid repository name {repository!r}")


def _page(body: bytes, key: str, what: str) -> list[str]:
    try:
        names = json.loads(body).get(key) or []
    except (ValueError, AttributeError, RecursionError):
        raise RegistryError(f"{what}: answer is not a JSON object") from None
    if not isinstance(names, list) or any(not isinstance(name, str) for name in names):
        raise RegistryError(f"{what}: {key} are not a list of strings")
    return names
