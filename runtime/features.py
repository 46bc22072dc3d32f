"""What this runtime can do (runtime-spec, features.md and features-linux.md), by the very tables that it works with."""

from __future__ import annotations

from runtime import capabilities, hooks, inherited, namespaces, seccomp, status
from runtime.cgroups.systemd_properties import ANNOTATION
from runtime.mounting import options as mount_options
from runtime.seccomp import profile, tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OLDEST = "1.0.0"
_ENABLED = {"enabled": True}


def document(name: str, version: str, *, checkpoint: bool) -> dict[str, Any]:
    """Return the features document of this program."""
    beginning = f"org.opencontainers.{name}"
    return {
        "ociVersionMin": _OLDEST,
        "ociVersionMax": status.VERSION,
        "hooks": list(hooks.STAGES),
        "mountOptions": mount_options.known(),
        "linux": {
            "namespaces": sorted(namespaces.KINDS),
            "capabilities": list(capabilities.NAMES),
            "cgroup": {"v1": True, "v2": True, "systemd": True, "systemdUser": True, "rdma": True},
            "seccomp": _seccomp(),
            "apparmor": _ENABLED,
            "selinux": _ENABLED,
            "intelRdt": {"enabled": False},
            "memoryPolicy": {"modes": sorted(inherited.MODES), "flags": sorted(inherited.FLAGS)},
            "mountExtensions": {"idmap": _ENABLED},
            "netDevices": _ENABLED,
        },
        "annotations": {
            f"{beginning}.version": version,
            f"{beginning}.checkpoint.enabled": "true" if checkpoint else "false",
        },
        "potentiallyUnsafeConfigAnnotations": [ANNOTATION, "run.oci."],
    }


def _seccomp() -> dict[str, Any]:
    return {
        "enabled": True,
        "actions": sorted(profile.ACTIONS),
        "operators": sorted(f"SCMP_CMP_{operator}" for operator in profile.OPERATORS),
        "archs": sorted(f"SCMP_ARCH_{name}" for name in profile.AUDIT if name in tables.TABLES),
        "knownFlags": sorted(seccomp.FLAGS),
        "supportedFlags": sorted(seccomp.FLAGS),
    }
