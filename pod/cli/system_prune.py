"""`pod system prune`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.engine import Engine
    from pod.prune import Pruned


def main(
    all: Annotated[bool, Option("--all", "-a", help="Remove all unused data")] = False,
    build: Annotated[
        bool, Option("--build", help="Remove the build cache, too; what cut-off builds left goes in any case")
    ] = False,
    external: Annotated[
        bool, Option("--external", help="Remove container data in storage not controlled by pod")
    ] = False,
    filter: Annotated[
        list[str] | None,
        Option("--filter", metavar="stringArray", help="Provide filter values (e.g. 'label=<key>=<value>')"),
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Do not prompt for confirmation")] = False,
    volumes: Annotated[bool, Option("--volumes", help="Prune volumes")] = False,
) -> None:
    """Remove unused data."""
    from pod import filters, prune
    from pod.cli import output
    from pod.cli.asking import confirmed
    from pod.engine import open_engine
    from pod.errors import PodError

    if external and (all or volumes or build):
        raise PodError("--external cannot be combined with other options")
    filters.prunable(filters.parse(filter or []))
    if not force and not external and not confirmed(warning(all=all, volumes=volumes)):
        return
    engine = open_engine(write=True, sweep=False)
    found = {} if external else prune_all(engine, filter or [], all=all, volumes=volumes)
    if build or (all and not filter):
        found["Build Cache"] = prune.build_cache(engine, [one for one in filter or [] if one.startswith("until=")])
    found["Leftovers"] = prune.leftovers(engine)  # all that --external asks for
    for title, pruned in found.items():
        if pruned.removed:
            output.write(f"Deleted {title}\n" + "".join(f"{one}\n" for one in pruned.removed))
    output.write(f"Total reclaimed space: {output.human_size(sum(one.freed for one in found.values()))}\n")


def warning(*, all: bool, volumes: bool) -> str:
    """Return what the user is asked about."""
    lines = ["all stopped containers", "all networks not used by at least one container"]
    if volumes:
        lines.append("all volumes not used by at least one container")
    if all:
        lines += ["all images without at least one container associated with them", "all build cache"]
    else:
        lines += ["all dangling images", "all dangling build cache"]
    return "WARNING! This command removes:\n" + "".join(f"\t- {line}\n" for line in lines)


def prune_all(engine: Engine, filters: list[str], *, all: bool, volumes: bool) -> dict[str, Pruned]:
    """Remove what nothing uses, in the order in which one makes the other unused."""
    from pod import prune

    found = {} if filters else {"Pods": prune.pods(engine)}
    found["Containers"] = prune.containers(engine, filters)
    found["Networks"] = prune.networks(engine, filters)
    if volumes:
        found["Volumes"] = prune.volumes(engine, filters)
    found["Images"] = prune.images(engine, filters, all=all)
    return found
