"""Flags on what a list of manifests says of one of its members."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any, Protocol

    from typer import Option

    class Target(Protocol):
        """Whatever takes what the flags say."""

        member: dict[str, Any]  # arguments for lists.Changes


def declare(
    target: Target,
    *,
    annotation: Annotated[
        list[str] | None,
        Option("--annotation", metavar="stringArray", help="Set an annotation (KEY=VALUE) for the specified image"),
    ] = None,
    arch: Annotated[
        str, Option("--arch", metavar="string", help="Override the architecture of the specified image")
    ] = "",
    features: Annotated[
        list[str] | None, Option("--features", metavar="strings", help="Override the features of the specified image")
    ] = None,
    os: Annotated[str, Option("--os", metavar="string", help="Override the OS of the specified image")] = "",
    os_features: Annotated[
        list[str] | None,
        Option("--os-features", metavar="strings", help="Override the OS features of the specified image"),
    ] = None,
    os_version: Annotated[
        str, Option("--os-version", metavar="string", help="Override the OS version of the specified image")
    ] = "",
    variant: Annotated[
        str, Option("--variant", metavar="string", help="Override the variant of the specified image")
    ] = "",
) -> None:
    """Note what is asked for. Raises PodError for an annotation without a value."""
    target.member = {
        "annotations": annotations_of(annotation),
        "architecture": arch,
        "os": os,
        "variant": variant,
        "os_version": os_version,
        "features": tuple(features or ()),
        "os_features": tuple(os_features or ()),
    }


def annotations_of(texts: list[str] | None) -> dict[str, str]:
    """Return annotations by key. Raises PodError for one without a value."""
    from pod.errors import PodError

    for one in texts or ():
        if "=" not in one:
            raise PodError(f"no value given for annotation {one}")
    return dict(one.split("=", 1) for one in texts or ())
