"""storage.conf: where the store lies, which other stores are read, and how layers are kept.

Source: containers-storage.conf(5). As podman does, `--root` sets the whole file aside. Three things are pod's own:

    graphroot, runroot     the same file serves podman, whose store is another: ours is the directory `pod` in them.
                           The places that podman's packages name are no wish of the user, and change nothing.
    pod_layers             in [storage.options.overlay], or in --storage-opt or STORAGE_OPTS: `directories`, or `erofs`
                           to keep layers packed (storage/layers/erofs). It is no driver, for podman would refuse to
                           start; of a key that it does not know it only warns.

    pod_max_layer_size     in the same table or options: what a layer may inflate to (8g); without it, 16 GiB or a
                           thousand times its compressed size, whichever is more.

What else the file says is of podman's drivers. It is parsed only when it has changed (parsed_files.py).
"""

from __future__ import annotations

from pod import environ, parsed_files
from pod.errors import ConfigError, PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SYSTEM = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")  # the first that is there
_PACKAGED = ("/var/lib/containers/storage", "/run/containers/storage")
DIRECTORIES, EROFS = "directories", "erofs"


class StorageConf:
    """What the files say; empty for what they do not."""

    __slots__ = ("graphroot", "image_stores", "layer_limit", "layers", "runroot")

    def __init__(self, graphroot: str = "", runroot: str = "", image_stores: list[str] | None = None) -> None:
        self.graphroot = graphroot
        self.runroot = runroot
        self.image_stores = image_stores or []  # roots of further stores, to be read only
        self.layers = ""  # DIRECTORIES or EROFS
        self.layer_limit = 0  # bytes


def load(*, rootless: bool, home: str, uid: int, cache: str) -> StorageConf:
    """Read the user's file or the system's.

    `cache` is a directory of the user's own, which may be missing. Raises ConfigError for a file that is none.
    """
    found = parsed_files.seen(_files(rootless=rootless, home=home))
    if not rootless:
        del found[1:]
    if not found:
        return StorageConf()

    def read(paths: list[str]) -> dict[str, Any]:
        return _read(paths, rootless=rootless)

    # What variables come to is not kept with it: the next command may have others.
    def make(said: dict[str, Any]) -> StorageConf:
        return _of(said, home=home, uid=uid)

    return parsed_files.parsed(f"{cache}/storage.conf.json", found, read, make)


def layers_asked(options: list[str] | None) -> str:
    """Return how layers are to be kept by `--storage-opt` or STORAGE_OPTS; empty if they do not say."""
    chosen = _asked(options, "pod_layers")
    return chosen and _checked(chosen, "storage option pod_layers")


def layer_limit_asked(options: list[str] | None) -> int:
    """Return what a layer may inflate to by `--storage-opt` or STORAGE_OPTS, in bytes; 0 if they do not say."""
    chosen = _asked(options, "pod_max_layer_size")
    return _size(chosen, "storage option pod_max_layer_size") if chosen else 0


def _asked(options: list[str] | None, wanted: str) -> str:
    """Return the last value of an option."""
    chosen = ""
    for option in options if options is not None else environ.value("STORAGE_OPTS").split(","):
        name, _, value = option.partition("=")
        if name.rpartition(".")[2] == wanted:
            chosen = value
    return chosen


def image_stores_asked(options: list[str] | None) -> list[str]:
    """Return the further stores that `--storage-opt imagestore=DIR` or STORAGE_OPTS name."""
    found = []
    for option in options if options is not None else environ.value("STORAGE_OPTS").split(","):
        name, _, value = option.partition("=")
        if name.rpartition(".")[2] in ("imagestore", "additionalimagestore"):
            found += [path for path in value.split(",") if path]
    return found


def _of(said: dict[str, Any], *, home: str, uid: int) -> StorageConf:
    graphroot, runroot = (_ours(_expanded(said[name], home, uid)) for name in ("graph", "run"))
    for name, path in (("graphroot", graphroot), ("runroot", runroot)):
        if path and not path.startswith("/"):
            raise ConfigError(f"storage.conf: {name}: {path.removesuffix('/pod')} is no absolute path")
    found = StorageConf(graphroot, runroot, [_expanded(store, home, uid) for store in said["stores"]])
    found.layers, found.layer_limit = said["layers"], said["layer_limit"]
    return found


