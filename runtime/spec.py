"""config.json, checked: what a hostile or careless bundle gets wrong is a SpecError before anything is made.

The document stays the plain dict that it is (runtime-spec, config.md and config-linux.md); only `process` is read into
a class, because init and exec both live on it.
"""

from __future__ import annotations

import posix

from runtime import jsontext, labels
from runtime.capabilities import CapabilitySets
from runtime.errors import SpecError
from runtime.rlimits import read_limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

# 2**32 - 1 means "no change" to the kernel (CVE-2024-40635: larger ones wrap around to root).
LARGEST_ID = 2**32 - 2
_LARGEST_CONFIG = 16 * 1024 * 1024
_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


class Process:
    """The `process` part: what is executed, as whom, with what."""

    __slots__ = (
        "additional_gids",
        "apparmor_profile",
        "arguments",
        "capabilities",
        "console_size",
        "cwd",
        "environment",
        "gid",
        "no_new_privileges",
        "oom_score_adj",
        "rlimits",
        "terminal",
        "uid",
        "umask",
    )

    def __init__(self, document: Document) -> None:
        user = _section(document, "user")
        self.arguments = _strings(document, "args")
        if not self.arguments or not all("\0" not in argument for argument in self.arguments):
            raise SpecError("process.args is empty or has a null character")
        self.environment = read_environment(_strings(document, "env"))
        self.cwd = document.get("cwd") or "/"
        if not self.cwd.startswith("/") or "\0" in self.cwd:
            raise SpecError(f"process.cwd `{self.cwd}` is not an absolute path")
        self.uid = _id(user.get("uid", 0), "process.user.uid")
        self.gid = _id(user.get("gid", 0), "process.user.gid")
        self.additional_gids = [_id(gid, "process.user.additionalGids") for gid in user.get("additionalGids") or ()]
        self.umask = user.get("umask", 0o022)
        self.terminal = bool(document.get("terminal"))
        size = document.get("consoleSize") or {}
        self.console_size = (size.get("height", 0), size.get("width", 0))
        self.no_new_privileges = bool(document.get("noNewPrivileges"))
        self.oom_score_adj: int | None = document.get("oomScoreAdj")
        self.rlimits = read_limits(document.get("rlimits") or [])
        self.capabilities = CapabilitySets(_section(document, "capabilities"))
        self.apparmor_profile = labels.check(document.get("apparmorProfile") or "", document.get("selinuxLabel") or "")


# What the wrong kind of JSON value ends in, wherever it is met while a configuration is read.
WRONG_KIND = (TypeError, AttributeError, KeyError, IndexError, OverflowError)


def wrong_kind(error: BaseException) -> SpecError:
    """Return the SpecError for an exception of WRONG_KIND."""
    return SpecError(f"the configuration has a value of the wrong kind: {error}")


def _section(document: Document, name: str) -> Document:
    value = document.get(name) or {}
    if not isinstance(value, dict):
        raise SpecError(f"{name} is not an object")
    return value


def _strings(document: Document, name: str) -> list[str]:
    value = document.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise SpecError(f"process.{name} is not a list of strings")
    return value


def _id(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_ID:
        raise SpecError(f"{what} {value!r} is not between 0 and {LARGEST_ID}")
    return value


def read_environment(entries: list[str]) -> dict[str, str]:
    """Return KEY=VALUE entries as a dict; of two with one key the last one counts."""
    environment: dict[str, str] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not key or not equals or "\0" in entry:
            raise SpecError(f"environment variable `{key}` is not of the form KEY=VALUE")
        environment[key] = value
    return environment


def check_id(container_id: str) -> None:
    """Refuse an ID that is no file name of the allowed characters."""
    good = container_id and container_id[0] != "." and len(container_id) <= 1024
    if not good or not _ID_CHARACTERS.issuperset(container_id):
        raise SpecError(f"container ID `{container_id}` is not allowed: letters, digits, `_`, `+`, `-`, `.` only")


def load(path: str) -> Document:
    """Read a config.json; SpecError when it cannot be read or is no JSON object."""
    return load_object(path, "bundle's configuration")


def load_object(path: str, what: str) -> Document:
    """Read a file that holds one JSON object."""
    try:
        with open(path, "rb", buffering=0) as file:
            text = file.read(_LARGEST_CONFIG + 1)
        document = jsontext.loads(text)
    except OSError as error:
        raise SpecError(f"read the {what} `{path}`: {error.strerror}") from error
    except ValueError as error:
        raise SpecError(f"read the {what} `{path}`: {error}") from error
    if not isinstance(document, dict):
        raise SpecError(f"read the {what} `{path}`: not a JSON object")
    return document


def validate(spec: Document) -> None:
    """Check what no later step checks by itself."""
    version = spec.get("ociVersion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise SpecError(f"ociVersion {version!r} is not supported: 1.x is")
    root = _section(spec, "root").get("path")
    if not isinstance(root, str) or not root or "\0" in root:
        raise SpecError("root.path is missing")
    for mount in spec.get("mounts") or ():
        if not isinstance(mount, dict) or not isinstance(mount.get("destination"), str):
            raise SpecError("a mount has no destination")
        if "\0" in mount["destination"]:
            raise SpecError("a mount's destination has a null character")
    linux = _section(spec, "linux")
    types = [namespace.get("type") for namespace in linux.get("namespaces") or ()]
    if len(set(types)) != len(types):
        raise SpecError("a namespace type is there twice")
    _validate_names(spec, types)


def _validate_names(spec: Document, namespaces: list[str]) -> None:
    if "uts" not in namespaces and (spec.get("hostname") or spec.get("domainname")):
        raise SpecError("hostname and domainname need a UTS namespace")
    for mapping in ("uidMappings", "gidMappings"):
        if _section(spec, "linux").get(mapping) and "user" not in namespaces:
            raise SpecError(f"linux.{mapping} needs a user namespace")


def bundle_path(bundle: str, path: str) -> str:
    """Return a path of the configuration as an absolute one: relative ones start at the bundle."""
    if not bundle.startswith("/"):
        bundle = f"{posix.getcwd()}/{bundle}"
    return path if path.startswith("/") else f"{bundle}/{path}"
