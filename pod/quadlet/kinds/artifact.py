"""`.artifact`: a service that pulls an artifact. Source: podman-systemd.unit(5), "Artifact units"."""

from __future__ import annotations

from pod.quadlet import options, services
from pod.quadlet.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit

_STRINGS = {
    "AuthFile": "--authfile",
    "CertDir": "--cert-dir",
    "Creds": "--creds",
    "DecryptionKey": "--decryption-key",
    "Retry": "--retry",
    "RetryDelay": "--retry-delay",
}


def resource_name(unit: Unit) -> str:
    """Return the name of the artifact."""
    return unit.string("Artifact")


def convert(unit: Unit) -> None:
    """Let the service pull the artifact."""
    artifact = unit.string("Artifact")
    if not artifact:
        unit.error("no Artifact key specified", hint="Artifact=NAME")
        return
    command = Command(unit)
    command.add("artifact", "pull")
    command.add_strings(_STRINGS)
    command.add_booleans({"Quiet": "--quiet", "TLSVerify": "--tls-verify"})
    options.add_podman_args(unit, command)
    command.add(artifact)
    command.into("ExecStart")
    services.oneshot(unit, remain=True)
