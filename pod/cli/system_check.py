"""`pod system check`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.repair import Repair
    from storage.check import Damage


def main(
    force: Annotated[
        bool, Option("--force", "-f", help="With --repair, also remove containers that use damaged images")
    ] = False,
    max: Annotated[
        str, Option("--max", "-m", metavar="duration", help="Maximum allowed age of unreferenced layers")
    ] = "24h",
    quick: Annotated[bool, Option("--quick", "-q", help="Skip reading the content of layers")] = False,
    repair: Annotated[
        bool, Option("--repair", "-r", help="Mend what is damaged, and remove images that cannot be mended")
    ] = False,
) -> None:
    """Check storage for consistency; with --repair, mend or remove what is damaged."""
    from pod import repair as repairing
    from pod.engine import open_engine, open_for_inspection
    from pod.errors import PodError
    from pod.times import parse_duration

    try:
        unused = parse_duration(max) / 1e9
    except ValueError as error:
        raise PodError(f'invalid argument "{max}" for "-m, --max" flag: {error}') from None
    if force and not repair:
        raise PodError("--force has no meaning without --repair", hint="add --repair")
    engine = open_engine(write=True, sweep=False) if repair else open_for_inspection()
    damage = repairing.find(engine, quick=quick, unused_seconds=unused)
    show(damage)
    if not damage:
        return
    if not repair:
        raise PodError("damage detected in local storage", hint="--repair mends it, or removes what is damaged")
    done = repairing.repair(engine, damage, quick=quick, unused_seconds=unused, force=force)
    show_repair(done)
    if done.left:
        raise PodError(
            "damage in local storage still present after repair attempt",
            hint="" if force else "--repair --force removes the containers too",
        )


def show(damage: list[Damage]) -> None:
    """Print what is damaged, as podman does: what it is about, and below it what is wrong."""
    about: dict[tuple[str, str], list[str]] = {}
    for one in damage:
        about.setdefault((one.kind, one.subject), []).append(one.text)
    for (kind, subject), texts in about.items():
        print(f"Damaged {' '.join(part for part in (kind, subject) if part)}:")
        for text in texts:
            print(f"\t* {text}")


def show_repair(done: Repair) -> None:
    """Print what was done about it, and what could not be done."""
    for line in done.mended:
        print(f"Repaired {line}")
    for line in done.failed:
        print(f"Could not repair {line}")
    for image in done.images:
        print(f"Deleted damaged image: {image}")
    for container in done.containers:
        print(f"Deleted damaged container: {container}")
