"""Creating a pod: its row and that of its infra container, in one commit."""

from __future__ import annotations

import time

from pod import events, names, state
from pod.containers import create as containers
from pod.containers.create import CreateOptions
from pod.errors import PodError, PodNameInUseError
from pod.pods import cgroup, infra, rows
from pod.pods.configuration import DEFAULT_SHARE, EXIT_POLICIES, SHAREABLE
from runtime import jsontext
from storage import database, reserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from typing import Any

    from pod.containers.restart import RestartPolicy
    from pod.engine import Engine
    from pod.pods.configuration import PodConfig
    from pod.pods.rows import Pod
    from pod.state import Container

_TRIES = 10


class PodOptions:
    """What a user may ask for when a pod is created."""

    def __init__(self) -> None:
        self.name = ""
        self.labels: dict[str, str] = {}
        self.hostname = ""
        self.share = [*DEFAULT_SHARE]
        self.share_parent = True
        self.cgroup_parent = ""
        self.resources: dict[str, Any] = {}
        self.exit_policy = "continue"
        self.restart: RestartPolicy | None = None
        self.security_options: list[str] = []
        self.create_command: list[str] = []
        self.infra: CreateOptions | None = CreateOptions()  # what its infra container is to be; None for none
        self.warnings: list[str] = []  # to be told to the user once the pod is there


def shared(text: str) -> list[str]:
    """Return the namespaces that --share names; one that begins with a plus is shared beside the usual ones."""
    found = [word for word in text.split(",") if word]
    if text.startswith("+"):
        found = [*DEFAULT_SHARE, *(word.removeprefix("+") for word in found)]
    if "none" in found:
        if len(found) > 1:
            raise PodError("cannot specify additional namespaces when none is specified: invalid argument")
        return []
    for word in found:
        if word in ("mnt", "user"):
            what = "mount" if word == "mnt" else word
            raise PodError(
                f"{what} sharing functionality not supported on pod level",
                hint="pod create --userns gives all containers of a pod one user namespace" if word == "user" else "",
            )
        if word not in SHAREABLE:
            raise PodError(
                f"invalid kernel namespace to share: {word}. Options are: cgroup, ipc, net, pid, uts or none"
            )
    return list(dict.fromkeys(found))


def exit_policy(text: str) -> str:
    """Return the policy that --exit-policy names. Raises PodError for what is none."""
    if text not in EXIT_POLICIES:
        raise PodError(f'running pod create option: invalid pod exit policy: "{text}"', hint="it is continue or stop")
    return text


def create(engine: Engine, options: PodOptions) -> Pod:
    """Create a pod and return it; nothing is left behind if that fails. Raises PodNameInUseError."""
    reserve.check(engine.store, "create pod")
    if options.name:
        names.check_name(options.name)
    if options.share_parent and "cgroup" in options.share:
        raise PodError(
            "cannot define the pod as the cgroup parent at the same time as joining the infra container's cgroupNS:"
            " invalid argument",
            hint="--share-parent=false leaves each container its own place",
        )
    cgroup.settle(engine, options)
    for left in range(_TRIES, -1, -1):
        try:
            pod = _insert(engine, options)
            break
        except PodNameInUseError:
            if options.name or not left:
                raise  # of many at once two may well have hit on the same free name
    events.of_pod(engine.config, pod, "create")
    return pod


def _insert(engine: Engine, options: PodOptions) -> Pod:
    name = options.name or names.new_name(lambda name: state.is_name_taken(engine.connection, name))
    identity = names.new_id()
    asked = options.infra
    config: PodConfig = {
        "hostname": options.hostname,
        "labels": options.labels,
        "share": options.share,
        "share_parent": options.share_parent,
        "cgroup_parent": options.cgroup_parent,
        "resources": options.resources,
        "exit_policy": options.exit_policy,
        "restart": options.restart,
        "security_options": options.security_options,
        "create_command": options.create_command,
    }
    if asked is None:
        pod = rows.Pod((identity, name, time.time(), "", jsontext.dumps(config)))
        with database.transaction(engine.connection):
            rows.insert(engine.connection, pod)
        return pod
    asked.id = names.new_id()
    pod = rows.Pod((identity, name, time.time(), asked.id, jsontext.dumps(config)))
    infra.prepare(engine, asked, pod)
    asked.record = record(pod)
    containers.create(engine, asked)
    options.warnings += asked.warnings
    return pod


def record(pod: Pod) -> Callable[[sqlite3.Connection, Container], None]:
    """Return what inserts a pod with its infra container, in the transaction of that."""

    def insert(connection: sqlite3.Connection, container: Container) -> None:
        rows.insert(connection, pod)
        rows.add_member(connection, pod.id, container.id)

    return insert
