"""Credentials for registries: auth.json and docker's config.json (containers-auth.json(5)), credential helpers.

Passwords stay in `Credentials` objects, whose repr does not show them; no message of this module contains one.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storage import credential_helpers, replacing
from storage.errors import RegistryError, StorageError, UnauthorizedError
from storage.registry.configuration import AUTH_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from storage.registry.options import RegistryOptions

DOCKER_KEY = "https://index.docker.io/v1/"

_DOCKER_ALIASES = frozenset(["docker.io", "index.docker.io", "registry-1.docker.io"])
_MAX_FILE = 16 << 20
_TOKEN_USER = "<token>"


@dataclass(frozen=True)
class Credentials:
    """A user with a password, or one of the two kinds of token that an auth file may hold instead."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)


def lookup(
    paths: Sequence[str],
    key: str,
    *,
    environment: Mapping[str, str] | None = None,
    must_exist: bool = False,
    helpers: Sequence[str] = (AUTH_FILES,),
) -> Credentials | None:
    """Find credentials for DOMAIN[/REPOSITORY]: the first helper that has any counts; most often the files are all.

    Of the files the first that has any counts, and in it the longest key that matches. A file that is missing counts
    as empty unless `must_exist`. Raises RegistryError for a file or a helper that fails, if no other has any.
    """
    failures: list[RegistryError] = []
    for helper in helpers:
        try:
            if helper == AUTH_FILES:
                found = _lookup_in_files(paths, key, environment or {}, must_exist=must_exist)
            else:
                found = _ask_helper(helper, key.partition("/")[0], environment or {})
        except RegistryError as error:
            failures.append(error)
            continue
        if found is not None:
            return found
    if failures:
        raise failures[0]
    return None


def store(
    path: str,
    key: str,
    username: str,
    password: str,
    *,
    environment: Mapping[str, str] | None = None,
    helpers: Sequence[str] = (AUTH_FILES,),
) -> str:
    """Keep credentials for a key with the first helper that takes them; tell where they are.

    In a file (mode 0600, atomic) they are, unless it names a helper for them.
    """
    if ":" in username or not username:
        raise StorageError("a user name must not be empty or contain a colon")
    failures: list[StorageError] = []
    for helper in helpers:
        try:
            if helper == AUTH_FILES:
                return _store_in_file(path, key, username, password, environment or {})
            return _store_with_helper(helper, key, username, password, environment or {})
        except RegistryError as error:
            failures.append(error)
    raise failures[0]


def _store_in_file(path: str, key: str, username: str, password: str, environment: Mapping[str, str]) -> str:
    with _locked(path):
        document = _read(path)
        helper = _helper(document, key)
        if helper is not None:
            return _store_with_helper(helper, key, username, password, environment)
        auth = base64.b64encode(f"{username}:{password}".encode()).decode()
        auths = _auths(document, path)
        for name in [name for name in auths if _normal(name) == _normal(key)]:
            del auths[name]
        auths[key] = {"auth": auth}
        _write(path, document)
    return path


def _store_with_helper(helper: str, key: str, username: str, password: str, environment: Mapping[str, str]) -> str:
    if "/" in _normal(key):
        raise RegistryError(f"namespaced key is not supported for credential helper {helper}")
    credential_helpers.store(helper, _server(key), username, password, environment)
    return f"credential helper: {helper}"


def remove(
    path: str, key: str, *, environment: Mapping[str, str] | None = None, helpers: Sequence[str] = (AUTH_FILES,)
) -> bool:
    """Forget the credentials for exactly this key, in the file and with all helpers; tell whether there were any."""
    erased = [_erase(one, key, environment or {}) for one in helpers if one != AUTH_FILES]
    if AUTH_FILES in helpers and os.path.exists(path):
        erased.append(_remove_from_file(path, key, environment or {}))
    return any(erased)


