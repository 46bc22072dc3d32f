"""The collector: what crashes and removals left is found by its lock being free, and deleted.

Best effort and never fatal: a command that sweeps does its own work whatever happens here. Never called by readers.
Cheap when there is nothing to do.
"""

from __future__ import annotations

import fcntl
import posix
import time

from storage import database, reserve
from storage.errors import StorageError
from storage.store import is_at
from storage.trees import OutOfTimeError, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from storage.store import Store

# What takes longer to delete goes on after the command has ended.
_INLINE_SECONDS = 0.25
_PARTIAL_SECONDS = 7 * 24 * 3600.0
# Less of a download than this is not kept: to fetch it again costs less than to keep order among the pieces.
WORTHWHILE = 1 << 20

__all__ = ["empty_trash", "measured_sweep", "release_layers", "remove_tree", "sweep"]


def sweep(store: Store) -> None:
    """Delete what belongs to nobody: staging, stale downloads, layers that no image has, the trash."""
    for step in (_sweep_staging, _sweep_ingest, _sweep_layers, empty_trash):
        _try(step, store)


def measured_sweep(store: Store) -> int:
    """Do the same, and return how many bytes of files went."""
    from storage.measuring import freed_with, size_of

    ingest = [f"{store.root}/ingest/{name}" for name in posix.listdir(f"{store.root}/ingest")]
    before = {path: size_of([path]) for path in ingest}
    for step in (_sweep_staging, _sweep_ingest, _sweep_layers):
        _try(step, store)
    freed = sum(size for path, size in before.items() if not posix.access(path, posix.F_OK))
    freed += freed_with([f"{store.trash}/{name}" for name in posix.listdir(store.trash)])
    _try(empty_trash, store)
    return freed


def _try(step: Callable[[Store], None], store: Store) -> None:
    try:
        step(store)
    except (OSError, StorageError, database.Error):
        pass  # on a full disk the database cannot change before the trash is empty


def release_layers(store: Store, keys: Iterable[str], *, measure: bool = False) -> int:
    """Move the directories of layers that have no row any more to the trash, with their remapped copies.

    The rows were deleted in a transaction before: a publisher that inserts one anew waits for this one. With
    `measure`, returns the bytes of files that go.
    """
    names = set(keys)
    present = [name for name in posix.listdir(store.layers) if name.partition(".")[0] in names]
    freed = 0
    if measure:
        from storage.measuring import freed_with

        known = {row[0] for row in store.connection.execute("SELECT key FROM layer")}
        freed = freed_with([store.layer_path(name) for name in present if name not in known])
    with database.transaction(store.connection) as connection:
        for name in present:
            if connection.execute("SELECT 1 FROM layer WHERE key = ?", (name,)).fetchone() is None:
                store.discard(store.layer_path(name))
    return freed


def empty_trash(store: Store) -> None:
    """Delete what is in the trash: a moment long at once, the rest in a detached process of low priority."""
    deadline = time.monotonic() + _INLINE_SECONDS
    try:
        _delete(store.trash, deadline)
    except OutOfTimeError:
        if detach():
            try:
                _delete(store.trash, None)
            finally:
                posix._exit(0)


def detach() -> bool:
    """Fork a process that nobody waits for and that holds nothing of ours; True in it, which must end by posix._exit.

    Its priority is the lowest. It has no part in the database that its parent has open.
    """
    pid = posix.fork()
    if pid:
        posix.waitpid(pid, 0)
        return False
    try:
        posix.setsid()
        if posix.fork():
            posix._exit(0)
        posix.nice(19)
        null = posix.open("/dev/null", posix.O_RDWR)
        for fd in range(3):
            posix.dup2(null, fd)
        posix.closerange(3, posix.sysconf("SC_OPEN_MAX"))
    except OSError:
        posix._exit(1)
    return True


def _delete(trash: str, deadline: float | None) -> None:
    try:
        names = posix.listdir(trash)
    except FileNotFoundError:
        return
    for name in names:
        try:
            remove_tree(f"{trash}/{name}", deadline=deadline)
        except OSError:
            pass  # Busy or read-only: the next sweep tries again.


def _sweep_staging(store: Store) -> None:
    for path, fd in _unowned(f"{store.root}/staging", posix.O_RDONLY | posix.O_DIRECTORY):
        from storage import unfinished

        unfinished.remove(path)
        store.discard(path)
        posix.close(fd)


def _sweep_ingest(store: Store) -> None:
    now = time.time()
    for path, fd in _unowned(f"{store.root}/ingest", posix.O_RDWR):
        status = posix.fstat(fd)
        if status.st_size < WORTHWHILE or now - status.st_mtime > _PARTIAL_SECONDS or reserve.is_full(fd):
            posix.unlink(path)
        posix.close(fd)


def _unowned(directory: str, flags: int) -> Iterator[tuple[str, int]]:
    """Go through the entries that nobody has locked, each locked and open."""
    for name in posix.listdir(directory):
        path = f"{directory}/{name}"
        try:
            fd = posix.open(path, flags | posix.O_CLOEXEC | posix.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            posix.close(fd)
            continue
        if is_at(path, fd):
            yield path, fd
        else:
            posix.close(fd)  # its owner was done with it, and what is there now may have another one


def _sweep_layers(store: Store) -> None:
    """Delete rows that neither an image nor a build step refers to, then directories without a row.

    Not while anybody publishes layers.
    """
    lock = store.collecting()
    if lock is None:
        return
    with lock:
        connection = store.connection
        kept = "SELECT layer FROM image_layer UNION ALL SELECT layer FROM build_step"
        unused = f"FROM layer WHERE substr(key, 1, 64) NOT IN ({kept})"
        if connection.execute(f"SELECT 1 {unused}").fetchone() is not None:
            with database.transaction(connection):
                connection.execute(f"DELETE {unused}")
                connection.execute("DELETE FROM layer_blob WHERE diff_id NOT IN (SELECT diff_id FROM layer)")
        known = {row[0] for row in connection.execute("SELECT key FROM layer")}
        orphans = [name for name in posix.listdir(store.layers) if name not in known]
        for name in orphans:
            store.discard(store.layer_path(name))
