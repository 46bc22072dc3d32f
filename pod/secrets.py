"""Secrets: what containers need to know and images must not hold.

A container gets a copy of the data when it is created, in a file that only the engine may read; at each start the
monitor puts it into memory that the container mounts, or into the environment. So a secret may be removed meanwhile.
Sources: podman-secret-create(1), podman-run(1) "--secret"; the complaints are those of containers-common, pkg/secrets.
"""

from __future__ import annotations

import os
import time

from pod import secret_drivers, secret_rows
from pod.errors import PodError
from pod.secret_rows import Secret, SecretExistsError
from runtime import jsontext
from storage import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config
    from pod.engine import Engine

MOST_BYTES = 512000
DEFAULT_MODE = 0o444
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def create(
    engine: Engine,
    name: str,
    data: bytes,
    *,
    driver: str = "file",
    options: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    replace: bool = False,
    ignore: bool = False,
) -> Secret:
    """Create a secret and return it; with `ignore`, return the one that has the name."""
    _check_name(name)
    if not 0 < len(data) < MOST_BYTES:
        raise PodError("secret data must be larger than 0 and less than 512000 bytes")
    options = secret_drivers.check(engine.config, driver, options or {})
    row = (os.urandom(13).hex()[:25], name, time.time(), driver, jsontext.dumps(options), jsontext.dumps(labels or {}))
    secret = Secret(row)
    taken = secret_rows.named(engine.connection, name)
    if taken is not None and not replace:
        if ignore:
            return taken
        raise SecretExistsError(name)
    secret_drivers.store(secret, data)
    try:
        replaced = _insert(engine, secret, data, replace=replace)
    except BaseException:
        secret_drivers.delete(engine.config, secret)
        raise
    if replaced is not None:
        secret_drivers.delete(engine.config, replaced)
    return secret


def _insert(engine: Engine, secret: Secret, data: bytes, *, replace: bool) -> Secret | None:
    """Make the secret visible in one step; return the one that it replaces."""
    directory = secret_drivers.directory(engine.config)
    os.makedirs(directory, 0o700, exist_ok=True)
    with database.transaction(engine.connection):
        _sweep(engine)
        taken = secret_rows.named(engine.connection, secret.name)
        if taken is not None:
            if not replace:
                raise SecretExistsError(secret.name)
            secret_rows.delete(engine.connection, taken.id)
        if secret.driver == "file":
            secret_drivers.write_file(engine, f"{directory}/{secret.id}", data)
        secret_rows.insert(engine.connection, secret)
    return taken


def _sweep(engine: Engine) -> None:
    """Delete data without a row, which a crash has left; the caller's transaction keeps others from making any."""
    directory = secret_drivers.directory(engine.config)
    known = {secret.id for secret in secret_rows.everything(engine.connection)}
    for name in os.listdir(directory):
        if name not in known:
            os.unlink(f"{directory}/{name}")


def remove(engine: Engine, name: str) -> Secret:
    """Remove a secret; containers that have it keep their copies."""
    secret = secret_rows.find(engine.connection, name)
    with database.transaction(engine.connection):
        if os.path.isdir(secret_drivers.directory(engine.config)):
            _sweep(engine)
        gone = secret_rows.delete(engine.connection, secret.id)
    if not gone:
        raise secret_rows.NoSuchSecretError(name)
    secret_drivers.delete(engine.config, secret)
    return secret


def _check_name(name: str) -> None:
    inner = all(letter in _NAME_LETTERS for letter in name)
    if not inner or not 0 < len(name) <= 64 or not (name[0].isalnum() and name[-1].isalnum()):
        raise PodError(
            "only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]: "
            f"{name}: invalid secret name"
        )


def parse_request(text: str) -> dict[str, Any]:
    """Parse --secret: "NAME[,type=mount|env,target=…,uid=…,gid=…,mode=…]"."""
    fields = text.split(",")
    request: dict[str, Any] = {"source": fields[0], "type": "mount", "target": "", "uid": 0, "gid": 0}
    request["mode"] = DEFAULT_MODE
    if len(fields) == 1:
        return request
    if "=" in fields[0]:
        request["source"] = ""
    else:
        del fields[0]
    seen: set[str] = set()
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals:
            raise PodError(f"option {field} must be in form option=value: parsing secret")
        if key in seen and key == "type":
            raise PodError("type cannot be set more than once: parsing secret")
        seen.add(key)
        request[key] = _setting(key, value)
    if request["type"] == "env" and not seen.isdisjoint(("uid", "gid", "mode")):
        raise PodError("UID, GID, Mode options cannot be set with secret type env: parsing secret")
    if not request["source"]:
        raise PodError(f"no source found {text}: parsing secret")
    return request


def _setting(key: str, value: str) -> str | int:
    if key in ("source", "target"):
        return value
    if key == "type":
        if value not in ("mount", "env"):
            raise PodError(f"type {value} is invalid: parsing secret")
        return value
    if key == "mode":
        if not value or any(letter not in "01234567" for letter in value) or int(value, 8) > 0o7777:
            raise PodError(f"mode {value} invalid: parsing secret")
        return int(value, 8)
    if key in ("uid", "gid"):
        if not value.isdigit() or int(value) >= 2**32 - 1:
            raise PodError(f"{key.upper()} {value} invalid: parsing secret")
        return int(value)
    raise PodError(f"option {key} invalid: parsing secret")


def resolve(engine: Engine, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a container's configuration says of its secrets: never their data."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for request in requests:
        secret = secret_rows.find(engine.connection, request["source"])
        target = request["target"] or secret.name
        if request["type"] == "mount":
            target = os.path.normpath(target if target.startswith("/") else f"/run/secrets/{target}")
        elif "=" in target or "\0" in target:
            raise PodError(f'invalid environment variable "{target}": parsing secret')
        entry = {**request, "source": secret.name, "id": secret.id, "target": target}
        found[request["type"], target] = entry
    return list(found.values())


def copies(config: Config, container_id: str) -> str:
    """Return the directory of a container's copies, named by the secrets' IDs."""
    return f"{config.container_dir(container_id)}/secrets"


def keep_copies(engine: Engine, container_id: str, wanted: list[dict[str, Any]]) -> None:
    """Give a container its copies, as far as they are missing."""
    directory = copies(engine.config, container_id)
    os.makedirs(directory, 0o700, exist_ok=True)
    for entry in wanted:
        path = f"{directory}/{entry['id']}"
        if not os.path.exists(path):
            secret = secret_rows.find(engine.connection, entry["id"])
            secret_drivers.write_file(engine, path, secret_drivers.read(engine.config, secret))


def read_copy(config: Config, container_id: str, secret_id: str) -> bytes:
    """Return the data of a container's secret."""
    with open(f"{copies(config, container_id)}/{secret_id}", "rb") as file:
        return file.read()


def environment(config: Config, container_id: str, wanted: list[dict[str, Any]]) -> dict[str, str]:
    """Return the variables that a container's secrets of type env come to."""
    found = {}
    for entry in wanted:
        if entry["type"] == "env":
            data = read_copy(config, container_id, entry["id"])
            found[entry["target"]] = data.decode("utf-8", "surrogateescape").replace("\0", "")
    return found
