"""What `build` says of the containers in which its steps run, beside the flags of `run` (pod.cli.flags.STEPS)."""

from __future__ import annotations

from pod.cli import flags as groups
from pod.cli.flags.resources import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

    from pod.cli.building import Asked

_NAMESPACES = ("cgroupns", "ipc", "pid", "uts")


def declare(
    target: Asked,
    *,
    allow: Annotated[
        list[str] | None,
        Option("--allow", metavar="strings", help="What RUN may ask for: security.insecure, device[=NAME]"),
    ] = None,
    cdi_config_dir: Annotated[
        list[str] | None,
        Option("--cdi-config-dir", metavar="dir", hidden=True, help="Directory of CDI configuration files"),
    ] = None,
    compat_volumes: Annotated[
        bool, Option("--compat-volumes", help="Preserve the contents of VOLUMEs during RUN instructions")
    ] = False,
    hooks_dir: Annotated[
        list[str] | None,
        Option("--hooks-dir", metavar="stringArray", help="Set the OCI hooks directory path (may be repeated)"),
    ] = None,
    isolation: Annotated[
        str,
        Option("--isolation", metavar="type", help='Type of process isolation to use ("oci"|"rootless"|"chroot")'),
    ] = "",
    mount: Annotated[
        list[str] | None,
        Option("--mount", metavar="stringArray", help="Attach a mount to each RUN, as RUN --mount does"),
    ] = None,
    runtime: Annotated[
        str, Option("--runtime", metavar="path", help="OCI runtime of RUN: runc, crun, or a program's path")
    ] = "",
    runtime_flag: Annotated[
        list[str] | None, Option("--runtime-flag", metavar="strings", help="Add global flags for the container runtime")
    ] = None,
    stdin: Annotated[bool, Option("--stdin", help="Pass stdin into containers")] = False,
    userns: Annotated[
        str | None,
        Option("--userns", metavar="string", help="User namespace of RUN: host, private, auto[:OPTIONS], or a path"),
    ] = None,
    userns_gid_map: Annotated[
        list[str] | None, Option("--userns-gid-map", metavar="containerGID:hostGID:length", help="GID map of RUN")
    ] = None,
    userns_gid_map_group: Annotated[
        str,
        Option("--userns-gid-map-group", metavar="name", help="Map RUN's GIDs to those of this group in /etc/subgid"),
    ] = "",
    userns_uid_map: Annotated[
        list[str] | None, Option("--userns-uid-map", metavar="containerUID:hostUID:length", help="UID map of RUN")
    ] = None,
    userns_uid_map_user: Annotated[
        str,
        Option("--userns-uid-map-user", metavar="name", help="Map RUN's UIDs to those of this user in /etc/subuid"),
    ] = "",
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    if userns is not None or userns_uid_map or userns_gid_map or userns_uid_map_user or userns_gid_map_group:
        from pod.build.steps import own_users

        maps = words(userns_uid_map), words(userns_gid_map), userns_uid_map_user, userns_gid_map_group
        target.users = own_users.parse(userns, *maps)
    target.isolation = isolation
    target.allowed, target.run_mounts = words(allow), mount or []
    target.compatible_volumes, target.reads_stdin = compat_volumes, stdin
    said = {
        "cdi_spec_dir": cdi_config_dir,
        "hooks_dir": hooks_dir,
        "runtime": runtime,
        "runtime_flag": words(runtime_flag),
    }
    target.settings |= {name: value for name, value in said.items() if value}


def take(flags: dict[str, Any]) -> dict[str, Any]:
    """Take out of what was said the flags of `run` that are not their defaults, in the words of `run`."""
    taken: dict[str, Any] = {}
    for group in groups.STEPS:
        own = {name: flags.pop(name) for name in groups.parameters(group) if name in flags}
        defaults = (groups.declaration(group).__kwdefaults__ if own else None) or {}
        taken |= {name: value for name, value in own.items() if value != defaults[name]}
    for name in _NAMESPACES:
        if name in taken:
            taken[name] = _mode(taken[name])
    return taken


def _mode(text: str) -> str:
    """Return buildah's word for a namespace in that of `run`: a path alone is one, too."""
    if text.startswith("/"):
        return f"ns:{text}"
    return "private" if text == "container" else text
