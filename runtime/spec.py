"""config.json, checked: what a hostile or careless bundle gets wrong is a SpecError before anything is made.

The document stays the plain dict that it is (runtime-spec, config.md and config-linux.md); only `process` is read into
a class, because init and exec both live on it.
"""

from __future__ import annotations

import posix

from runtime import jsontext, labels, schedule
from runtime.capabilities import CapabilitySets
from runtime.errors import SpecError
from runtime.rlimits import read_limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

_LARGEST_CONFIG = 16 * 1024 * 1024


class Process:
    """The `process` part: what is executed, as whom, with what."""

    __slots__ = (
        "additional_gids",
        "arguments",
        "capabilities",
        "console_size",
        "cwd",
        "environment",
        "gid",
        "keep_groups",
        "labels",
        "listen_fds",
        "no_new_privileges",
        "oom_score_adj",
        "rlimits",
        "schedule",
        "terminal",
        "uid",
        "umask",
    )

    def __init__(self, document: Document) -> None:
        """Read a document that `runtime.schema` has found to be well-formed."""
        user = document.get("user") or {}
        self.arguments: list[str] = document.get("args") or []
        if not self.arguments:
            raise SpecError("process.args is missing or empty")
        self.environment = read_environment(document.get("env") or [], "process.env")
        self.cwd = document.get("cwd") or "/"
        if not self.cwd.startswith("/"):
            raise SpecError(f"process.cwd is not an absolute path: `{self.cwd}`")
        self.uid: int = user.get("uid") or 0
        self.gid: int = user.get("gid") or 0
        self.additional_gids: list[int] = user.get("additionalGids") or []
        self.keep_groups = False  # those of the caller, by crun's annotation (podman's --group-add keep-groups)
        self.listen_fds = 0  # how many files of socket activation there are (sd_listen_fds(3))
        umask = user.get("umask")
        self.umask: int = 0o022 if umask is None else umask
        self.terminal = bool(document.get("terminal"))
        size = document.get("consoleSize") or {}
        self.console_size = (size.get("height") or 0, size.get("width") or 0)
        self.no_new_privileges = bool(document.get("noNewPrivileges"))
        self.oom_score_adj: int | None = document.get("oomScoreAdj")
        self.rlimits = read_limits(document.get("rlimits") or [])
        self.capabilities = CapabilitySets(document.get("capabilities") or {})
        self.labels = labels.read_labels(document)
        self.schedule = schedule.read_schedule(document)


def read_environment(entries: list[str], name: str) -> dict[str, str]:
    """Return KEY=VALUE entries as a dict; of two with one key the last one counts. `name` says where they are."""
    environment: dict[str, str] = {}
    for index, entry in enumerate(entries):
        key, equals, value = entry.partition("=")
        if not key or not equals:
            raise SpecError(f"{name}[{index}] is not of the form KEY=VALUE: `{key}`")
        environment[key] = value
    return environment


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
    """Check a whole configuration: from here on its fields have the types that the specification gives them."""
    from runtime import schema

    schema.check_document(spec)
    if not spec["ociVersion"].startswith("1."):
        raise SpecError(f"ociVersion `{spec['ociVersion']}` is not supported: 1.x is")
    linux = spec.get("linux") or {}
    types = [namespace["type"] for namespace in linux.get("namespaces") or ()]
    for index, kind in enumerate(types):
        if kind in types[:index]:
            raise SpecError(f"linux.namespaces[{index}].type `{kind}` is there twice")
    for name, value, kind, called in (
        ("hostname", spec.get("hostname"), "uts", "UTS"),
        ("domainname", spec.get("domainname"), "uts", "UTS"),
        ("linux.uidMappings", linux.get("uidMappings"), "user", "user"),
        ("linux.gidMappings", linux.get("gidMappings"), "user", "user"),
        ("linux.netDevices", linux.get("netDevices"), "network", "network"),
    ):
        if value and kind not in types:
            raise SpecError(f"{name} needs a {called} namespace in linux.namespaces")
    domain = spec.get("domainname")
    if domain and (linux.get("sysctl") or {}).get("kernel.domainname", domain) != domain:
        raise SpecError("domainname and linux.sysctl['kernel.domainname'] differ")


def keeps_groups(annotations: Document) -> bool:
    """Tell whether the caller's supplementary groups are to stay (crun's annotation)."""
    return annotations.get("run.oci.keep_original_groups") in ("1", "true")


def bundle_path(bundle: str, path: str) -> str:
    """Return a path of the configuration as an absolute one: relative ones start at the bundle."""
    if not bundle.startswith("/"):
        bundle = f"{posix.getcwd()}/{bundle}"
    return path if path.startswith("/") else f"{bundle}/{path}"
