"""Lookaside storage: signatures of simple signing as files beside the registry (c/image's signature-protocols).

`BASE/REPOSITORY@sha256=HEX/signature-1`, -2 and so on, on a web server or in a directory, until one is missing.
"""

from __future__ import annotations

import os
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from storage.trust.errors import PolicyError
from storage.trust.strict_json import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.reference import Reference
    from storage.registry.options import RegistryOptions

MAX_SIGNATURES = 128
MAX_SIGNATURE = 4 << 20


def read(base: str, reference: Reference, digest: str, options: RegistryOptions) -> Iterator[bytes]:
    """Yield the signatures of a manifest. Raises PolicyError, or RegistryError for a web server."""
    try:
        url = urlsplit(base)
    except ValueError:
        raise PolicyError(f"invalid signature storage URL {shown(base)}") from None
    place = f"{url.path}/{directory(reference, digest)}"
    if url.scheme == "file":
        yield from read_directory(unquote(place))
    elif url.scheme in ("http", "https"):
        yield from _download(f"{url.scheme}://{url.netloc}{quote(place, safe='/:@=%')}", url.netloc, options)
    else:
        raise PolicyError(f"Unsupported scheme when reading signature from {shown(base)}")


def directory(reference: Reference, digest: str) -> str:
    """Give the directory of a manifest's signatures, relative to the base."""
    return f"{reference.path}@{digest.replace(':', '=', 1)}"


def read_directory(path: str) -> Iterator[bytes]:
    """Yield the files signature-1, -2 and so on, of a directory that may be missing."""
    for number in range(1, MAX_SIGNATURES + 1):
        name = os.path.join(path, f"signature-{number}")
        try:
            # Not to hang at a fifo that somebody put there.
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                raw = file.read(MAX_SIGNATURE + 1) or b""
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise PolicyError(f"open {name}: {(error.strerror or str(error)).lower()}") from None
        except ValueError:
            raise PolicyError(f"no path of signatures: {shown(path)}") from None
        if len(raw) > MAX_SIGNATURE:
            raise PolicyError(f"{name}: larger than {MAX_SIGNATURE >> 20} MiB")
        yield raw
    raise PolicyError(f"{path}: more than {MAX_SIGNATURES} signatures")


def _download(place: str, host: str, options: RegistryOptions) -> Iterator[bytes]:
    from storage.registry.transport import Transport

    # No credentials, and no certificates of the registry's: it is another server.
    transport = Transport(host, replace(options, cert_dir=None, credentials=None))
    try:
        for number in range(1, MAX_SIGNATURES + 1):
            name = f"{place}/signature-{number}"
            answer = transport.send("GET", name)
            raw = transport.read_all(answer, MAX_SIGNATURE, f"reading signature from {name}")
            if answer.status == HTTPStatus.NOT_FOUND:
                return
            if answer.status != HTTPStatus.OK:
                raise PolicyError(f"reading signature from {name}: status {answer.status}")
            yield raw
    finally:
        transport.close()
    raise PolicyError(f"{place}: more than {MAX_SIGNATURES} signatures")
