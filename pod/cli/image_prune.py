"""`pod image prune`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

DANGLING = "WARNING! This command removes all dangling images."
UNUSED = "WARNING! This command removes all images without at least one container associated with them."


def main(
    all: Annotated[
        bool, Option("--all", "-a", help="Remove all images not in use by containers, not just dangling ones")
    ] = False,
    build_cache: Annotated[bool, Option("--build-cache", help="Remove the build cache, too; --all does")] = False,
    external: Annotated[
        bool,
        Option(
            "--external",
            help="Remove images even when they are used by external containers (e.g., by build containers)",
        ),
    ] = False,
    filter: Annotated[
        list[str] | None,
        Option("--filter", metavar="stringArray", help="Provide filter values (e.g. 'label=<key>=<value>')"),
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Do not prompt for confirmation")] = False,
) -> None:
    """Removes dangling or unused images from local storage."""
    from pod import prune
    from pod.cli.asking import confirmed
    from pod.engine import open_engine

    if not force and not confirmed(UNUSED if all else DANGLING):
        return
    engine = open_engine(write=True)
    for removed in prune.images(engine, filter or [], all=all).removed:
        print(removed)
    if build_cache or (all and not filter):
        prune.build_cache(engine, [one for one in filter or [] if one.startswith("until=")])
