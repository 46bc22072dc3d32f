"""The engine as a command opens it: configuration, database and store, each at its first need."""

from __future__ import annotations

from pod import config as configuration
from pod import settings, state
from runtime import paths
from storage import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

    from pod.config import Config
    from storage.store import Store


class Engine:
    """What every operation needs."""

    __slots__ = ("config", "store")

    def __init__(self, config: Config, opened: Store) -> None:
        self.config = config
        self.store = opened
        opened.short_names = self._short_names
        opened.additional = config.image_stores

    @property
    def connection(self) -> sqlite3.Connection:
        """The database, in which storage has its tables and the engine has its own."""
        return self.store.connection

    @property
    def single_id(self) -> bool:
        """Tell whether the user's namespace maps one ID only."""
        from pod import rootless

        return self.config.rootless and rootless.has_single_id()

    def _short_names(self, text: str) -> list[str]:
        from pod import registries_conf, short_names

        return short_names.local_candidates(
            text, registries_conf.load(self.config), aliases_file=registries_conf.aliases_file(self.config)
        )


def open_engine(*, write: bool, sweep: bool = True, make: bool = True) -> Engine:
    """Open the engine of the invoking user.

    For writing, a rootless user's process enters the user's namespace (it must be single-threaded), missing directories
    are made, and what crashes left behind is swept (but for `sweep`, where that is looked at first). Without `make` it
    raises NoStoreError where there is no store. For reading, nothing is locked, written or waited for.
    """
    config = configuration.load(settings.current)
    if not write:
        return Engine(config, state.open_for_reading(config.graphroot))
    from pod import sweep as sweeping  # with all that it removes, of no use to readers

    if config.rootless:
        from pod import rootless

        rootless.enter(config)
    engine = Engine(config, store.open_store(config.graphroot, mode=0o700 if config.rootless else 0o711, make=make))
    engine.store.keeps = config.layers == "erofs"
    engine.store.layer_limit = config.layer_limit
    try:
        _make_directories(config)
        state.migrate(engine.connection)
    except BaseException:
        engine.store.close()
        raise
    if sweep:
        sweeping.sweep(engine)
    return engine


def open_for_inspection() -> Engine:
    """Open the engine for reading, of a rootless user with the right to read all files of the store."""
    config = configuration.load(settings.current)
    if config.rootless:
        from pod import rootless

        rootless.enter(config)
    return Engine(config, state.open_for_reading(config.graphroot))


def _make_directories(config: Config) -> None:
    needed = (
        f"{config.graphroot}/containers",
        f"{config.graphroot}/volumes",
        f"{config.runroot}/containers",
        f"{config.runroot}/exec",
        config.runtime_root,
    )
    # Each: who made them, or took them away, may have been killed at any of them.
    missing = [path for path in needed if not paths.is_directory(path)]
    if not missing:
        return
    from os import makedirs

    # Image content may hold setuid programs: nobody else gets to them through our directories.
    makedirs(config.runroot, mode=0o700 if config.rootless else 0o711, exist_ok=True)
    for path in missing:
        makedirs(path, mode=0o700, exist_ok=True)
