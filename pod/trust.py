"""Whom this user trusts: which policy.json and registries.d count (containers-policy.json(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.trust import policy
from storage.trust.verification import Trust

if TYPE_CHECKING:
    from pod.config import Config
    from storage.registry.options import RegistryOptions

SYSTEM_POLICY = "/etc/containers/policy.json"


def policy_files(config: Config) -> tuple[str, ...]:
    """Return where a policy may be, the first that exists counts."""
    return (f"{config.home}/.config/containers/policy.json", SYSTEM_POLICY)


def registries_d(config: Config) -> tuple[str, ...]:
    """Return where the configuration of signatures may be, the first that exists counts."""
    return (f"{config.home}/.config/containers/registries.d", "/etc/containers/registries.d")


def signatures(config: Config) -> str:
    """Return the directory of signatures where no configuration names another."""
    return f"{config.home}/.local/share/containers/sigstore" if config.rootless else "/var/lib/containers/sigstore"


def policy_to_change(config: Config) -> tuple[str, bytes | None]:
    """Return the policy file that this user changes, and what is in it so far, None for nothing.

    It is the one that counts; an ordinary user's own begins as what the system's says.
    """
    path = policy.find(policy_files(config))
    raw = policy.read(path) if path else None
    own, system = policy_files(config)
    return (own if config.rootless or path == own else system), raw


def load(config: Config, options: RegistryOptions, signature_policy: str = "") -> Trust:
    """Return what decides whether an image may come in.

    `signature_policy` is the file that the user names. Without any file everything may: a machine on which nobody has
    said whom to trust works, where podman refuses. Raises PolicyError for a file that is not right.
    """
    path = signature_policy or policy.find(policy_files(config))
    found = policy.load(path) if path else policy.ACCEPT_ANYTHING
    return Trust(found, options, registries_d(config), signatures(config), path or "")
