"""Flags on privileges."""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    cap_add: Annotated[
        list[str] | None, Option("--cap-add", metavar="strings", help="Add capabilities to the container")
    ] = None,
    cap_drop: Annotated[
        list[str] | None, Option("--cap-drop", metavar="strings", help="Drop capabilities from the container")
    ] = None,
    privileged: Annotated[bool, Option("--privileged", help="Give extended privileges to container")] = False,
    seccomp_policy: Annotated[
        str,
        Option("--seccomp-policy", metavar="string", help="Policy for selecting a seccomp profile (default, image)"),
    ] = "default",
    security_opt: Annotated[
        list[str] | None, Option("--security-opt", metavar="stringArray", help="Security Options")
    ] = None,
    sysctl: Annotated[
        list[str] | None, Option("--sysctl", metavar="strings", help="Sysctl options (NAME=VALUE)")
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    options.cap_add, options.cap_drop = _comma_separated(cap_add), _comma_separated(cap_drop)
    options.privileged = privileged
    options.security_options = security_opt or []
    if seccomp_policy not in ("default", "image"):
        raise PodError(f'invalid seccomp policy "{seccomp_policy}": valid policies are ["default" "image"]')
    options.confinement["seccomp_policy"] = seccomp_policy
    if sysctl:
        from pod.containers.namespaces import sysctls

        options.confinement["sysctls"] = sysctls.parse(_comma_separated(sysctl))


def _comma_separated(items: list[str] | None) -> list[str]:
    return [name for item in items or [] for name in item.split(",") if name]
