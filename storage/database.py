"""The database: SQLite in WAL mode, where readers never block and write transactions are milliseconds long.

On the run path, hence not the `sqlite3` package but what storage.sqlite makes of its C module. One file serves
several packages; each has its own tables and its own version in the table `schema`.

A forked child must neither use nor close a connection that it inherited, nor open the same file anew: SQLite's locks
and its view of them belong to the process that opened it. Children end by os._exit; what needs the database execs.
"""

from __future__ import annotations

import posix

from storage import sqlite
from storage.errors import NoSpaceError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection
    from types import TracebackType

Error = sqlite.Error
IntegrityError = sqlite.IntegrityError

BUSY_SECONDS = 10.0
# Each checkpoint is an fsync; each page above the last one is read again by the first opener after everybody left.
_CHECKPOINT_PAGES = 256
_MUCH_ROOM = 1 << 20


def connect(path: str, *, readonly: bool) -> Connection:
    """Open the database in autocommit mode; a writer creates what is missing.

    A read-only connection to a file that does not exist raises FileNotFoundError: for the caller, an empty store.
    It takes no lock that a writer would wait for, and works on a file system mounted read-only. Raises NoSpaceError if
    there is no room for the files beside it, and no reserve.
    """
    try:
        return _with_room(_open_readonly if readonly else _open, path)
    except sqlite.Error as error:
        raise translated(error, f"open database {path}") from error


def _with_room(opener: Callable[[str], Connection], path: str) -> Connection:
    """Open, on a full disk with room from the reserve: the first to open makes the files of the WAL, readers too."""
    try:
        return opener(path)
    except sqlite.OperationalError as error:
        from storage import reserve

        root = _directory(path)
        if not _wants_room(error, root):
            raise
        given = reserve.give_up(root)
        try:
            return opener(path)  # without a reserve too: another may have made room, and the files
        except sqlite.OperationalError as again:
            if again.sqlite_errorcode & 0xFF == sqlite.IOERR and reserve.is_full(root):
                raise NoSpaceError(f"open database {path}: no space left on device") from again
            raise
        finally:
            reserve.take_back(root, given)


def _wants_room(error: sqlite.Error, root: str) -> bool:
    """Tell whether it may be for want of space that a database did not open: that one is busy is no reason."""
    from storage import reserve

    try:
        return error.sqlite_errorcode & 0xFF not in (sqlite.BUSY, sqlite.LOCKED) and reserve.is_full(root)
    except OSError:
        return False


def migrate(connection: Connection, package: str, steps: tuple[str, ...]) -> None:
    """Bring the tables of one package to the newest version; nothing is written if they are.

    A step is a script whose statements end with a semicolon at the end of a line. All missing steps run in one
    transaction, so that concurrent first commands agree on who did it.
    """
    if version(connection, package) == len(steps):
        return
    with transaction(connection):
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema (package TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID"
        )
        present = version(connection, package)
        if present > len(steps):
            raise StorageError(
                f"the database's {package} tables have version {present}, this program knows {len(steps)}",
                hint="it was written by a newer pod: use that one",
            )
        for step in steps[present:]:
            for statement in step.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute("INSERT OR REPLACE INTO schema VALUES (?, ?)", (package, len(steps)))


def begin_log(connection: Connection) -> None:
    """Write a page to the log as it is: for whoever is about to write many files.

    The first change after everybody left, or after a checkpoint, begins the log anew, and SQLite syncs its head. Once
    the files are there, that would wait for the file system to write what it has of them.
    """
    with transaction(connection):
        connection.execute("PRAGMA user_version = 0")  # it is never another


def forget_all(connection: Connection) -> None:
    """Delete all rows of all packages at once, but for what `version` reads."""
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'schema'"
    with transaction(connection):
        connection.execute("PRAGMA defer_foreign_keys = ON")
        for (name,) in connection.execute(tables).fetchall():
            connection.execute(f"DELETE FROM {name}")


def version(connection: Connection, package: str) -> int:
    """Tell how many migration steps of a package were done; 0 in a new file."""
    try:
        row = connection.execute("SELECT version FROM schema WHERE package = ?", (package,)).fetchone()
    except sqlite.OperationalError as error:
        if "no such table" in str(error):
            return 0
        raise translated(error, "read database") from error
    return int(row[0]) if row else 0


class transaction:
    """One write transaction: begun IMMEDIATE, so that it never fails half-way for a lock; rolled back on any exception.

    Keep it short, and never do in it what can wait: network, unpacking, other locks.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> Connection:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite.Error as error:
            raise translated(error, "write database") from error
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self._connection.execute("COMMIT")
            except sqlite.Error as failure:
                self._rollback()
                raise translated(failure, "write database") from failure
            return
        self._rollback()
        if isinstance(error, sqlite.OperationalError):
            raise translated(error, "write database") from error

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def compact(connection: Connection) -> int:
    """Give room back that the file keeps for further rows, if it is much; return the bytes. Not while others write."""
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
    if pages * size < _MUCH_ROOM:
        return 0
    try:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite.Error:
        return 0  # It stays of use for further rows.
    return int(pages * size)


def translated(error: sqlite.Error, attempt: str) -> StorageError:
    """Give the error of ours for one of SQLite's."""
    text = str(error)
    if "disk is full" in text:
        return NoSpaceError(f"{attempt}: no space left on device")
    if "locked" in text:
        return StorageError(f"{attempt}: another process has kept it locked for {BUSY_SECONDS:.0f} seconds")
    return StorageError(f"{attempt}: {text}")


def connect_foreign(path: str) -> Connection:
    """Open a database that is never to be written to, nor anything beside it: it may be on a read-only medium.

    Where its owner has written what is not in the file itself yet, that is read too.
    """
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        in_use = posix.stat(f"{path}-wal").st_size > 0
    except OSError:
        in_use = False
    how = "mode=ro&readonly_shm=1" if in_use else "immutable=1"
    try:
        connection = sqlite.connect(f"file:{quoted}?{how}", timeout=BUSY_SECONDS, isolation_level=None, uri=True)
        connection.execute("PRAGMA schema_version")
    except sqlite.Error as error:
        raise translated(error, f"open database {path}") from error
    return connection


def _open(path: str) -> Connection:
    connection = sqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    # The journal mode is kept in the file: only the first opener changes it.
    if connection.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        _use_wal(connection, path)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    return connection


def _use_wal(connection: Connection, path: str) -> None:
    """Change the journal mode, one opener after the other.

    Each reads the file and then wants it for itself: of several at once SQLite refuses all but one, without waiting.
    """
    from fcntl import LOCK_EX, flock

    directory = posix.open(_directory(path), posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        flock(directory, LOCK_EX)
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        posix.close(directory)


def _directory(path: str) -> str:
    return path.rpartition("/")[0] or "."


def _open_readonly(path: str) -> Connection:
    try:
        posix.stat(path)
    except OSError as error:
        from errno import ENOENT

        raise FileNotFoundError(ENOENT, posix.strerror(ENOENT), path) from error
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite.connect(f"file:{quoted}?mode=ro", timeout=BUSY_SECONDS, isolation_level=None, uri=True)
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite.OperationalError:
        connection.close()
        # A full disk is no reason to take the file as immutable: who has the reserve writes there.
        if posix.access(_directory(path), posix.W_OK):
            raise
        # WAL wants its shared memory file beside the database. Where nobody can write one, nobody can change the rest.
        connection = sqlite.connect(f"file:{quoted}?immutable=1", isolation_level=None, uri=True)
        connection.execute("PRAGMA schema_version")
    return connection
