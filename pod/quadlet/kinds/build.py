"""`.build`: a service that builds an image. Source: podman-build.unit(5)."""

from __future__ import annotations

from pod.quadlet import options, services, working_directory
from pod.quadlet.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit

_STRINGS = {
    "Arch": "--arch",
    "AuthFile": "--authfile",
    "IgnoreFile": "--ignorefile",
    "Target": "--target",
    "Variant": "--variant",
    "Retry": "--retry",
    "RetryDelay": "--retry-delay",
}
_LISTS = {
    "DNS": "--dns",
    "DNSOption": "--dns-option",
    "DNSSearch": "--dns-search",
    "GroupAdd": "--group-add",
    "ImageTag": "--tag",
}
_PAIRS = {"BuildArg": "--build-arg", "Environment": "--env", "Label": "--label", "Annotation": "--annotation"}


def resource_name(unit: Unit) -> str:
    """Return the first name that the image gets."""
    return next(iter(unit.strings("ImageTag")), "")


def convert(unit: Unit) -> None:
    """Let the service build the image."""
    if not resource_name(unit):
        unit.error("no ImageTag key specified", hint="ImageTag=localhost/NAME")
    command = Command(unit)
    command.add("build")
    # In a word of its own the policy would be taken for the context.
    if unit.string("Pull"):
        command.add(f"--pull={unit.string('Pull')}")
    command.add_strings(_STRINGS)
    command.add_booleans({"TLSVerify": "--tls-verify", "ForceRM": "--force-rm"})
    command.add_all_strings(_LISTS)
    command.add_pairs(_PAIRS)
    options.add_networks(unit, command)
    for secret in unit.words("Secret"):
        command.add("--secret", secret)
    options.add_volumes(unit, command)
    context = working_directory.of_build(unit)
    if unit.string("File"):
        command.add("--file", unit.string("File"))
    options.add_podman_args(unit, command)
    if context:
        command.add(context)
    command.into("ExecStart")
    services.oneshot(unit, remain=False)
