"""What `pod create` and `run --pod new:NAME` do before there is a pod: the flags, the infra container's image."""

from __future__ import annotations

import sys

from pod import names
from pod.cli import creating, flags
from pod.cli.flags.request import Request
from pod.containers import restart
from pod.errors import NoSuchPodError, PodError, PodNameInUseError
from pod.pods import create as pods
from pod.pods import rows
from pod.pods.remove import remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pod.engine import Engine
    from pod.pods.rows import Pod

_TRIES = 10


class PodRequest:
    """What the command line of `pod create` says, as far as it has been read."""

    def __init__(self, name: str) -> None:
        self.options = pods.PodOptions()
        self.options.name = name
        self.options.create_command = sys.argv
        self.infra = Request("")  # what is said of the infra container
        self.replace = False
        self.id_file = ""

    def apply(self, groups: Sequence[str], said: dict[str, Any]) -> None:
        """Take the flags that the pod has in common with containers. Raises PodError for what makes no sense."""
        infra, options = self.infra, self.options
        flags.apply([group for group in groups if group != flags.INFRA], said, infra)
        flags.apply((flags.INFRA,), said, self)  # the last: its name is not that of a group before
        asked = infra.network
        if asked is not None and any(word.partition(":")[0] in ("container", "ns") for word in asked.words):
            raise PodError(f"pods presently do not support network mode {asked.words[0].partition(':')[0]}")
        options.labels, infra.labels = infra.labels, creating.unit_label()
        options.hostname = infra.hostname and names.check_name(infra.hostname)
        options.cgroup_parent, options.resources = infra.cgroup_parent, infra.resources
        options.security_options = infra.security_options
        if infra.restart is not restart.DEFAULT:
            options.restart, infra.restart = infra.restart, restart.DEFAULT

    def take_infra(self, image: str, *, wanted: bool) -> None:
        """Take what the infra container is of, if there is one. Raises PodError for a pod without that needs one."""
        self.options.infra = self.infra if wanted else None
        if not wanted:
            self._check_without()
        self.infra.reference = image

    def _check_without(self) -> None:
        asked = self.infra.network
        if asked is not None and asked.ports:
            raise PodError("you must have an infra container to publish port bindings to the host")
        if asked is not None or self.infra.namespaces["network"]:
            raise PodError("NoInfra and network modes cannot be used together")

    def take_share(self, text: str | None, *, has_infra: bool) -> None:
        """Take --share. Raises PodError for what is none, and for a pod that cannot share anything."""
        if text is not None:
            self.options.share = pods.shared(text)
            if self.options.share and not has_infra:
                raise PodError(f"cannot set share({text}) namespaces without an infra container")
        elif not has_infra:
            self.options.share = []

    def take_exit_policy(self, text: str, engine: Engine) -> None:
        """Take --exit-policy, or what containers.conf says in its place. Raises PodError for what is none."""
        self.options.exit_policy = pods.exit_policy(
            text or str(engine.config.engine.get("pod_exit_policy") or "continue")
        )


def create(engine: Engine, request: PodRequest) -> Pod:
    """Create the pod, in the place of its namesake if that is asked for, and write its ID file."""
    if request.replace and not request.options.name:
        raise PodError("cannot replace pod without --name being set")
    infra = request.infra
    if request.options.infra is not None and infra.reference:
        infra.image = creating.find_image(engine, infra)
        infra.image_name = creating.name_of(engine, infra.reference, infra.image)
    pod = _create_in_place(engine, request) if request.replace else pods.create(engine, request.options)
    for warning in request.options.warnings:
        print(warning, file=sys.stderr)
    if request.id_file:
        try:
            with open(request.id_file, "w", encoding="ascii") as file:
                file.write(pod.id)
        except BaseException as error:
            remove(engine, pod, force=True)
            if not isinstance(error, OSError):
                raise
            reason = (error.strerror or "").lower()
            raise PodError(
                f"failed to write pod ID to file: creating idfile: open {request.id_file}: {reason}"
            ) from error
    return pod


def _create_in_place(engine: Engine, request: PodRequest) -> Pod:
    """Create the pod instead of its namesake, also while others do the same: the last one stays."""
    for _ in range(_TRIES):
        namesake = rows.named(engine.connection, request.options.name)
        if namesake is not None:
            try:
                remove(engine, namesake, force=True)
            except NoSuchPodError:
                continue
        try:
            return pods.create(engine, request.options)
        except PodNameInUseError:
            continue
    return pods.create(engine, request.options)


def create_for(engine: Engine, name: str, container: Request) -> Pod:
    """Create the pod of `run --pod new:NAME`: what the container says of network and users is the pod's."""
    request = PodRequest(name)
    infra = request.infra
    request.options.infra = infra
    infra.network, container.network = container.network, None
    infra.networks, container.networks = container.networks, []
    infra.namespaces["network"], container.namespaces["network"] = container.namespaces["network"], ""
    infra.namespaces["user"], container.namespaces["user"] = container.namespaces["user"], ""
    infra.id_map_flags, container.id_map_flags = container.id_map_flags, None
    return create(engine, request)
