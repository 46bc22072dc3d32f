"""`pod quadlet print`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(quadlet: Annotated[str, Argument(metavar="QUADLET", help="The name of its file")]) -> None:
    """Display the contents of a quadlet."""
    import sys

    from pod import config as configuration
    from pod.quadlet import listing, places, removing
    from pod.settings import current

    known = listing.everything(places.of(configuration.load(current)))
    found = [one for one in known if one.name == quadlet] or removing.choose(known, quadlet).quadlets
    for path in dict.fromkeys(one.path for one in found):
        with open(path, "rb") as file:
            sys.stdout.buffer.write(file.read())
