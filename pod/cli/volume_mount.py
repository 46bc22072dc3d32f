"""`pod volume mount`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    name: Annotated[str, Argument(metavar="NAME", help="The volume")],
) -> None:
    """Mount volume."""
    from pod import events, rootless, state
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.volumes import driver

    inside = rootless.in_user_namespace()
    engine = open_engine(write=True)
    volume = state.find_volume(engine.connection, name)
    if engine.config.rootless and not inside and driver.is_mounted_by(volume.options):
        raise PodError(
            'cannot run command "pod volume mount" in rootless mode, must execute `pod unshare` first',
            hint="what is mounted there, only the processes in that namespace see",
        )
    path = driver.mount_on_host(engine.config, volume)
    events.record(engine.config, "volume", "mount", name=volume.name)
    print(path)
