"""What instructions make of an image's configuration, and which variables they see. Pure.

Sources: Docker's Dockerfile reference; image-spec, config.md.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pod.build.language import instructions as language
from pod.build.language.instructions import ExecForm
from pod.containers.inside.environment import PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pod.build.language.instructions import Command, Instruction

DEFAULT_SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True)
class StepLayer:
    """A layer of the image to be: its diffID, its key in the store, the size of its tar.

    Without a key it is not there yet: a registry has it as what the step of the key `step` came to.
    """

    diff_id: str
    key: str
    size: int
    step: str = ""


@dataclass(frozen=True, kw_only=True)
class State:
    """What the image would be if the stage ended here, and what its further steps go on from."""

    key: str
    parent: str = ""  # the ID of the image at the bottom
    config: Mapping[str, Any] = field(default_factory=dict)
    platform: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""  # the full name of that image
    author: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)  # that the image inherits
    layers: tuple[StepLayer, ...] = ()  # all of them
    history: tuple[Mapping[str, Any], ...] = ()  # of the steps over the parent
    created: float = 0.0
    shell: tuple[str, ...] = DEFAULT_SHELL
    has_command: bool = False  # this build has set Cmd
    arguments: Mapping[str, str] = field(default_factory=dict)  # ARGs that have a value

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the image."""
        pairs = (item.partition("=") for item in self.config.get("Env") or ())
        return {name: value for name, equals, value in pairs if equals}

    @property
    def variables(self) -> dict[str, str]:
        """What instructions may refer to: ENV goes before ARG."""
        return {**self.arguments, **self.environment}

    @property
    def workdir(self) -> str:
        """The working directory."""
        return str(self.config.get("WorkingDir") or "/")


def with_path(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration that has the variable PATH, as podman gives it to images without one."""
    env = list(config.get("Env") or ())
    if not any(item.startswith("PATH=") for item in env):
        env.insert(0, f"PATH={PATH}")
    return {**config, "Env": env}


def apply(state: State, instruction: Instruction, *, docker: bool = False) -> State:
    """Return the state after an instruction that changes no file; of its key and history nothing is changed.

    `docker` is the format of the image: only that has a place for a shell, triggers and health checks.
    """
    config = dict(state.config)
    match instruction:
        case language.Maintainer(maintainer=maintainer):
            return replace(state, author=maintainer)
        case language.Shell(words=words):
            return replace(state, shell=words, config={**config, "Shell": list(words)} if docker else config)
        case language.Cmd(command=command):
            return replace(state, config={**config, "Cmd": words_of(command, state.shell)}, has_command=True)
        case language.Entrypoint(command=command):
            if not state.has_command:
                config.pop("Cmd", None)  # the parent's belongs to the parent's entrypoint
            return replace(state, config={**config, "Entrypoint": words_of(command, state.shell)})
        case language.Env(pairs=pairs):
            config["Env"] = [f"{name}={value}" for name, value in {**state.environment, **dict(pairs)}.items()]
        case language.Label(pairs=pairs):
            config["Labels"] = {**(config.get("Labels") or {}), **dict(pairs)}
        case language.Expose(ports=ports):
            config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), **{key: {} for key in ports}}
        case language.User(user=user):
            config["User"] = user
        case language.Workdir(path=path):
            config["WorkingDir"] = posixpath.normpath(f"/{posixpath.join(state.workdir, path).lstrip('/')}")
        case language.Volume(paths=paths):
            config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in paths}}
        case language.Stopsignal(signal=signal):
            config["StopSignal"] = signal
        case language.Healthcheck() if docker:
            config["Healthcheck"] = _healthcheck(instruction)
        case language.Onbuild(trigger=trigger) if docker:
            config["OnBuild"] = [*(config.get("OnBuild") or ()), trigger]
    return replace(state, config=config)


def words_of(command: Command, shell: tuple[str, ...]) -> list[str]:
    """Return a command as a list of words."""
    return list(command.words) if isinstance(command, ExecForm) else [*shell, command.text]


def _healthcheck(instruction: language.Healthcheck) -> dict[str, Any]:
    numbers = {
        "Interval": instruction.interval,
        "Timeout": instruction.timeout,
        "StartPeriod": instruction.start_period,
        "StartInterval": instruction.start_interval,
        "Retries": instruction.retries,
    }
    return {"Test": list(instruction.test), **{name: number for name, number in numbers.items() if number}}
