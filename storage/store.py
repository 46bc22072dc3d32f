"""The store: where images and layers lie on disk, and the rules by which they come and go.

    pod.db                the database; the tables here are storage's own
    lock                  flocked shared by whoever publishes layers, exclusive by the collector of unreferenced ones
    layers/               flocked shared by whoever may write to the store, exclusive by who takes it away
                          (storage/presence.py)
    layers/<key>/         diff/, headers.zst, of zstd:chunked layers files.zst (storage/chunked/known.py); or layer.tar,
                          layer.erofs (storage/layers/erofs). The key is the hex of the diffID, or of the chain ID
                          where a layer's tree depends on its parents (its tar has no entry for a directory that they
                          give attributes)
    layers/<key>.<hash>/  the same with shifted owners (storage/remap.py)
    ingest/<hex>          a partial download, by blob digest; flocked while in use
    staging/<random>/     work not yet visible; the directory itself is flocked by its owner
    trash/<random>/       what is being deleted

A layer of a further store that is only read (storage/additional.py) is a symbolic link to its directory there.

A directory enters and leaves layers/ by rename, inside a write transaction, so that row and directory change under one
lock: the row is written after the directory came, in the same transaction, and deleted in a transaction before the one
in which the directory goes. A crash at any instant leaves at worst a directory without a row: the collector finds it.
"""

from __future__ import annotations

import fcntl
import posix
from _stat import S_ISDIR

from storage import database
from storage.errors import CorruptError, NoSpaceError, NoStoreError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from sqlite3 import Connection
    from types import TracebackType

    from storage.presence import Presence

PACKAGE = "storage"

SCHEMA = (
    """
CREATE TABLE layer (
    key TEXT PRIMARY KEY,
    diff_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    implied BLOB NOT NULL DEFAULT x'',
    pending_links BLOB NOT NULL DEFAULT x'',
    boot_id TEXT NOT NULL,
    durable INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE layer_blob (
    digest TEXT PRIMARY KEY,
    diff_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX layer_blob_diff_id ON layer_blob (diff_id);
CREATE TABLE image (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    manifest BLOB NOT NULL,
    config BLOB NOT NULL,
    size INTEGER NOT NULL,
    created REAL NOT NULL,
    architecture TEXT NOT NULL,
    os TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE image_digest (
    image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (image, digest)
) WITHOUT ROWID;
CREATE INDEX image_digest_digest ON image_digest (digest);
CREATE TABLE image_layer (
    image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    diff_id TEXT NOT NULL,
    layer TEXT NOT NULL,
    PRIMARY KEY (image, position)
) WITHOUT ROWID;
CREATE INDEX image_layer_layer ON image_layer (layer);
CREATE TABLE name (
    name TEXT PRIMARY KEY,
    image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX name_image ON name (image);
CREATE TABLE pin (
    owner TEXT NOT NULL,
    image TEXT NOT NULL REFERENCES image (id),
    PRIMARY KEY (owner, image)
) WITHOUT ROWID;
CREATE INDEX pin_image ON pin (image);
""",
    # What a push needs to know of blobs, and lists of manifests. A name is an image's or a list's, not both.
    """
ALTER TABLE layer_blob ADD COLUMN recipe TEXT NOT NULL DEFAULT '';
CREATE TABLE blob_place (
    digest TEXT NOT NULL REFERENCES layer_blob (digest) ON DELETE CASCADE,
    domain TEXT NOT NULL,
    repository TEXT NOT NULL,
    PRIMARY KEY (digest, domain, repository)
) WITHOUT ROWID;
CREATE TABLE manifest_list (
    id TEXT PRIMARY KEY,
    document BLOB NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE manifest_list_name (
    name TEXT PRIMARY KEY,
    list TEXT NOT NULL REFERENCES manifest_list (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX manifest_list_name_list ON manifest_list_name (list);
CREATE TABLE manifest_list_member (
    list TEXT NOT NULL REFERENCES manifest_list (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (list, digest)
) WITHOUT ROWID;
CREATE TRIGGER name_leaves_list AFTER INSERT ON name BEGIN DELETE FROM manifest_list_name WHERE name = NEW.name; END;
""",
    # Images that are really in a store that is only read: storage/additional.py.
    """
CREATE TABLE adopted (
    image TEXT PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
    since REAL NOT NULL
) WITHOUT ROWID;
""",
    # What steps of builds came to: storage/build_cache.py. A layer of one is kept as that of an image is.
    """
CREATE TABLE build_step (
    key TEXT PRIMARY KEY,
    layer TEXT NOT NULL,
    diff_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    made REAL NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX build_step_layer ON build_step (layer);
""",
    # Signatures of manifests that were never elsewhere: storage/image_signatures.py.
    """
CREATE TABLE image_signature (
    image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (image, digest, name, key)
) WITHOUT ROWID;
""",
)

