"""Named volumes: directories that outlive containers."""

from __future__ import annotations

import posix

from pod import events, names, state
from pod.errors import PodError, VolumeExistsError
from runtime import paths
from storage import database, gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from pod.engine import Engine


def path(config: Config, name: str) -> str:
    """Return the directory that containers see, unless the volume is a mount (pod.volumes.driver)."""
    return f"{config.graphroot}/volumes/{name}/_data"


def create(
    engine: Engine,
    name: str,
    *,
    labels: dict[str, str],
    options: dict[str, str],
    ignore: bool,
    owner: tuple[int, int] = (0, 0),
) -> str:
    """Create a volume and return its name; an empty name asks for one that is made up and marks it anonymous."""
    anonymous = not name
    name = names.check_name(name) if name else names.new_id()
    if options:
        from pod.volumes import driver

        options, *named = driver.settle(options, rootless=engine.config.rootless)
        owner = (owner[0] or named[0], owner[1] or named[1])
    if owner != (0, 0):
        options = {**options, "UID": str(owner[0]), "GID": str(owner[1])}
    with database.transaction(engine.connection):
        added = state.insert_volume(engine.connection, name, anonymous=anonymous, labels=labels, options=options)
        if added:
            prepare(engine, name, owner)
    if added:
        events.record(engine.config, "volume", "create", name=name)
    elif not ignore:
        raise VolumeExistsError(name)
    return name


def prepare(engine: Engine, name: str, owner: tuple[int, int] = (0, 0)) -> None:
    """Make the empty directory of a volume, at the end of the transaction that adds its row."""
    directory = f"{engine.config.graphroot}/volumes/{name}"
    # Left by a crash between the row's deletion and the directory's: its data was given up.
    engine.store.discard(directory)
    posix.mkdir(directory, 0o700)
    posix.mkdir(f"{directory}/_data")
    posix.chmod(f"{directory}/_data", 0o755)
    if owner != (0, 0):
        try:
            posix.chown(f"{directory}/_data", *owner)
        except OSError as error:
            raise PodError(
                f"chown {directory}/_data: {(error.strerror or '').lower()}",
                hint="is the ID among those that /etc/subuid and /etc/subgid give you?",
            ) from error


def discard(engine: Engine, names: list[str]) -> None:
    """Delete the directories of volumes whose rows were deleted in a transaction before, unless they are there anew."""
    with database.transaction(engine.connection):
        for name in names:
            if not state.has_volume(engine.connection, name):
                _forget_mounts(engine.config, name)
                engine.store.discard(f"{engine.config.graphroot}/volumes/{name}")
    gc.empty_trash(engine.store)


def _forget_mounts(config: Config, name: str) -> None:
    if paths.is_directory(f"{config.runroot}/volumes/{name}"):
        from pod.volumes import driver

        driver.forget(config, name)


def needs_copy_up(config: Config, name: str) -> bool:
    """Tell whether a volume is still to get what the image of its first container has."""
    return not paths.exists(f"{config.graphroot}/volumes/{name}/used")
