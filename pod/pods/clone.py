"""A pod made from the configuration of another, with a copy of each of its containers. Source: podman-pod-clone(1).

What the flags change is what they would change in a pod that is created without anything else: so each of them means
here what it means there.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from pod import events, names, state
from pod.containers import clone as containers
from pod.containers import create, dependencies, inserting, update
from pod.containers.create import CreateOptions
from pod.errors import PodError
from pod.lock import ContainerLock
from pod.networks import leases
from pod.pods import cgroup, infra, joining, rows
from pod.pods.configuration import SHAREABLE
from pod.pods.remove import remove
from runtime import jsontext
from storage import database

if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.pods.create import PodOptions
    from pod.pods.rows import Pod
    from pod.state import Container

# Those parts of a container that it has from the infra container's flags as well.
_COMMON = ("mounts", "devices", "security", "confinement")


def clone(engine: Engine, original: Pod, asked: PodOptions) -> Pod:
    """Make the copy, otherwise than the original in what is asked for; nothing is left behind if that fails."""
    copying = _Copying(engine, original, asked)
    with contextlib.ExitStack() as locks:
        for identity in copying.ids.values():
            locks.enter_context(ContainerLock(engine.config, identity))
        # All rows in one commit: of a clone that is killed there is the whole pod, or nothing.
        with database.transaction(engine.connection):
            made = copying.insert_all()
        try:
            for container, new_volumes in made:
                inserting.furnish(engine, container, new_volumes)
        except BaseException:
            locks.close()
            remove(engine, copying.pod, force=True)
            raise
    events.of_pod(engine.config, copying.pod, "create")
    return copying.pod


class _Copying:
    """A pod under way: the ID of each container's copy is settled before."""

    def __init__(self, engine: Engine, original: Pod, asked: PodOptions) -> None:
        self.engine = engine
        self.asked = asked
        self.originals = rows.members(engine.connection, original.id)
        self.ids = {one.id: names.new_id() for one in self.originals}
        self.pod = self._row(original)
        self.said = dict(asked.infra.namespaces) if asked.infra is not None else {}
        self.plain, self.fresh = self._configured()
        # Of a container that shares a namespace with the infra container: what its mode was, and what it is to be.
        self.modes: dict[str, tuple[str, str]] = {}

    def _row(self, original: Pod) -> Pod:
        engine, asked = self.engine, self.asked
        config: dict[str, Any] = jsontext.loads(jsontext.dumps(original.config))
        config["labels"] |= asked.labels
        config["hostname"] = asked.hostname or config["hostname"]
        config["cgroup_parent"] = asked.cgroup_parent or config["cgroup_parent"]
        config["resources"] = update.merged(config["resources"], asked.resources)
        config["restart"] = asked.restart or config["restart"]
        config["security_options"] += asked.security_options
        config["create_command"] = sys.argv
        asked.cgroup_parent, asked.resources = config["cgroup_parent"], config["resources"]
        cgroup.settle(engine, asked)
        name = names.check_name(asked.name) if asked.name else containers.free_name(engine, original.name)
        new_infra = self.ids.get(original.infra, "")
        return rows.Pod((names.new_id(), name, time.time(), new_infra, jsontext.dumps(config)))

    def _configured(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what an infra container would be without any flag, and what with those that were said."""
        found: list[dict[str, Any]] = []
        identity = self.pod.infra or names.new_id()
        for options in (CreateOptions(), self.asked.infra or CreateOptions()):
            options.id = identity
            options.security_options = self.asked.security_options if found else []
            infra.prepare(self.engine, options, self.pod)
            found.append(jsontext.loads(jsontext.dumps(create.configure(self.engine, options, options.id))))
        plain, fresh = found
        if not self.pod.infra and plain != fresh:
            raise PodError("cannot change namespaces, mounts or devices of a pod that has no infra container")
        return plain, fresh

    def insert_all(self) -> list[tuple[Container, list[str]]]:
        """Insert the pod and its containers, within a transaction; return these with the volumes that are new."""
        rows.insert(self.engine.connection, self.pod)
        made = []
        for one in sorted(self.originals, key=lambda one: self.ids[one.id] != self.pod.infra):
            config = containers.configuration(self.engine, one, containers.Changes(), self.ids[one.id])
            if self.ids[one.id] == self.pod.infra:
                made.append(self._insert(one, self._infra(one, config), self._infra_name()))
            else:
                name = containers.free_name(self.engine, one.name)
                made.append(self._insert(one, self._member(one, config), name))
        return made

    def _infra_name(self) -> str:
        asked = self.asked.infra.name if self.asked.infra is not None else ""
        return asked or f"{self.pod.id[:12]}-infra"

    def _infra(self, original: Container, config: dict[str, Any]) -> dict[str, Any]:
        config = overlaid(config, self.plain, self.fresh)
        for kind in filter(self.said.get, self.said):  # said is said, also what one has without saying it
            config["namespaces"][kind] = self.fresh["namespaces"][kind]
        if self.said.get("user"):
            config["id_map"] = self.fresh["id_map"]
        if not config["image"]:
            config["rootfs"] = self.fresh["rootfs"]
        if self.fresh["entrypoint"] != self.plain["entrypoint"]:
            config["entrypoint"] = self.fresh["entrypoint"]
        if config["namespaces"]["uts"] != "host":
            config["hostname"] = self.pod.config["hostname"] or self.pod.name[:64]
        config["pod"], config["cgroup_parent"] = self.fresh["pod"], self.fresh["cgroup_parent"]
        for kind in (*(SHAREABLE[name] for name in self.pod.config["share"]), "user"):
            before, after = original.config["namespaces"][kind], config["namespaces"][kind]
            self.modes[kind] = joined(original.id, before), joined(self.pod.infra, after)
        return config

    def _member(self, original: Container, config: dict[str, Any]) -> dict[str, Any]:
        old_pod = rows.find(self.engine.connection, original.config["pod"]["id"])
        for key in _COMMON:
            config[key] = overlaid(config[key], self.plain[key], self.fresh[key])
        config["confinement"]["sysctls"] = original.config["confinement"]["sysctls"]
        modes = {kind: self._mode(kind, mode) for kind, mode in config["namespaces"].items()}
        config["namespaces"] = modes
        if modes["user"] == f"container:{self.pod.infra}":
            config["id_map"] = state.find_container(self.engine.connection, self.pod.infra).config["id_map"]
        elif modes["user"] == "host":
            config["id_map"] = None
        if modes["uts"] == f"container:{self.pod.infra}":
            config["hostname"] = self.pod.config["hostname"] or self.pod.name[:64]
        if config["cgroup_parent"] == old_pod.config["cgroup_parent"]:
            config["cgroup_parent"] = self.pod.config["cgroup_parent"]
        if self.asked.restart is not None and not (config["pod"]["init"] or original.auto_remove):
            config["restart"] = self.asked.restart
        inside = config["pod"]["cgroup"] and cgroup.name(self.pod.id)
        config["pod"] = {**config["pod"], "id": self.pod.id, "cgroup": inside}
        return config

    def _mode(self, kind: str, mode: str) -> str:
        """Return whose namespace a member is to have, from whose the original has."""
        before, after = self.modes.get(kind, ("", ""))
        if mode == before:
            return after
        word, _, other = mode.partition(":")
        return f"container:{self.ids[other]}" if word == "container" and other in self.ids else mode

    def _insert(self, original: Container, config: dict[str, Any], name: str) -> tuple[Container, list[str]]:
        engine, identity = self.engine, self.ids[original.id]
        needs = [self.ids.get(one, one) for one in dependencies.needs_of(engine.connection, original.id)]
        stored = jsontext.dumps(config)
        container = state.Container(
            (identity, name, config["image"], time.time(), int(original.auto_remove), "", stored)
        )
        new_volumes = inserting.insert_rows(
            engine,
            container,
            needs=needs,
            auto_ids=containers.auto_ids(engine, config),
            networks=leases.networks_of(engine.connection, original.id),
            record=joining.record,
        )
        return container, new_volumes


def joined(infra: str, mode: str) -> str:
    """Return the mode of a container that shares a namespace with an infra container whose mode this is (pure)."""
    return mode if mode == "host" or mode.startswith("ns:") else f"container:{infra}"


def overlaid(own: Any, plain: Any, asked: Any) -> Any:
    """Return what a container has, with what was asked for: that in which `asked` is otherwise than `plain` (pure)."""
    if asked == plain:
        return own
    if isinstance(own, dict) and isinstance(plain, dict) and isinstance(asked, dict):
        changed = {key: value for key, value in asked.items() if key not in plain or plain[key] != value}
        return {**own, **{key: overlaid(own.get(key), plain.get(key), value) for key, value in changed.items()}}
    if isinstance(own, list) and isinstance(plain, list) and isinstance(asked, list):
        new = [one for one in asked if one not in plain]
        targets = [one["target"] for one in new if isinstance(one, dict) and "target" in one]
        return [*(one for one in own if not (targets and one["target"] in targets)), *new]
    return asked
