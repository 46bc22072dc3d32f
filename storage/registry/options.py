"""What a caller decides about talking to a registry."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from storage.registry.configuration import NOTHING, Configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class RegistryOptions:
    """Settings of one command; nothing else is read from the environment or from files.

    `auth_file` is one that the user named and must exist; `auth_files` are the usual places, in order.
    `credentials` (user, password) go before all files.
    `tls_verify` None means: verify, but loopback may speak plain http; False: do not verify, and plain http will do.
    `cert_dirs` are certs.d directories: the first with a HOST[:PORT] in it counts; `cert_dir` holds the files itself.
    `environment` gives the proxies, and is what credential helpers are started with.
    `configuration` is what registries.conf says; `note` is told which place is asked, and why it did not serve.
    """

    auth_file: str | None = None
    auth_files: tuple[str, ...] = ()
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    tls_verify: bool | None = None
    cert_dirs: tuple[str, ...] = ()
    cert_dir: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    user_agent: str = "pod"
    retries: int = 3
    retry_delay: float = 1.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    configuration: Configuration = NOTHING
    note: Callable[[str], None] | None = None

    @property
    def searched_auth_files(self) -> tuple[str, ...]:
        """The files to look for credentials in."""
        return (self.auth_file,) if self.auth_file is not None else self.auth_files

    def of(self, name: str) -> RegistryOptions:
        """Return what holds for a registry, or a repository with its registry, that is asked itself: not its mirrors.

        Raises BlockedError if the configuration forbids that.
        """
        self.configuration.check(name)
        return self.trusting(insecure=self.configuration.is_insecure(name))

    def trusting(self, *, insecure: bool) -> RegistryOptions:
        """Return the options for a registry that need not prove who it is, unless `tls_verify` says otherwise."""
        return replace(self, tls_verify=False) if insecure and self.tls_verify is None else self
