"""The kernel parameters that --sysctl sets: those of the container's own namespaces only. Source: podman-run(1)."""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.configuration import Namespaces

_IPC = frozenset(f"kernel.{name}" for name in "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced".split())


def parse(items: list[str]) -> dict[str, str]:
    """Return name and value of each NAME=VALUE. Raises PodError for the host's parameters."""
    result = {}
    for item in items:
        name, equals, value = item.partition("=")
        name, value = name.strip(), value.strip()
        if not name or not equals:
            raise PodError(f"{item} is invalid, sysctl values must be in the form of KEY=VALUE")
        if not owner(name):
            raise PodError(
                f"sysctl '{name}' is not allowed", hint="only parameters of a container's own namespaces can be set"
            )
        result[name] = value
    return result


def owner(name: str) -> str:
    """Return the kind of namespace that a parameter belongs to, empty for one of the host."""
    dotted = name.replace("/", ".") if "/" in name and "." not in name.split("/")[0] else name
    if dotted.startswith("net."):
        return "network"
    if dotted in _IPC or dotted.startswith("fs.mqueue."):
        return "ipc"
    return "uts" if dotted == "kernel.domainname" else ""


def check(parameters: dict[str, str], namespaces: Namespaces) -> None:
    """Refuse parameters of namespaces that the container has in common with the host. Raises PodError."""
    names = {"network": "Network", "ipc": "IPC", "uts": "UTS"}
    for name, value in parameters.items():
        kind = owner(name)
        if namespaces[kind] == "host":  # type: ignore[literal-required]
            raise PodError(
                f"sysctl {name}={value} can't be set since {names[kind]} Namespace set to host: invalid argument",
                hint=f"leave out --{kind}=host, or set it on the host",
            )
