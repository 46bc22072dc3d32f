"""Kernel parameters of a container: only those that belong to one of its own namespaces (CVE-2022-0811)."""

from __future__ import annotations

from runtime import procfs
from runtime.errors import OCIRuntimeError, SpecError
from runtime.kernel import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.namespaces import NamespacePlan

_IPC = frozenset(f"kernel.{name}" for name in "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced".split())
_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/*@")


def check(parameters: dict[str, str], namespaces: NamespacePlan) -> dict[str, str]:
    """Return path -> value of what to write; SpecError for a parameter that is the host's."""
    checked = {}
    for name, value in parameters.items():
        if "\n" in value:
            raise SpecError(f"linux.sysctl[{name!r}] is not one line of text")
        dotted = _dotted(name)
        flag = _owner(dotted)
        if not flag:
            raise SpecError(f"linux.sysctl[{name!r}] belongs to no namespace: it would change the host")
        if not namespaces.new & flag and not namespaces.joined(flag):
            raise SpecError(f"linux.sysctl[{name!r}] is not allowed in the host's namespace")
        # In the written name a slash stands for a dot within a component, as in `net.ipv4.conf.eth0/1.forwarding`.
        path = dotted.translate({ord("."): "/", ord("/"): "."})
        if not _CHARACTERS.issuperset(name) or ".." in path.split("/") or "//" in path:
            raise SpecError(f"linux.sysctl[{name!r}] is not the name of a parameter")
        checked[path] = value
    return checked


def _dotted(name: str) -> str:
    """Return the name with dots between its components, if it was written with slashes."""
    dot, slash = name.find("."), name.find("/")
    if slash >= 0 and (dot < 0 or slash < dot):
        return name.translate({ord("."): "/", ord("/"): "."})
    return name


def _owner(name: str) -> int:
    if name.startswith("net."):
        return CLONE_NEWNET
    if name in _IPC or name.startswith("fs.mqueue."):
        return CLONE_NEWIPC
    return CLONE_NEWUTS if name == "kernel.domainname" else 0


def write(proc: int, parameters: dict[str, str]) -> None:
    """Write what `check` returned, on the host's procfs; the caller is in the container's namespaces."""
    for path, value in parameters.items():
        try:
            procfs.write(proc, f"sys/{path}", value.encode())
        except OSError as error:
            raise OCIRuntimeError(f"set sysctl `{path.replace('/', '.')}` to `{value}`: {error.strerror}") from error
