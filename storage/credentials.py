"""Credentials for registries: auth.json and docker's config.json (containers-auth.json(5)), credential helpers.

Passwords stay in `Credentials` objects, whose repr does not show them; no message of this module contains one.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storage.errors import RegistryError, StorageError, UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from storage.registry.options import RegistryOptions

DOCKER_KEY = "https://index.docker.io/v1/"
HELPER_SECONDS = 60.0

_DOCKER_ALIASES = frozenset(["docker.io", "index.docker.io", "registry-1.docker.io"])
_MAX_FILE = 16 << 20
_NOT_FOUND = "credentials not found"
_TOKEN_USER = "<token>"


@dataclass(frozen=True)
class Credentials:
    """A user with a password, or one of the two kinds of token that an auth file may hold instead."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)


def lookup(
    paths: Sequence[str], key: str, *, environment: Mapping[str, str] | None = None, must_exist: bool = False
) -> Credentials | None:
    """Find credentials for DOMAIN[/REPOSITORY] in the first file that has any; the longest matching key wins within it.

    A file that is missing counts as empty unless `must_exist`. Raises RegistryError for a file or a helper that fails.
    """
    for path in paths:
        document = _read(path, must_exist=must_exist)
        found = _lookup_in(document, path, key, environment or {})
        if found is not None:
            return found
    return None


def store(path: str, key: str, username: str, password: str, *, environment: Mapping[str, str] | None = None) -> None:
    """Keep credentials for a key: in the helper that the file names for it, else in the file (mode 0600, atomic)."""
    if ":" in username or not username:
        raise StorageError("a user name must not be empty or contain a colon")
    with _locked(path):
        document = _read(path)
        helper = _helper(document, key)
        if helper is not None:
            secret = {"ServerURL": _server(key), "Username": username, "Secret": password}
            _run_helper(helper, "store", json.dumps(secret), environment or {})
            return
        auth = base64.b64encode(f"{username}:{password}".encode()).decode()
        auths = _auths(document, path)
        for name in [name for name in auths if _normal(name) == _normal(key)]:
            del auths[name]
        auths[key] = {"auth": auth}
        _write(path, document)


def remove(path: str, key: str, *, environment: Mapping[str, str] | None = None) -> bool:
    """Forget the credentials for exactly this key; tell whether there were any."""
    if not os.path.exists(path):
        return False
    with _locked(path):
        document = _read(path)
        helper = _helper(document, key)
        erased = False
        if helper is not None and _ask_helper(helper, key, environment or {}) is not None:
            _run_helper(helper, "erase", _server(key), environment or {})
            erased = True
        auths = _auths(document, path)
        names = [name for name in auths if _normal(name) == _normal(key)]
        for name in names:
            del auths[name]
        if names:
            _write(path, document)
        return erased or bool(names)


def remove_all(path: str) -> None:
    """Forget all credentials kept in this file; its other settings stay."""
    if not os.path.exists(path):
        return
    with _locked(path):
        document = _read(path)
        document["auths"] = {}
        _write(path, document)


def logged_in_user(paths: Sequence[str], key: str, *, environment: Mapping[str, str] | None = None) -> str | None:
    """Give the user name kept for a registry, None if not logged in."""
    found = lookup(paths, key, environment=environment)
    return found.username or _TOKEN_USER if found is not None else None


def login(registry: str, username: str, password: str, *, auth_file: str, options: RegistryOptions) -> None:
    """Try the credentials at the registry and keep them in `auth_file` if it takes them.

    `registry` is DOMAIN[/NAMESPACE]; the namespace only narrows for what they are kept.
    Raises UnauthorizedError when the registry refuses them: then nothing is stored.
    """
    from dataclasses import replace

    from storage.registry.client import RegistryClient

    client = RegistryClient(registry.partition("/")[0], replace(options, credentials=(username, password)))
    try:
        client.check_login()
    except UnauthorizedError as error:
        raise UnauthorizedError(f'logging into "{registry}": {error}') from None
    except RegistryError as error:
        raise RegistryError(f'authenticating creds for "{registry}": {error}', hint=error.hint) from None
    finally:
        client.close()
    store(auth_file, registry, username, password, environment=options.environment)


def logout(registry: str, *, auth_file: str, environment: Mapping[str, str] | None = None) -> None:
    """Forget a registry's credentials; raise StorageError when there are none."""
    if not remove(auth_file, registry, environment=environment):
        raise StorageError(f"not logged into {registry}")


def _lookup_in(document: dict[str, Any], path: str, key: str, environment: Mapping[str, str]) -> Credentials | None:
    domain = key.partition("/")[0]
    named = _helpers(document).get(domain)
    if named is not None:
        return _ask_helper(named, domain, environment)
    auths = _auths(document, path)
    normal = {_normal(name): entry for name, entry in auths.items()}
    candidate = _normal(key)
    while candidate:
        entry = auths.get(candidate, normal.get(candidate))
        found = _entry(entry, path, candidate) if entry else None
        if found is not None:
            return found
        candidate = candidate.rpartition("/")[0]
    shared = document.get("credsStore")
    return _ask_helper(shared, domain, environment) if isinstance(shared, str) and shared else None


