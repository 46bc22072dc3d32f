"""What containers ask of auto-update by their labels. Pure.

Source: podman-auto-update(1).
"""

from __future__ import annotations

from pod.errors import PodError

LABEL = "io.containers.autoupdate"
AUTHFILE_LABEL = "io.containers.autoupdate.authfile"
# The variable in which a unit tells its own name, and the label that `run` and `create` keep it in.
UNIT = "PODMAN_SYSTEMD_UNIT"
REGISTRY, LOCAL = "registry", "local"
_POLICIES = {"": "", "disabled": "", "image": REGISTRY, "registry": REGISTRY, "local": LOCAL}


def policy(text: str) -> str:
    """Return the policy that a label names, empty for none. Raises PodError for one that there is not."""
    if text not in _POLICIES:
        known = " ".join(f'"{name}"' for name in sorted(_POLICIES) if name)
        raise PodError(f'invalid auto-update policy "{text}": valid policies are [{known}]')
    return _POLICIES[text]


def check_reference(label: str, reference: str) -> None:
    """Raise PodError where a label asks for updates from a registry and the image's name does not tell which."""
    if _POLICIES.get(label) != REGISTRY:
        return
    from pod.images import transports
    from storage.reference import has_domain

    if transports.is_named(reference):
        transport = reference.partition(":")[0]
        raise PodError(
            f'auto updates require the docker image transport but image is of transport "{transport}"',
            hint="name the image as a registry has it: registry.example.com/name:tag",
        )
    if not reference.startswith("docker://") and not has_domain(reference):
        raise PodError(
            f'short name: auto updates require fully-qualified image reference: "{reference}"',
            hint=f"name the registry too: docker.io/library/{reference.rpartition('/')[2]}",
        )
