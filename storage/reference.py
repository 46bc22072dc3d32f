"""Image references: domain/path[:tag][@digest], with docker.io's defaults (distribution/reference grammar).

On the run path: parsed by hand, for `re` alone costs more than the rest of a command line.
"""

from __future__ import annotations

from storage.errors import BadReferenceError

DOCKER_DOMAIN = "docker.io"
LATEST = "latest"

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset("0123456789")
_ALPHANUMERIC = _LETTERS | _DIGITS
_HEX = frozenset("0123456789abcdef")
_TAG = _ALPHANUMERIC | frozenset("_.-")
_HOST = _ALPHANUMERIC | frozenset("-")
_IPV6 = frozenset("0123456789abcdefABCDEF:.")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_MAX_NAME = 255
_MAX_TAG = 128


class Reference:
    """A name of an image, complete with its domain; `tag` and `digest` are None where the text had none."""

    __slots__ = ("digest", "domain", "path", "tag")

    def __init__(self, domain: str, path: str, tag: str | None = None, digest: str | None = None) -> None:
        self.domain = domain
        self.path = path
        self.tag = tag
        self.digest = digest

    @property
    def name(self) -> str:
        """The repository with its domain, without tag and digest."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar(self) -> str:
        """The name as docker prints it: without docker.io and library."""
        if self.domain != DOCKER_DOMAIN:
            return str(self)
        short = self.path.removeprefix("library/")
        if "/" in short:
            # Left out, the domain must not be mistaken for the first component, nor library be added again.
            short = self.name if _is_domain(self.path.partition("/")[0]) else self.path
        return short + self._suffix()

    def with_tag(self, tag: str | None) -> Reference:
        """Give the same repository under another tag (or none), without digest."""
        if tag is not None:
            _check_tag(tag, tag)
        return Reference(self.domain, self.path, tag)

    def with_digest(self, digest: str) -> Reference:
        """Give the same repository by digest alone."""
        check_digest_syntax(digest)
        return Reference(self.domain, self.path, None, digest)

    def _suffix(self) -> str:
        text = f":{self.tag}" if self.tag is not None else ""
        return f"{text}@{self.digest}" if self.digest is not None else text

    def __str__(self) -> str:
        return self.name + self._suffix()

    def __repr__(self) -> str:
        return f"Reference({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def parse(text: str, *, default_domain: str = DOCKER_DOMAIN) -> Reference:
    """Read a reference; the first component is a domain if it has a dot, a port, an upper-case letter, or is localhost.

    Raises BadReferenceError. No tag is added: `normalize` does that.
    """
    rest, digest = _split_digest(text)
    rest, tag = _split_tag(text, rest)
    domain, path = _split_domain(rest, default_domain)
    if domain == DOCKER_DOMAIN and "/" not in path:
        path = f"library/{path}"
    if len(domain) + 1 + len(path) > _MAX_NAME:
        raise _bad(text, f"repository name must not be more than {_MAX_NAME} characters")
    _check_domain(text, domain)
    _check_path(text, path)
    return Reference(domain, path, tag, digest)


def normalize(text: str, *, default_domain: str = DOCKER_DOMAIN) -> Reference:
    """Read a reference as `parse` does and add the tag `latest` where neither tag nor digest is given."""
    reference = parse(text, default_domain=default_domain)
    if reference.tag is None and reference.digest is None:
        reference.tag = LATEST
    return reference


def has_domain(text: str) -> bool:
    """Tell whether the text names its registry itself (so that it is no short name)."""
    first, slash, _ = text.partition("/")
    return bool(slash) and _is_domain(first)


def check_digest_syntax(digest: str) -> None:
    """Refuse anything but sha256, sha384 and sha512 with exactly their number of lower-case hex digits.

    What passes is safe as a part of a path or a URL.
    """
    algorithm, _, encoded = digest.partition(":")
    length = _DIGEST_LENGTHS.get(algorithm)
    if length is None:
        raise BadReferenceError(f'invalid digest "{digest}": unsupported digest algorithm')
    if len(encoded) != length or not _HEX.issuperset(encoded):
        raise BadReferenceError(f'invalid digest "{digest}": invalid checksum digest format')


def _split_digest(text: str) -> tuple[str, str | None]:
    rest, at, digest = text.partition("@")
    if not at:
        return text, None
    try:
        check_digest_syntax(digest)
    except BadReferenceError as error:
        raise _bad(text, str(error)) from None
    return rest, digest


def _split_tag(text: str, rest: str) -> tuple[str, str | None]:
    colon = rest.rfind(":")
    if colon <= rest.rfind("/"):
        return rest, None
    tag = rest[colon + 1 :]
    _check_tag(text, tag)
    return rest[:colon], tag


def _split_domain(rest: str, default_domain: str) -> tuple[str, str]:
    first, slash, path = rest.partition("/")
    if not slash or not _is_domain(first):
        return default_domain, rest
    if first == "index.docker.io":
        first = DOCKER_DOMAIN
    return first, path


def _is_domain(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost" or first.lower() != first


def _check_domain(text: str, domain: str) -> None:
    host, port = domain, None
    if domain.startswith("["):
        host, bracket, after = domain[1:].partition("]")
        if not bracket or not host or not _IPV6.issuperset(host) or (after and after[0] != ":"):
            raise _bad(text)
        port = after[1:] if after else None
    else:
        if ":" in domain:
            host, _, port = domain.partition(":")
        for label in host.split("."):
            if not label or not _HOST.issuperset(label) or label[0] == "-" or label[-1] == "-":
                raise _bad(text)
    if port is not None and (not port or len(port) > 5 or not _DIGITS.issuperset(port)):
        raise _bad(text)


def _check_path(text: str, path: str) -> None:
    for component in path.split("/"):
        if _is_path_component(component):
            continue
        if _is_path_component(component.lower()):
            raise _bad(text, "repository name must be lowercase")
        raise _bad(text)
    if len(path) == 72 and path.startswith("library/") and _HEX.issuperset(path[8:]):
        raise _bad(text, "cannot specify 64-byte hexadecimal strings as a name")


def _is_path_component(component: str) -> bool:
    """Tell whether it is alphanumeric runs joined by one of `.`, `_`, `__` or any number of `-`."""
    if not component or component[0] not in _LOWER or component[-1] not in _LOWER:
        return False
    separator = ""
    for character in component:
        if character in _LOWER:
            separator = ""
            continue
        separator += character
        if separator not in (".", "_", "__") and separator.strip("-"):
            return False
    return True


def _check_tag(text: str, tag: str) -> None:
    if not tag or len(tag) > _MAX_TAG or not _TAG.issuperset(tag) or tag[0] in ".-":
        raise _bad(text)


def _bad(text: str, why: str = "") -> BadReferenceError:
    shown = text if text.isprintable() and len(text) <= 300 else ascii(text[:300])[1:-1]
    tail = f": {why}" if why else ""
    return BadReferenceError(f'parsing reference "{shown}": invalid reference format{tail}')
