"""TLS settings from certs.d directories (containers-certs.d(5)): *.crt are CAs, *.cert and *.key client pairs."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.errors import RegistryError

if TYPE_CHECKING:
    from storage.registry.options import RegistryOptions


@dataclass(frozen=True)
class Certificates:
    """The files for one registry."""

    authorities: tuple[str, ...] = ()
    clients: tuple[tuple[str, str], ...] = ()


def find(host: str, options: RegistryOptions) -> Certificates:
    """List the files for HOST[:PORT]: of `cert_dir` if given, else of the first certs.d that has a directory for it."""
    if options.cert_dir is not None:
        return _read_directory(options.cert_dir)
    for base in options.cert_dirs:
        directory = os.path.join(base, host)
        if os.path.isdir(directory):
            return _read_directory(directory)
    return Certificates()


def context(certificates: Certificates, *, verify: bool) -> ssl.SSLContext:
    """Make the settings for connections: the system's CAs and these, none with verify off, and client certificates."""
    made = ssl.create_default_context()
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    for path in certificates.authorities:
        try:
            made.load_verify_locations(cafile=path)
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(f"reading CA certificate {path}: {_reason(error)}") from None
    for certificate, key in certificates.clients:
        try:
            # An empty password: without it OpenSSL would ask on the terminal for that of an encrypted key.
            made.load_cert_chain(certificate, key, password="")
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(f"reading client certificate {certificate}: {_reason(error)}") from None
    return made


def _read_directory(directory: str) -> Certificates:
    try:
        names = sorted(os.listdir(directory))
    except PermissionError:
        return Certificates()
    except OSError as error:
        raise RegistryError(f"reading certificates in {directory}: {error.strerror}") from None
    clients = []
    for name in names:
        stem, extension = os.path.splitext(name)
        if extension == ".cert":
            clients.append((os.path.join(directory, name), _partner(directory, names, name, f"{stem}.key")))
        elif extension == ".key":
            _partner(directory, names, name, f"{stem}.cert")
    authorities = tuple(os.path.join(directory, name) for name in names if name.endswith(".crt"))
    return Certificates(authorities, tuple(clients))


def _partner(directory: str, names: list[str], name: str, wanted: str) -> str:
    if wanted not in names:
        raise RegistryError(
            f"missing {wanted} for {name} in {directory}",
            hint="CA certificates have the extension .crt, client certificates .cert and .key",
        )
    return os.path.join(directory, wanted)


def _reason(error: OSError) -> str:
    return str(error.strerror or type(error).__name__).lower()
