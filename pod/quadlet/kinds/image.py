"""`.image`: a service that pulls an image. Source: podman-image.unit(5)."""

from __future__ import annotations

from pod.quadlet import options, services
from pod.quadlet.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit

_STRINGS = {
    "Arch": "--arch",
    "AuthFile": "--authfile",
    "CertDir": "--cert-dir",
    "Creds": "--creds",
    "DecryptionKey": "--decryption-key",
    "OS": "--os",
    "Policy": "--policy",
    "Variant": "--variant",
    "Retry": "--retry",
    "RetryDelay": "--retry-delay",
}


def resource_name(unit: Unit) -> str:
    """Return the name by which others use the image: that which it has once it is pulled, say from an archive."""
    return unit.string("ImageTag") or unit.string("Image")


def convert(unit: Unit) -> None:
    """Let the service pull the image."""
    image = unit.string("Image")
    if not image:
        unit.error("no Image key specified", hint="Image=NAME")
        return
    command = Command(unit)
    command.add("image", "pull")
    command.add_strings(_STRINGS)
    command.add_booleans({"AllTags": "--all-tags", "TLSVerify": "--tls-verify"})
    options.add_podman_args(unit, command)
    command.add(image)
    command.into("ExecStart")
    services.oneshot(unit, remain=True)