def _remove_from_file(path: str, key: str, environment: Mapping[str, str]) -> bool:
    with _locked(path):
        document = _read(path)
        helper = _helper(document, key)
        erased = helper is not None and _erase(helper, key, environment)
        auths = _auths(document, path)
        names = [name for name in auths if _normal(name) == _normal(key)]
        for name in names:
            del auths[name]
        if names:
            _write(path, document)
        return erased or bool(names)


def _erase(helper: str, key: str, environment: Mapping[str, str]) -> bool:
    if "/" in _normal(key) or _ask_helper(helper, key, environment) is None:
        return False
    credential_helpers.erase(helper, _server(key), environment)
    return True


def remove_all(
    path: str, *, environment: Mapping[str, str] | None = None, helpers: Sequence[str] = (AUTH_FILES,)
) -> None:
    """Forget all credentials in this file, and of the helpers that it or the caller names; its other settings stay."""
    named = [one for one in helpers if one != AUTH_FILES]
    if AUTH_FILES in helpers and os.path.exists(path):
        with _locked(path):
            document = _read(path)
            named += _helpers(document).values()
            document["auths"] = {}
            _write(path, document)
    for helper in dict.fromkeys(named):
        for server in credential_helpers.servers(helper, environment or {}):
            credential_helpers.erase(helper, server, environment or {})


def find(key: str, options: RegistryOptions, *, must_exist: bool = True) -> Credentials | None:
    """Find credentials for DOMAIN[/REPOSITORY] where the options say, as `lookup` does.

    A file that the user named must exist, but for who is about to write it.
    """
    return lookup(
        options.searched_auth_files,
        key,
        environment=options.environment,
        must_exist=must_exist and options.auth_file is not None,
        helpers=options.configuration.credential_helpers,
    )


def check(registry: str, tried: Credentials, *, options: RegistryOptions) -> None:
    """Try credentials at the registry.

    `registry` is DOMAIN[/NAMESPACE]. Raises UnauthorizedError when the registry refuses them.
    """
    from dataclasses import replace

    from storage.registry.client import RegistryClient

    try:
        chosen = replace(options.of(registry), credentials=None)
        client = RegistryClient(registry.partition("/")[0], chosen)
        try:
            client.check_login(tried)
        finally:
            client.close()
    except UnauthorizedError as error:
        raise UnauthorizedError(f'logging into "{registry}": {error}') from None
    except RegistryError as error:
        raise RegistryError(f'authenticating creds for "{registry}": {error}', hint=error.hint) from None


def _lookup_in_files(
    paths: Sequence[str], key: str, environment: Mapping[str, str], *, must_exist: bool
) -> Credentials | None:
    for path in paths:
        found = _lookup_in(_read(path, must_exist=must_exist), path, key, environment)
        if found is not None:
            return found
    return None


def _ask_helper(helper: str, key: str, environment: Mapping[str, str]) -> Credentials | None:
    answer = credential_helpers.ask(helper, _server(key), environment)
    if answer is None:
        return None
    username, secret = answer
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username, secret) if username or secret else None


def _server(key: str) -> str:
    return DOCKER_KEY if _normal(key) == "docker.io" else key


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
    content = document.get("auths", {}) if os.path.basename(path) == ".dockercfg" else document
    try:
        replacing.replace(path, json.dumps(content, indent="\t").encode(), 0o600)
    except OSError as error:
        raise _cannot_write(path, error) from None


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Let two logins at once not lose one another's entry."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(replacing.locked(path))
        except OSError as error:
            raise _cannot_write(path, error) from None
        yield


def _cannot_write(path: str, error: OSError) -> RegistryError:
    return RegistryError(f"writing auth file {path}: {(error.strerror or '').lower()}")


def _helpers(document: dict[str, Any]) -> dict[str, str]:
    helpers = document.get("credHelpers") or {}
    if not isinstance(helpers, dict):
        return {}
    return {_normal(name): helper for name, helper in helpers.items() if isinstance(helper, str) and helper}


def _helper(document: dict[str, Any], key: str) -> str | None:
    shared = document.get("credsStore")
    fallback = shared if isinstance(shared, str) and shared else None
    return _helpers(document).get(_normal(key), fallback)
