"""Which units a container or a pod gets: one that starts what is there, or one that makes it anew each time."""

from __future__ import annotations

import os
import sys

from pod.containers import dependencies
from pod.errors import PodError
from pod.pods import rows
from pod.unit_files import command_line
from pod.unit_files.text import Unit, Wishes, escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.state import Container

# Beyond the time that the container has to stop: for what is to be done after that.
_GRACE_SECONDS = 60
_RM = "/bin/rm"
_CONTAINER_ID, _RUNROOT = "%t/%n.ctr-id", "%t/pod"
# What a unit says itself, or systemd does.
_OWN = "cidfile conmon_pidfile cgroups rm restart replace detach".split()
_OF_POD = ["pod", "pod_id_file"]
_RUN = (("run",), ("create",), ("container", "run"), ("container", "create"))


def of_container(engine: Engine, container: Container, wishes: Wishes, warn: Callable[[str], None]) -> Unit:
    """Return the unit of a container; `warn` is called with what may well go wrong with it.

    Raises PodError for a container that no unit can run.
    """
    config = container.config
    if config["pod"]["init"]:
        raise PodError(f"unsupported container {container.id}: cannot generate systemd units for init containers")
    unit = Unit(_service_name(container, wishes))
    seconds = config["stop_timeout"] if wishes.stop_timeout is None else wishes.stop_timeout
    unit.stop_timeout = _GRACE_SECONDS + seconds
    if wishes.new or wishes.template:
        _make_anew(unit, container, wishes, seconds)
        return unit
    if config["restart"]["policy"] != "no":
        warn(
            f'Container {container.id} has restart policy "{config["restart"]["policy"]}" which can lead to issues on'
            " shutdown: consider recreating the container without a restart policy and use systemd's restart mechanism"
            " instead"
        )
    _start_as_it_is(engine, unit, container, wishes, seconds)
    return unit


def of_pod(engine: Engine, pod: Pod, wishes: Wishes, warn: Callable[[str], None]) -> list[Unit]:
    """Return the unit of a pod and those of its containers. Raises PodError for a pod that no unit can run."""
    if wishes.template:
        raise PodError("--template is not supported for pods")
    members = rows.members(engine.connection, pod.id)
    infra = next((member for member in members if member.id == pod.infra), None)
    if infra is None:
        raise PodError(f'generating systemd unit files: Pod "{pod.name}" has no infra container')
    unit = Unit(wishes.service_name(wishes.pod_prefix, pod.name if wishes.by_name else pod.id))
    seconds = infra.config["stop_timeout"] if wishes.stop_timeout is None else wishes.stop_timeout
    unit.stop_timeout = _GRACE_SECONDS + seconds
    _start_as_it_is(engine, unit, infra, wishes, seconds)
    pod_id_file = ""
    if wishes.new:
        pod_id_file = f"%t/{unit.name}.pod-id"
        _make_pod_anew(unit, pod, pod_id_file, seconds)
    of_members = [
        _of_member(engine, member, pod, unit.name, pod_id_file, wishes, warn)
        for member in members
        if member.id != pod.infra
    ]
    unit.members = sorted(one.name for one in of_members)
    return [unit, *of_members]


def _of_member(
    engine: Engine,
    member: Container,
    pod: Pod,
    pod_service: str,
    pod_id_file: str,
    wishes: Wishes,
    warn: Callable[[str], None],
) -> Unit:
    unit = of_container(engine, member, wishes, warn)
    by_id = {one.id: one for one in rows.members(engine.connection, pod.id)}
    needed = [by_id[one] for one in dependencies.needs_of(engine.connection, member.id) if one in by_id]
    unit.bound_to = [pod_service, *(_service_name(one, wishes) for one in needed if one.id != pod.infra)]
    if pod_id_file:
        place = unit.start.index("--rm") + 1
        unit.start[place:place] = ["--pod-id-file", pod_id_file]
    return unit


def _service_name(container: Container, wishes: Wishes) -> str:
    return wishes.service_name(wishes.container_prefix, container.name if wishes.by_name else container.id)


def _start_as_it_is(engine: Engine, unit: Unit, container: Container, wishes: Wishes, seconds: int) -> None:
    """Let a unit start the container that there is; its monitor is the main process, by a file."""
    leading = [] if not container.config["create_command"] else _leading(container.config["create_command"])
    name = container.name if wishes.by_name else container.id
    unit.mounts = engine.config.runroot
    unit.start = [program(), *leading, "start", name]
    unit.stop = unit.after_stop = [program(), *leading, "stop", "-t", str(seconds), name]
    own = container.config["identity"]["conmon_pidfile"]
    unit.pid_file = own or f"{engine.config.monitor_dir(container.id)}/conmon.pid"


