"""Making signatures of simple signing with the user's own keys, and putting them where lookaside storage has them."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from storage.errors import StorageError
from storage.trust import lookaside, payload
from storage.trust.strict_json import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.reference import Reference


def sign(digest: str, reference: Reference, key: str, *, creator: str, environment: Mapping[str, str]) -> bytes:
    """Sign that a manifest is the image of this name, by a key of the keyring of `environment`. Raises StorageError.

    gpg's agent may ask for a passphrase meanwhile, on the terminal of GPG_TTY.
    """
    document = {
        "critical": {
            "identity": {"docker-reference": str(reference)},
            "image": {"docker-manifest-digest": digest},
            "type": payload.SIMPLE_SIGNING,
        },
        "optional": {"creator": creator, "timestamp": int(time.time())},
    }
    words = ["--no-armor", "--local-user", key, "--output", "-", "--sign"]
    return _gpg(words, json.dumps(document).encode(), environment)


def check_key(key: str, *, environment: Mapping[str, str]) -> None:
    """Say before long work if there is no key to sign with. Raises StorageError."""
    _gpg(["--with-colons", "--list-secret-keys", "--", key], b"", environment)


def _gpg(words: list[str], data: bytes, environment: Mapping[str, str]) -> bytes:
    command = ["gpg", "--batch", "--quiet", *words]
    try:
        done = subprocess.run(command, input=data, capture_output=True, env=dict(environment), check=False)
    except FileNotFoundError:
        raise StorageError("creating signature: there is no gpg", hint="install GnuPG (the package gnupg)") from None
    if done.returncode or not done.stdout:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise StorageError(f"creating signature: {shown(lines[0] if lines else 'gpg failed')}")
    return done.stdout


def local_directory(base: str) -> str:
    """Give the directory of a `file:` URL. Raises StorageError for others, to which nothing can be written."""
    url = urlsplit(base)
    if url.scheme != "file":
        raise StorageError(
            f"writing to {base} is not supported. Use a supported scheme", hint="--directory, or lookaside-staging"
        )
    return unquote(url.path)


def write(base: str, reference: Reference, digest: str, signature: bytes) -> str:
    """Add a signature to those of a manifest below a directory; give the file's path. Raises StorageError.

    It appears whole, never in place of another one, and once.
    """
    directory = os.path.join(base, lookaside.directory(reference, digest))
    try:
        os.makedirs(directory, mode=0o751, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".signature.") as file:
            file.write(signature)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
            for number in range(1, lookaside.MAX_SIGNATURES + 1):
                path = os.path.join(directory, f"signature-{number}")
                try:
                    os.link(file.name, path)
                except FileExistsError:
                    if _holds(path, signature):
                        return path
                    continue
                return path
    except OSError as error:
        raise StorageError(f"writing to {directory}: {(error.strerror or str(error)).lower()}") from None
    raise StorageError(f"{directory}: more than {lookaside.MAX_SIGNATURES} signatures")


def _holds(path: str, content: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(content) + 1) == content
