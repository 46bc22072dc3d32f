"""Which namespaces a container gets: what --pid, --ipc, --uts, --cgroupns, --network and --userns come to.

A mode is "private", "host", "container:ID", "ns:PATH", or what one kind knows beyond these. It is settled when the
container is created; the namespaces to join are opened when it starts (pod.containers.namespaces.joins).
Sources: podman-run(1), containers.conf(5).
"""

from __future__ import annotations

import posix

from pod.errors import ContainerNotFoundError, PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.configuration import Namespaces
    from pod.containers.create import CreateOptions
    from pod.engine import Engine
    from pod.state import Container

_OWN_MODES = {
    "pid": ("private", "host"),
    "ipc": ("private", "host", "shareable", "none"),
    "uts": ("private", "host"),
    "cgroup": ("private", "host"),
    "network": ("private", "none", "host", "bridge", "pasta"),
}
_DEFAULTS = {"pid": "private", "ipc": "shareable", "uts": "private", "cgroup": "private", "network": "private"}
# What podman calls them in its messages.
_NAMES = {"network": "net"}
_PATH_NAMES = {"pid": "PID", "ipc": "IPC", "uts": "UTS"}


def check(kind: str, mode: str) -> str:
    """Return the mode that a flag names, empty if it was not said. Raises PodError for what is none."""
    word, colon, value = mode.partition(":")
    if mode and mode not in _OWN_MODES[kind] and not (colon and value and word in ("container", "ns")):
        raise PodError(f"unrecognized namespace mode {mode} passed", hint=f"known are {_known(kind)}")
    return mode


def _known(kind: str) -> str:
    return ", ".join([*_OWN_MODES[kind], "container:NAME", "ns:PATH"])


def settle(engine: Engine, options: CreateOptions) -> Namespaces:
    """Return the modes of a new container, and note which containers it needs for them.

    Raises PodError for modes that other flags contradict.
    """
    settings = engine.config.containers
    result: dict[str, str] = {}
    for kind, default in _DEFAULTS.items():
        setting = settings.get(f"{kind}ns", "") if kind != "network" else ""
        # That of the network is settled by pod.networks.choice.
        mode = check(kind, options.namespaces[kind] or setting or default)  # type: ignore[literal-required]
        result[kind] = join(engine, options, kind, mode)
    result["user"] = options.namespaces["user"]
    if options.hostname and result["uts"] == "host":
        raise PodError(
            "invalid config provided: cannot set hostname when running in the host UTS namespace: invalid configuration"
        )
    if result["network"].startswith("container:") and options.identity.get("add_hosts"):
        raise PodError(
            "cannot set extra host entries when the container is joined to another containers network namespace:"
            " invalid configuration"
        )
    return result  # type: ignore[return-value]


def join(engine: Engine, options: CreateOptions, kind: str, mode: str) -> str:
    """Return a mode with the container that it names as full ID, which the new one needs from now on.

    Raises PodError for one that cannot be joined.
    """
    word, _, value = mode.partition(":")
    if word == "container":
        other = _donor(engine, kind, value)
        if kind == "ipc" and other.config["namespaces"]["ipc"] == "private":
            raise PodError(
                f"joining IPC of container {other.id} is not allowed: non-shareable IPC"
                " (hint: use IpcMode:shareable for the donor container)"
            )
        if other.id not in options.needs:
            options.needs.append(other.id)
        return f"container:{other.id}"
    if word == "ns":
        try:
            posix.stat(value)
        except OSError as error:
            raise PodError(
                f"cannot find specified {_PATH_NAMES.get(kind, kind)} namespace path: stat {value}:"
                f" {(error.strerror or '').lower()}"
            ) from error
    return mode


def _donor(engine: Engine, kind: str, name: str) -> Container:
    from pod import state

    try:
        return state.find_container(engine.connection, name)
    except ContainerNotFoundError as error:
        raise PodError(f"looking up container to share {_NAMES.get(kind, kind)} namespace with: {error}") from error
