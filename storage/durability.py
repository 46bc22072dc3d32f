"""Making layers durable behind the user's back, and judging those that never were.

Nobody waits for a sync: a layer's row says `durable = 0` and in which boot it was unpacked, until a detached process
has synced the file system. After a power cut such layers are read through once before they are used.
"""

from __future__ import annotations

import fcntl
import os
import sys

from storage import database
from storage.errors import StorageError
from storage.presence import Presence
from storage.store import SCHEMA, Store, boot_id

PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from storage.durability import main; main(sys.argv[2])"


def begin(store: Store) -> None:
    """Start the detached process that makes all layers of this boot durable.

    It executes a new interpreter, for SQLite forbids a forked child to open what its parent has open.
    """
    from storage.gc import detach

    if detach():
        try:
            os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", "-c", _CODE, PACKAGE_PARENT, store.root])
        finally:
            os._exit(1)


def main(root: str) -> None:
    """Sync and mark, one process at a time; what was unpacked while another one synced is done by the next in line."""
    try:
        presence = Presence(root)
    except FileNotFoundError:
        return  # it was taken away; nothing is to be made there now
    lock = os.open(f"{root}/sync.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    connection = database.connect(f"{root}/pod.db", readonly=False)
    if database.version(connection, "storage") == len(SCHEMA):
        make_durable(Store(root, connection))
    connection.close()
    os.close(lock)
    presence.close()


def make_durable(store: Store) -> None:
    """Sync the store's file system and mark the layers that this covers."""
    current = boot_id()
    query = "SELECT key, created FROM layer WHERE durable = 0 AND boot_id = ?"
    layers = store.connection.execute(query, (current,)).fetchall()
    if not layers:
        return
    sync(store.root)
    with database.transaction(store.connection) as connection:
        # Not one that was removed and came anew during the sync: it was not there to be synced.
        connection.executemany("UPDATE layer SET durable = 1 WHERE key = ? AND created = ?", layers)


def sync(path: str) -> None:
    """Call syncfs(2): everything written to the file system of this path before is on the disk after."""
    import ctypes

    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), path)
    finally:
        os.close(fd)


def confirm(store: Store, key: str) -> bool:
    """Read a layer of an earlier boot through; True if it is what its diffID says, and then it counts as durable.

    The store may be open for reading only: then the next one verifies again.
    """
    from storage.check import layer_is_whole

    if not layer_is_whole(store, key):
        return False
    try:
        sync(store.root)
        with database.transaction(store.connection) as connection:
            connection.execute("UPDATE layer SET durable = 1 WHERE key = ?", (key,))
    except (OSError, StorageError):
        pass
    return True