def _files(*, rootless: bool, home: str) -> tuple[str, ...]:
    override = environ.value("CONTAINERS_STORAGE_CONF")
    if override:
        return (override,)
    if not rootless:
        return _SYSTEM
    user = environ.value("XDG_CONFIG_HOME") or f"{home}/.config"
    return (f"{user}/containers/storage.conf", *_SYSTEM)


def _read(paths: list[str], *, rootless: bool) -> dict[str, Any]:
    """Merge the files, the first one first; of the system's a user without rights of root takes what is for all."""
    said: dict[str, Any] = {"graph": "", "run": "", "stores": [], "layers": "", "layer_limit": 0}
    for path in paths:
        table = _table(path)
        everyones = rootless and path in _SYSTEM
        options = _part(table, "options", path)
        overlay = _part(options, "overlay", path)
        root = _text(table, "rootless_storage_path", path) if rootless else ""
        if not everyones:
            root = root or _text(table, "graphroot", path)
            said["run"] = said["run"] or _wished(_text(table, "runroot", path))
        said["graph"] = said["graph"] or _wished(root)
        stores = options.get("additionalimagestores") or []
        if not isinstance(stores, list) or not all(isinstance(store, str) for store in stores):
            raise ConfigError(f"reading {path}: additionalimagestores is not a list of paths")
        said["stores"] = said["stores"] or stores
        layers = _text(overlay, "pod_layers", path)
        said["layers"] = said["layers"] or (layers and _checked(layers, f"{path}: pod_layers"))
        limit = overlay.get("pod_max_layer_size", "")
        said["layer_limit"] = said["layer_limit"] or (limit and _size(str(limit), f"{path}: pod_max_layer_size"))
        if everyones:
            break
    return {**said, "layer_limit": said["layer_limit"] or 0}


def _table(path: str) -> dict[str, Any]:
    from storage import toml

    try:
        document = toml.load(path)
    except toml.NotTomlError as error:
        hint = "see containers-storage.conf(5) for its format"
        raise ConfigError(f"reading {path}: {error}", hint=hint) from error
    except OSError as error:
        raise ConfigError(f"reading {path}: {(error.strerror or '').lower()}") from error
    return _part(document, "storage", path)


def _part(table: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    part = table.get(name, {})
    if not isinstance(part, dict):
        raise ConfigError(f"reading {path}: {name} is not a table")
    return part


def _text(table: dict[str, Any], name: str, path: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str):
        raise ConfigError(f"reading {path}: {name} is not a text")
    return value


def _expanded(path: str, home: str, uid: int) -> str:
    """Put in the values of variables, as podman does (Go's os.Expand): of one that is not set, nothing.

    `$` and a digit or one of the shell's own is a variable, whatever follows; of `${}` and `${` without an end nothing
    is left.
    """
    if "$" not in path:
        return path
    import re

    ours = {"HOME": home, "UID": str(uid)}

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2] or ""
        return ours[name] if name in ours else environ.value(name)

    return re.sub(r"(?a)\$(?:\{([^}]*)\}|\{|([*#$@!?0-9-]|[A-Za-z_]\w*))", value, path)


def _wished(path: str) -> str:
    return "" if path.rstrip("/") in _PACKAGED else path


def _ours(path: str) -> str:
    path = _wished(path).rstrip("/")
    return f"{path}/pod" if path else ""


def _size(text: str, what: str) -> int:
    from pod.values import parse_size

    try:
        return parse_size(text)
    except PodError as error:
        raise ConfigError(f"{what}: {error}", hint=error.hint) from None


def _checked(layers: str, what: str) -> str:
    if layers not in (DIRECTORIES, EROFS):
        raise ConfigError(f'{what}: "{layers}" is unknown', hint=f"choose {DIRECTORIES} or {EROFS}")
    return layers
