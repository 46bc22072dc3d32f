"""Scopes: what a policy may name of an image, from the image itself to its registry or directory.

Source: containers-policy.json(5), "Supported transports and their scopes".
"""

from __future__ import annotations

import os
import re

from storage.reference import Reference, parse
from storage.trust.strict_json import quoted

_REGISTRIES = frozenset(["docker", "atomic", "docker-daemon"])
_DIRECTORIES = frozenset(["dir", "oci", "oci-archive"])
_ATOMIC = re.compile(r"[^/]*(/[^:/]*(/[^:/]*(:[^:/]*)?)?)?")
_DIGEST = re.compile(r"[A-Za-z0-9_+.-]+:[0-9a-fA-F]+")
_ALGORITHMS = ("sha256:", "sha384:", "sha512:")


def of(transport: str, name: str) -> list[str]:
    """List the scopes of what a transport calls by this name, the most specific first; "" is not among them."""
    if transport in _REGISTRIES:
        return of_reference(parse(name)) if name and not name.startswith(_ALGORITHMS) else []
    if transport in _DIRECTORIES:
        return of_path(name) if name else []
    return []


def of_reference(reference: Reference) -> list[str]:
    """List the image, its repository, the namespaces above it, its host, and `*.` with the domains above that."""
    # A digest is stronger than a tag; no scope has both.
    image = reference if reference.digest is None else reference.with_digest(reference.digest)
    found = [str(image)] if str(image) != image.name else []
    name = image.name
    while name:
        found.append(name)
        name = name.rpartition("/")[0]
    domain = reference.domain.partition(":")[0]
    while "." in domain:
        domain = domain.partition(".")[2]
        found.append(f"*.{domain}")
    return found


def of_path(name: str) -> list[str]:
    """List a path without links and those above it, without the root.

    A scope PATH:TAG of a layout never matches, as in podman: an image without a tag may be the same one.
    """
    path = os.path.realpath(name)
    found = []
    while path != "/":
        found.append(path)
        path = os.path.dirname(path)
    return found


def check(transport: str, scope: str) -> None:
    """Raise ValueError for a scope that this transport cannot have, so that it would never match."""
    if transport in _DIRECTORIES:
        if not scope.startswith("/"):
            raise ValueError(f"Invalid scope {quoted(scope)}: Must be an absolute path")
        if scope == "/":
            raise ValueError('Invalid scope "/": Use the generic default scope ""')
        cleaned = os.path.normpath(scope)
        if cleaned != scope:
            raise ValueError(f"Invalid scope {quoted(scope)}: Uses non-canonical format, perhaps try {quoted(cleaned)}")
    if transport == "docker-archive":
        raise ValueError(f'Invalid scope {quoted(scope)}: docker-archive has the default scope "" only')
    if transport == "docker-daemon" and _DIGEST.fullmatch(scope):
        raise ValueError(f"Invalid scope {quoted(scope)}: docker-daemon cannot use an ID as a scope")
    if transport == "atomic" and not _ATOMIC.fullmatch(scope):
        raise ValueError(f"Invalid scope {quoted(scope)}")
