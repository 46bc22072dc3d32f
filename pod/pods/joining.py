"""Creating a container in a pod: what it has in common with the others, and what it may not say for itself."""

from __future__ import annotations

from pod import state
from pod.containers import restart
from pod.containers.configuration import DEFAULTS
from pod.errors import PodError
from pod.pods import cgroup, rows
from pod.pods.configuration import SHAREABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

    from pod.containers.configuration import Devices
    from pod.containers.create import CreateOptions
    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.state import Container

_SHARED_NETWORK = "network cannot be configured when it is shared with a pod"


def join(engine: Engine, options: CreateOptions, pod: Pod, *, init: str = "") -> None:
    """Let a container that is to be created be in a pod. Raises PodError for what contradicts that."""
    infra = state.find_container(engine.connection, pod.infra) if pod.infra else None
    options.pod = {"id": pod.id, "infra": False, "init": init, "cgroup": ""}
    options.record = record
    if not options.cgroup_parent and options.cgroups in ("", "enabled"):
        options.cgroup_parent = pod.config["cgroup_parent"]
        options.pod["cgroup"] = cgroup.name(pod.id) if pod.config["share_parent"] else ""
    if init:
        options.restart = restart.of_init(options.restart)
    if options.restart is restart.DEFAULT and pod.config["restart"] and not (init or options.auto_remove):
        options.restart = pod.config["restart"]
    options.security_options = [*pod.config["security_options"], *options.security_options]
    if infra is not None:
        _share(options, infra, pod.config["share"])
        _inherit(options, infra)


def record(connection: sqlite3.Connection, container: Container) -> None:
    """Note that a container is in its pod, in the transaction that inserts it."""
    rows.add_member(connection, container.config["pod"]["id"], container.id)


def _share(options: CreateOptions, infra: Container, share: list[str]) -> None:
    """Let the container join what is shared and what it has not said otherwise of."""
    modes = infra.config["namespaces"]
    if "net" in share:
        _check_network(options)
    if options.id_map_flags is not None:
        if options.namespaces["user"]:
            raise PodError("--userns and --pod cannot be set together", hint="pod create --userns is for all of it")
        raise PodError("cannot specify a new uid/gid map when entering a pod with an infra container: invalid argument")
    for name in share:
        kind = SHAREABLE[name]
        if not options.namespaces[kind]:  # type: ignore[literal-required]
            options.namespaces[kind] = _mode(infra, modes[kind])  # type: ignore[literal-required]
    if modes["user"] != "host":
        options.namespaces["user"] = f"container:{infra.id}"
    if options.namespaces["uts"].startswith("container:") and "uts" in share:
        if options.hostname:
            raise PodError(
                "invalid config provided: cannot set hostname when joining the pod UTS namespace: invalid configuration"
            )
        options.hostname = infra.config["hostname"]


def _mode(infra: Container, mode: str) -> str:
    """Return how a member comes by the namespace of which the infra container's mode is this."""
    return mode if mode == "host" or mode.startswith("ns:") else f"container:{infra.id}"


def _check_network(options: CreateOptions) -> None:
    if options.namespaces["network"] not in ("", "none", "host"):
        return
    asked = options.network
    if options.identity.get("add_hosts") and not options.namespaces["network"]:
        raise PodError(
            f"invalid config provided: extra host entries must be specified on the pod: {_SHARED_NETWORK}",
            hint="pod create --add-host",
        )
    if asked is None or asked.words:
        return
    if asked.ports or asked.expose or asked.settings.get("publish_all"):
        raise PodError(
            "invalid config provided: published or exposed ports must be defined when the pod is created:"
            f" {_SHARED_NETWORK}",
            hint="pod create --publish",
        )
    if asked.addresses or asked.mac or asked.aliases:
        raise PodError(
            f"invalid config provided: networks must be defined when the pod is created: {_SHARED_NETWORK}",
            hint="pod create --network",
        )
    if asked.settings:
        options.warnings.append("The DNS settings have been discarded as the pod has a resolv.conf of its own")
    options.network = None


def _inherit(options: CreateOptions, infra: Container) -> None:
    """Give the container what the infra container has for all: mounts and devices."""
    if infra.config["mounts"]:
        options.volumes_from = [*options.volumes_from, infra.id]
    given: Devices = infra.config["devices"]
    if any((given["host"], given["rules"], given["cdi"], given["gpus"])):
        own: Devices = options.devices or DEFAULTS["devices"]
        options.devices = {
            "host": [*given["host"], *own["host"]],
            "rules": [*given["rules"], *own["rules"]],
            "cdi": [*given["cdi"], *own["cdi"]],
            "gpus": [*given["gpus"], *own["gpus"]],
            "cdi_dirs": own["cdi_dirs"],
        }