# What a layer that is not unpacked consists of.
INDEX = "layer.erofs"
TAR = "layer.tar"

# How overlayfs marks a directory that hides what is below: as root, and rootless (userxattr). A store may have both.
OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")

_DIRECTORIES = ("layers", "ingest", "staging", "trash")


class Store:
    """A store below `root`, and a connection to its database, which the caller may share for its own tables.

    `short_names` gives the full names that a short one may stand for, the likeliest first; it is asked only where the
    store alone cannot tell.
    """

    __slots__ = (
        "additional",
        "connection",
        "keeps",
        "layer_limit",
        "opened",
        "presence",
        "readonly",
        "root",
        "short_names",
    )

    def __init__(
        self, root: str, connection: Connection, *, readonly: bool = False, presence: Presence | None = None
    ) -> None:
        self.root = root
        self.connection = connection
        self.readonly = readonly
        self.presence = presence  # of a writer
        self.additional: Sequence[str] = ()  # roots of further stores to read, and these once they are open
        self.opened: list[Store] | None = None
        self.keeps = False  # new layers are not to be unpacked, where the kernel can do without (storage/keeping.py)
        self.layer_limit = 0  # what a new layer may inflate to, in bytes; 0: what no real one exceeds
        self.short_names: Callable[[str], Iterable[str]] | None = None

    @property
    def layers(self) -> str:
        """The directory of the layers."""
        return f"{self.root}/layers"

    @property
    def trash(self) -> str:
        """The directory of what is being deleted."""
        return f"{self.root}/trash"

    def layer_path(self, key: str) -> str:
        """Give the directory of a layer, by its diffID or chain ID, with or without `sha256:`."""
        return f"{self.root}/layers/{key.removeprefix('sha256:')}"

    def lower(self, key: str) -> str:
        """Give a layer as the recipe of a root file system names it, empty if it is not there.

        A directory; or for a layer that is not unpacked its index, whose name ends with INDEX, with TAR beside it.
        """
        path = self.layer_path(key)
        if is_directory(f"{path}/diff"):
            return f"{path}/diff"
        return f"{path}/{INDEX}" if posix.access(f"{path}/{INDEX}", posix.F_OK) else ""

    def ingest_path(self, digest: str) -> str:
        """Give the file of a partial download."""
        return f"{self.root}/ingest/{digest.rpartition(':')[2]}"

    def staging(self) -> Staging:
        """Make a directory for work not yet visible, locked by the caller until it is closed or published."""
        return Staging(self)

    def publishing(self) -> Lock:
        """Hold the lock under which layers without an image are left alone."""
        return Lock(f"{self.root}/lock", fcntl.LOCK_SH)

    def collecting(self) -> Lock | None:
        """Take the lock under which nobody publishes layers; None if somebody does."""
        try:
            return Lock(f"{self.root}/lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None

    def discard(self, path: str) -> None:
        """Move a directory to the trash: it is gone at once, its space a little later (storage/gc.py)."""
        try:
            posix.rename(path, f"{self.trash}/{random_name()}")
        except FileNotFoundError:
            pass

    def close(self) -> None:
        """Close the database; the last one to do so writes the log back."""
        self.connection.close()
        if self.presence is not None:
            self.presence.close()
            self.presence = None


def open_store(root: str, *, readonly: bool = False, mode: int = 0o700, make: bool = True) -> Store:
    """Open the store below `root`; a writer makes what is missing, `root` itself with `mode` (or as `enter` says).

    A reader of a store that does not exist gets an empty one, and writes nothing. A writer waits for who is about to
    take the store away.
    """
    path = f"{root}/pod.db"
    if not readonly:
        presence = enter(root, mode, make=make)
        try:
            return create(root, database.connect(path, readonly=False), presence)
        except BaseException:
            presence.close()
            raise
    try:
        connection = database.connect(path, readonly=True)
    except FileNotFoundError:
        return empty(root)
    present = database.version(connection, PACKAGE)
    if present == len(SCHEMA):
        return Store(root, connection, readonly=True)
    try:
        if present == 0:
            _check_new(root, connection)
    finally:
        connection.close()
    if present == 0:
        return empty(root)
    open_store(root).close()
    return Store(root, database.connect(path, readonly=True), readonly=True)


def enter(root: str, mode: int = 0o700, *, make: bool = True) -> Presence:
    """Take part in a store, of which no more than its directories need to be there; unless `make`, NoStoreError."""
    from storage.presence import Presence  # readers need none

    try:
        while True:
            try:
                return Presence(root)
            except FileNotFoundError as error:
                if not make:
                    raise NoStoreError(f"there is no store at {root}") from error
                _make_root(root, mode)
    except OSError as error:
        raise translated(error, f"open store {root}") from error


def create(root: str, connection: Connection, presence: Presence | None = None) -> Store:
    """Make the directories and tables that are missing; the connection must be one for writing."""
    store = Store(root, connection, presence=presence)
    _check_new(root, connection)
    database.migrate(connection, PACKAGE, SCHEMA)
    for name in _DIRECTORIES:
        if not is_directory(f"{root}/{name}"):
            _make_directory(root, f"{root}/{name}")
    return store


def is_directory(path: str) -> bool:
    """Tell whether a path leads to a directory; `os`, which could tell too, costs commands a tenth of their time."""
    try:
        return S_ISDIR(posix.stat(path).st_mode)
    except OSError:
        return False


def is_at(path: str, fd: int) -> bool:
    """Tell whether an open file is the one at a path: what was locked may have been unlinked before, or moved."""
    try:
        held, named = posix.fstat(fd), posix.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)


