"""`pod quadlet rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    quadlets: Annotated[
        list[str] | None, Argument(metavar="QUADLET [QUADLET]...", help="Names of files, or of applications")
    ] = None,
    all: Annotated[bool, Option("--all", "-a", help="Remove all Quadlets for the current user")] = False,
    force: Annotated[bool, Option("--force", "-f", help="Remove running quadlets")] = False,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Do not error for Quadlets that do not exist")] = False,
    reload_systemd: Annotated[bool, Option("--reload-systemd", help="Reload systemd after removal")] = True,
) -> int:
    """Remove quadlets, or applications with all that belongs to them."""
    from pod import config as configuration
    from pod.cli import each
    from pod.errors import PodError
    from pod.quadlet import listing, places, removing
    from pod.quadlet.unit_states import Systemd
    from pod.settings import current

    if not quadlets and not all:
        raise PodError("at least one quadlet file must be selected")
    config = configuration.load(current)
    where = places.of(config)

    def remove(name: str) -> str:
        try:
            removal = removing.choose(listing.everything(where), name)
        except removing.NoSuchQuadletError:
            if ignore or name in gone:
                return "" if name in gone else name
            raise
        removing.remove(where, removal, systemd, force=force)
        names = [quadlet.name for quadlet in removal.quadlets]
        gone.update(names)
        return "\n".join(names)

    gone: set[str] = set()
    with Systemd(config) as systemd:
        if reload_systemd:
            systemd.check()
        named = removing.own(listing.everything(where), where) if all else quadlets or []
        code = each.run(named, remove)
        if reload_systemd:
            systemd.reload()
    return code
