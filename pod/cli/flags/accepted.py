"""Flags of `build` that other builders have: what there is nothing to do for, and older words for others."""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.cli.building import Asked


def declare(
    target: Asked,
    *,
    blob_cache: Annotated[
        str, Option("--blob-cache", metavar="directory", hidden=True, help="Accepted, without effect")
    ] = "",
    load: Annotated[bool, Option("--load", hidden=True, help="Accepted: the image always comes into the store")] = True,
    log_rusage: Annotated[bool, Option("--log-rusage", hidden=True, help="Accepted, without effect")] = False,
    pull_always: Annotated[bool, Option("--pull-always", hidden=True, help="As --pull=always")] = False,
    pull_never: Annotated[bool, Option("--pull-never", hidden=True, help="As --pull=never")] = False,
    rusage_logfile: Annotated[
        str, Option("--rusage-logfile", metavar="file", hidden=True, help="Accepted, without effect")
    ] = "",
    skip_unused_stages: Annotated[
        bool, Option("--skip-unused-stages", help="Skip stages in multi-stage builds which do not affect the target")
    ] = True,
    source_policy_file: Annotated[
        str,
        Option(
            "--source-policy-file", metavar="pathname", help="Pathname of source policy file for images of the build"
        ),
    ] = "",
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    wanted = "always" if pull_always else "never"
    if (pull_always and pull_never) or ((pull_always or pull_never) and target.pull not in ("missing", wanted)):
        raise PodError("can only set one of 'pull' or 'pull-always' or 'pull-never'", hint="choose one of them")
    target.source_policy = source_policy_file
    target.unused_stages = not skip_unused_stages
    if pull_always or pull_never:
        target.pull = wanted
