"""`pod system check`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option


def main(
    force: Annotated[bool, Option("--force", "-f", help="Remove containers that use damaged images")] = False,
    max: Annotated[
        str,
        Option(
            "--max", "-m", metavar="duration", help="Accepted: layers that no image has go at once, whatever their age"
        ),
    ] = "24h",
    quick: Annotated[bool, Option("--quick", "-q", help="Skip reading the content of layers")] = False,
    repair: Annotated[bool, Option("--repair", "-r", help="Remove damaged images and layers")] = False,
) -> None:
    """Check storage for consistency and remove anything that looks damaged."""
    from pod import repair as repairing
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.times import parse_duration

    parse_duration(max)
    if force and not repair:
        raise PodError("--force has no meaning without --repair", hint="add --repair")
    engine = open_engine(write=repair)
    damage = repairing.find(engine, quick=quick)
    for line in damage:
        print(line)
    if repair and damage:
        done = repairing.repair(engine, damage, quick=quick, force=force)
        for image in done.removed:
            print(f"removed image {image}")
        damage = done.damage
    if damage:
        hint = "--repair --force removes the containers too" if repair else "--repair removes what is damaged"
        raise PodError("damage detected in local storage", hint=hint)
