"""What the log of a layer's tar says of its tree: each name's kind and attributes, and what hides lower layers."""

from __future__ import annotations

from storage.layers import headerlog
from storage.layers.apply import is_leftover
from storage.layers.stream import Stream
from storage.layers.tar import BLOCK_DEVICE, CHARACTER, DIRECTORY, LINK, REGULAR, SYMLINK, Reader, clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from storage.layers.tar import Entry

_OPAQUE = b".wh..wh..opq"


class Expected:
    """What one name is to be."""

    __slots__ = ("device", "gid", "kind", "mode", "mtime", "size", "target", "uid", "xattrs")

    def __init__(self, kind: int, *, mode: int = 0o755) -> None:
        self.kind = kind
        self.mode = mode
        self.uid = self.gid = 0
        self.size = 0
        self.target = b""  # of a symbolic link as stored, of a hard link cleaned
        self.mtime: int | None = None  # None: whatever it is
        self.device = (0, 0)
        self.xattrs: list[tuple[bytes, bytes]] = []


class Contents:
    """What stands at the end of a tar, by name; names may lead through the layer's own symbolic links.

    `tangled` tells that entries took the place of directories or links: what became of those, the log alone does not
    tell. `overwritten` are other names that came twice. `left_out` tells that the file system lacks some attributes.
    """

    __slots__ = ("entries", "left_out", "opaque", "overwritten", "tangled", "whiteouts")

    def __init__(self, *, left_out: bool) -> None:
        self.entries: dict[bytes, Expected] = {}
        self.whiteouts: set[bytes] = set()
        self.opaque: set[bytes] = set()
        self.tangled = False
        self.overwritten: set[bytes] = set()
        self.left_out = left_out

    def add(self, entry: Entry) -> None:
        """Take one entry of the tar, in their order."""
        parent, _, name = entry.name.rpartition(b"/")
        if is_leftover(parent):
            return
        if name[:4] == b".wh.":
            self._add_mark(parent, name)
            return
        self._make_directories(parent)
        before = self.entries.pop(entry.name, None)
        if before is not None:
            kinds = {before.kind, entry.kind}
            self.tangled = self.tangled or SYMLINK in kinds or (DIRECTORY in kinds and len(kinds) > 1)
            self.overwritten.add(entry.name)
        self.entries[entry.name] = _expected(entry)

    def _add_mark(self, parent: bytes, name: bytes) -> None:
        if name == _OPAQUE:
            self._make_directories(parent)
            self.opaque.add(parent)
        elif name[:8] != b".wh..wh.":
            self.whiteouts.add(parent + b"/" + name[4:] if parent else name[4:])

    def _make_directories(self, path: bytes) -> None:
        """A file in the way of what lies below it gives way to a directory."""
        while path:
            here = self.entries.get(path)
            if here is not None:
                self.tangled = self.tangled or here.kind not in (DIRECTORY, SYMLINK)
                return
            path = path.rpartition(b"/")[0]


def read(path: str) -> Contents:
    """Read a header log; raises CorruptError if it is damaged."""
    log = headerlog.Log(path)
    try:
        inline = set(log.footer["inline"])
        contents = Contents(left_out=bool(log.footer.get("left_out")))
        reader = Reader(Stream(log.headers(), _nothing))
        for ordinal, entry in enumerate(reader):
            if entry.kind == REGULAR and entry.size and ordinal not in inline:
                reader.unread = 0  # Its data is not in the log.
            contents.add(entry)
        return contents
    finally:
        log.close()


def _expected(entry: Entry) -> Expected:
    made = Expected(entry.kind, mode=entry.mode & 0o7777)
    made.uid, made.gid = entry.uid, entry.gid
    made.size = entry.real_size if entry.kind == REGULAR else 0
    made.target = clean(entry.link) if entry.kind == LINK else entry.link
    if entry.kind in (CHARACTER, BLOCK_DEVICE):
        made.device = (entry.major, entry.minor)
    made.xattrs = list(entry.xattrs)
    if entry.kind in (REGULAR, SYMLINK):
        made.mtime = entry.mtime
    return made


def _nothing(_: bytes) -> None:
    """Keep nothing of what is read."""