def is_opaque(path: bytes | str, *, follow_symlinks: bool = True) -> bool:
    """Tell whether a directory hides what lower layers have in it; False for what has no such attributes."""
    for name in OPAQUE:
        try:
            if posix.getxattr(path, name, follow_symlinks=follow_symlinks) == b"y":
                return True
        except OSError:
            pass  # It has none, or its file system knows none.
    return False


def boot_id() -> str:
    """Read what identifies this boot of the machine."""
    with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
        return file.read(64).decode("ascii").strip()


def random_name() -> str:
    """Give a name that nobody else uses."""
    return posix.urandom(12).hex()


def translated(error: OSError, attempt: str) -> StorageError:
    """Give the error of ours for one of the kernel's."""
    import errno

    message = f"{attempt}: {posix.strerror(error.errno or 0).lower()}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(message)
    return StorageError(message)


class Lock:
    """A flock on a file that is made when it is missing; freed by the kernel if the process dies."""

    __slots__ = ("fd",)

    def __init__(self, path: str, operation: int) -> None:
        self.fd = posix.open(path, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.fd, operation)
        except BaseException:
            posix.close(self.fd)
            raise

    def close(self) -> None:
        """Free the lock, even if a forked child still has the file open."""
        if self.fd >= 0:
            fcntl.flock(self.fd, fcntl.LOCK_UN)
            posix.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Staging:
    """A directory for work not yet visible. Leaving the `with` block discards it, unless it was published by then."""

    __slots__ = ("_fd", "_store", "path")

    def __init__(self, store: Store) -> None:
        self._store = store
        self.path = ""
        self._fd = -1
        try:
            while not self._claim():
                pass
        except OSError as error:
            raise translated(error, f"create directory {self.path}") from error

    def _claim(self) -> bool:
        """Make a directory and lock it; False if a sweeper was between the two (it takes what nobody has locked)."""
        self.path = f"{self._store.root}/staging/{random_name()}"
        posix.mkdir(self.path, 0o700)
        try:
            fd = posix.open(self.path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(self.path, fd):
                self._fd = fd
                return True
        except BlockingIOError:
            pass
        posix.close(fd)
        return False

    def publish(self, path: str) -> None:
        """Rename the directory into place; the caller is in a write transaction and knows that nothing is there."""
        posix.rename(self.path, path)
        self._free()

    def discard(self) -> None:
        """Move what was made to the trash."""
        if self._fd >= 0:
            self._store.discard(self.path)
            self._free()

    def remove(self) -> None:
        """Remove the directory, which is empty: nothing of it goes to the trash."""
        posix.rmdir(self.path)
        self._free()

    def _free(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        posix.close(self._fd)
        self._fd = -1

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def _make_root(root: str, mode: int) -> None:
    from os import makedirs

    makedirs(root, mode, exist_ok=True)
    try:
        posix.mkdir(f"{root}/layers", 0o700)
    except FileNotFoundError:
        pass  # who takes the store away was faster: once more
    except FileExistsError:
        if not is_directory(f"{root}/layers"):
            raise


def _make_directory(root: str, path: str) -> None:
    from os import makedirs

    try:
        makedirs(path, 0o700, exist_ok=True)
    except OSError as error:
        raise translated(error, f"create store {root}") from error


def _check_new(root: str, connection: Connection) -> None:
    """Refuse a database without tables beside layers: it is no new store, and the collector would empty it."""
    if database.version(connection, PACKAGE):
        return
    try:
        layers = posix.listdir(f"{root}/layers")
    except FileNotFoundError:
        return
    # Still: in a new store another process may have made the tables, and layers, since we looked for those.
    if layers and not database.version(connection, PACKAGE):
        raise CorruptError(
            f"store {root}: pod.db is empty or new, but there are layers: its content was lost",
            hint="bring pod.db back from a copy, or give all of the store up with `pod system reset`",
        )


def empty(root: str) -> Store:
    """Give a store without anything in it, in memory: what a reader sees before the first writer came."""
    connection = database.connect(":memory:", readonly=False)
    database.migrate(connection, PACKAGE, SCHEMA)
    return Store(root, connection, readonly=True)
