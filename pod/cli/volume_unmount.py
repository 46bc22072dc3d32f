"""`pod volume unmount`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    name: Annotated[str, Argument(metavar="NAME", help="The volume")],
) -> None:
    """Unmount volume."""
    from pod import events, state
    from pod.engine import open_engine
    from pod.volumes import driver

    engine = open_engine(write=True)
    volume = state.find_volume(engine.connection, name)
    driver.unmount_on_host(engine.config, volume.name)
    events.record(engine.config, "volume", "unmount", name=volume.name)
    print(volume.name)