def _normal(name: str) -> str:
    """Give a key in the form DOMAIN[/NAMESPACE]; docker writes URLs, and docker.io in several ways."""
    if name.startswith(("https://", "http://")):
        name = name.partition("://")[2].partition("/")[0]
    domain, slash, rest = name.partition("/")
    if domain in _DOCKER_ALIASES:
        domain = "docker.io"
        if rest.rstrip("/") in ("v1", "v2"):
            return domain
    return f"{domain}{slash}{rest}".rstrip("/")


def _entry(entry: object, path: str, key: str) -> Credentials | None:
    if not isinstance(entry, dict):
        raise RegistryError(f"reading auth file {path}: entry for {key} is not an object")
    texts = {name: entry.get(name) or "" for name in ("auth", "username", "password", "identitytoken", "registrytoken")}
    if any(not isinstance(text, str) for text in texts.values()):
        raise RegistryError(f"reading auth file {path}: entry for {key} is malformed")
    username, password = texts["username"], texts["password"]
    if texts["auth"]:
        try:
            decoded = base64.b64decode(texts["auth"], validate=True).decode()
        except (binascii.Error, ValueError):
            raise RegistryError(f"reading auth file {path}: entry for {key} is not base64") from None
        username, colon, password = decoded.partition(":")
        if not colon:
            raise RegistryError(f"reading auth file {path}: entry for {key} has no password")
        # docker pads with NUL
        password = password.strip("\0")
    if not (username or texts["identitytoken"] or texts["registrytoken"]):
        return None
    return Credentials(username, password, texts["identitytoken"], texts["registrytoken"])


def _read(path: str, *, must_exist: bool = False) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            raw = file.read(_MAX_FILE)
    except OSError as error:
        if not must_exist and isinstance(error, FileNotFoundError | NotADirectoryError):
            return {}
        raise RegistryError(f"reading auth file {path}: {(error.strerror or '').lower()}") from None
    if not raw.strip():
        return {}
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        # The decoder's message could quote what it read.
        raise RegistryError(f"reading auth file {path}: not valid JSON") from None
    if not isinstance(document, dict):
        raise RegistryError(f"reading auth file {path}: not a JSON object")
    if os.path.basename(path) == ".dockercfg":
        return {"auths": document}
    return document


def _auths(document: dict[str, Any], path: str) -> dict[str, Any]:
    auths = document.get("auths")
    if auths is None:
        auths = document["auths"] = {}
    if not isinstance(auths, dict):
        raise RegistryError(f"reading auth file {path}: auths is not an object")
    return auths


def _write(path: str, document: dict[str, Any]) -> None:
    """Replace the file in one step; a symbolic link stays one."""
    target = os.path.realpath(path)
    content = document.get("auths", {}) if os.path.basename(path) == ".dockercfg" else document
    temporary = f"{target}.new"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # of one who died here; nobody else is at it, for we hold the lock
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w") as file:
            json.dump(content, file, indent="\t")
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise RegistryError(f"writing auth file {path}: {(error.strerror or '').lower()}") from None


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold a lock on the file's directory, so that two logins at once do not lose one another's entry."""
    directory = os.path.dirname(os.path.realpath(path))
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RegistryError(f"writing auth file {path}: {(error.strerror or '').lower()}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _helpers(document: dict[str, Any]) -> dict[str, str]:
    helpers = document.get("credHelpers") or {}
    if not isinstance(helpers, dict):
        return {}
    return {_normal(name): helper for name, helper in helpers.items() if isinstance(helper, str) and helper}


def _helper(document: dict[str, Any], key: str) -> str | None:
    shared = document.get("credsStore")
    fallback = shared if isinstance(shared, str) and shared else None
    return _helpers(document).get(_normal(key), fallback)


def _server(key: str) -> str:
    return DOCKER_KEY if _normal(key) == "docker.io" else key


def _ask_helper(helper: str, key: str, environment: Mapping[str, str]) -> Credentials | None:
    output = _run_helper(helper, "get", _server(key), environment)
    if output is None:
        return None
    try:
        answer = json.loads(output)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RegistryError(f"credential helper {helper}: answer is not understood") from None
    if not isinstance(username, str) or not isinstance(secret, str):
        raise RegistryError(f"credential helper {helper}: answer is not understood")
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username, secret) if username or secret else None


def _run_helper(helper: str, verb: str, text: str, environment: Mapping[str, str]) -> bytes | None:
    """Run docker-credential-HELPER VERB with the text on stdin; None when it knows no such credentials."""
    import subprocess

    if not helper.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise RegistryError(f"credential helper {helper!r}: bad name")
    program = f"docker-credential-{helper}"
    try:
        ended = subprocess.run(
            [program, verb],
            input=text.encode(),
            capture_output=True,
            timeout=HELPER_SECONDS,
            env=dict(environment),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RegistryError(f"{program} {verb}: no answer in {HELPER_SECONDS:.0f} seconds") from None
    except OSError as error:
        raise RegistryError(f"{program}: {(error.strerror or '').lower()}") from None
    if ended.returncode == 0:
        return ended.stdout
    said = (ended.stdout.strip() or ended.stderr.strip()).decode(errors="replace")
    if _NOT_FOUND in said:
        return None
    line = said.splitlines()[0][:200] if said and verb != "store" else f"exit status {ended.returncode}"
    raise RegistryError(f"{program} {verb}: {line if line.isprintable() else 'failed'}")