def _leading(line: list[str]) -> list[str]:
    """Return the options before a command, by which its store is found."""
    from pod.cli import fastargs, global_options

    head = fastargs.read_leading(fastargs.Reader(global_options.main), line[1:])
    return [] if head is None else [escape(word) for word in line[1 : len(line) - len(head[1])]]


def _make_anew(unit: Unit, container: Container, wishes: Wishes, seconds: int) -> None:
    """Let a unit run the container's create command each time."""
    from pod.cli import run

    line = container.config["create_command"]
    if not line:
        raise PodError(
            f'cannot use --new on container "{container.id}": no create command found: only works on containers created'
            " directly with pod but not via REST API"
        )
    said = command_line.read(line, _RUN, run)
    engine_words = [program(), *map(escape, said.leading)]
    unit.kind, unit.mounts, unit.is_template = "notify", _RUNROOT, wishes.template
    unit.before_start = [[_RM, "-f", _CONTAINER_ID]]
    unit.start = [*engine_words, "run", *_run_words(said, unit, in_pod=bool(container.config["pod"]["id"]))]
    by_file = ["-t", str(seconds), f"--cidfile={_CONTAINER_ID}"]
    unit.stop = [*engine_words, "stop", "--ignore", *by_file]
    unit.after_stop = [*engine_words, "rm", "-f", "--ignore", *by_file]
    names = [flag.value for flag in said.flags if flag.name == "env" and "=" not in flag.value]
    env = container.config["env"]
    unit.env = [f"{name}={env[name]}" for name in names if name in env]
    restart = said.last("restart")
    if restart is not None and restart.value:
        policy, _, unit.burst = restart.value.partition(":")
        unit.restart = {"unless-stopped": "always", "never": "no"}.get(policy, policy)


def _run_words(said: command_line.CreateCommand, unit: Unit, *, in_pod: bool) -> list[str]:
    dropped = [*_OWN, *(_OF_POD if in_pod else ())]
    words = [f"--cidfile={_CONTAINER_ID}", "--cgroups=no-conmon", "--rm"]
    sdnotify = said.last("sdnotify")
    if sdnotify is None or sdnotify.value == "ignore":  # which a service that tells of itself cannot do with
        words.append("--sdnotify=conmon")
        dropped.append("sdnotify")
    words.append("-d")
    name = said.last("name")
    if name is not None or unit.is_template:
        words.append("--replace")
    if name is None and unit.is_template:
        words.append(f"--name={unit.name}-%i")
    for flag in said.flags:
        if flag.name not in dropped:
            words += map(escape, flag.words)
            words[-1] += "-%i" if flag is name and unit.is_template else ""
    return [*words, *map(escape, said.rest)]


def _make_pod_anew(unit: Unit, pod: Pod, id_file: str, seconds: int) -> None:
    from pod.cli import pod_create

    line = pod.config["create_command"]
    if not line:
        raise PodError(f'cannot use --new on pod "{pod.id}": no create command found')
    said = command_line.read(line, (("pod", "create"),), pod_create)
    engine_words = [program(), *map(escape, said.leading)]
    unit.pid_file = f"%t/{unit.name}.pid"
    words = ["--infra-conmon-pidfile", unit.pid_file, "--pod-id-file", id_file, "--exit-policy=stop"]
    words += map(escape, said.words(but=["infra_conmon_pidfile", "pod_id_file", "exit_policy", "replace"]))
    if said.rest or said.last("name_"):
        words.append("--replace")
    unit.before_start = [
        [_RM, "-f", unit.pid_file, id_file],
        [*engine_words, "pod", "create", *words, *map(escape, said.rest)],
    ]
    unit.start = [*engine_words, "pod", "start", "--pod-id-file", id_file]
    unit.stop = [*engine_words, "pod", "stop", "--ignore", "--pod-id-file", id_file, "-t", str(seconds)]
    unit.after_stop = [*engine_words, "pod", "rm", "--ignore", "-f", "--pod-id-file", id_file]


def program() -> str:
    """Return the path of the command that runs now; of one that runs from its sources, that of an installed one."""
    path = os.path.abspath(sys.argv[0])
    if os.path.basename(path) != "__main__.py":
        return path
    import shutil

    return shutil.which("pod") or "/usr/local/bin/pod"
