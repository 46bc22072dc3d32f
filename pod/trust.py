"""Whom this user trusts: which policy.json and registries.d count (containers-policy.json(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.trust import policy
from storage.trust.verification import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

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


def change_policy(config: Config, scope: str, wanted: Sequence[dict[str, Any]], *, path: str = "") -> None:
    """Require something else of a scope, in the file of this path or the one that counts. Raises PolicyError.

    An ordinary user's own file begins as what the system's says.
    """
    from storage.trust import editing

    own, system = policy_files(config)
    changed = path or (own if config.rootless or policy.find((own, system)) == own else system)
    with editing.locked(changed):
        source = policy.find((path,) if path else (own, system))
        raw = policy.read(source) if source else None
        editing.write(changed, editing.change(raw, scope, wanted, changed))


def load(config: Config, options: RegistryOptions, signature_policy: str = "") -> Trust:
    """Return what decides whether an image may come in.

    `signature_policy` is the file that the user names. Without any file everything may: a machine on which nobody has
    said whom to trust works, where podman refuses. Raises PolicyError for a file that is not right.
    """
    path = signature_policy or policy.find(policy_files(config))
    found = policy.load(path) if path else policy.ACCEPT_ANYTHING
    return Trust(found, options, registries_d(config), signatures(config), path or "")
