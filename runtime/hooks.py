"""Hooks (runtime-spec, config.md "POSIX-platform Hooks"): programs run at points of a container's life."""

from __future__ import annotations

import posix
import select

from runtime import jsontext
from runtime.errors import HookError, SpecError
from runtime.kernel import MFD_NOEXEC_SEAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Hooks = dict[str, list[dict[str, Any]]]

_SIGKILL = 9
_ALL_SIGNALS = frozenset(range(1, 65)) - {32, 33}
# What the program that called us may ignore: a hook starts as any program does.
_DEFAULT_SIGNALS = _ALL_SIGNALS - {9, 19}
STAGES = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
# crun's annotations: files that take what hooks print.
OUTPUTS = {"run.oci.hooks.stdout": 1, "run.oci.hooks.stderr": 2}


def read_hooks(spec: dict[str, Any]) -> Hooks:
    """Return the hooks by stage; only stages that have some."""
    hooks = spec.get("hooks") or {}
    found = {stage: hooks[stage] for stage in STAGES if hooks.get(stage)}
    for stage, listed in found.items():
        for index, hook in enumerate(listed):
            _check(hook, f"hooks.{stage}[{index}]")
    return found


def _check(hook: dict[str, Any], name: str) -> None:
    """Refuse what no program could be started with."""
    if (hook.get("args") or ["x"])[0] == "":
        raise SpecError(f"{name}.args[0] is empty")
    for index, entry in enumerate(hook.get("env") or ()):
        if entry.find("=") < 1:
            raise SpecError(f"{name}.env[{index}] is not of the form KEY=VALUE: `{entry.partition('=')[0]}`")


def run(stage: str, hooks: list[dict[str, Any]], state: dict[str, Any]) -> None:
    """Run the hooks in order, the state on their standard input; the first that fails ends it: HookError."""
    if not hooks:
        return
    outputs = open_outputs(state)
    try:
        run_with(outputs, stage, hooks, state)
    finally:
        for fd in outputs.values():
            posix.close(fd)


def run_poststop(spec: dict[str, Any], state: dict[str, Any]) -> list[str]:
    """Run all hooks for the end, and return what failed (runtime-spec, lifecycle 13: a warning, no more)."""
    failures = []
    for hook in read_hooks(spec).get("poststop", []):
        try:
            run("poststop", [hook], state)
        except HookError as error:
            failures.append(str(error))
    return failures


def run_with(outputs: dict[int, int], stage: str, hooks: list[dict[str, Any]], state: dict[str, Any]) -> None:
    """Run the hooks as `run` does, with outputs that `open_outputs` has opened."""
    document = jsontext.dumps(state).encode()
    for hook in hooks:
        _run_one(stage, hook, document, outputs)


def open_outputs(state: dict[str, Any]) -> dict[int, int]:
    """Return the descriptors to print to, by the number that the hook knows them under."""
    annotations = state.get("annotations") or {}
    outputs: dict[int, int] = {}
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC
    try:
        for annotation, number in OUTPUTS.items():
            if annotations.get(annotation):
                outputs[number] = posix.open(annotations[annotation], flags, 0o700)
    except (OSError, ValueError) as error:
        for fd in outputs.values():
            posix.close(fd)
        reason = getattr(error, "strerror", None) or error
        raise HookError(f"open `{annotations[annotation]}` for the output of hooks: {reason}") from error
    return outputs


def _run_one(stage: str, hook: dict[str, Any], state: bytes, outputs: dict[int, int]) -> None:
    path = hook["path"]
    environment = _environment(stage, hook)
    # A file in memory, not a pipe: it holds a state of any size, whether the hook reads it or not.
    stdin = _memory()
    try:
        while state:
            state = state[posix.write(stdin, state) :]
        posix.lseek(stdin, 0, 0)
        actions = [(posix.POSIX_SPAWN_DUP2, stdin, 0)]
        actions += [(posix.POSIX_SPAWN_DUP2, fd, number) for number, fd in outputs.items()]
        child = posix.posix_spawn(
            path,
            hook.get("args") or [path],
            environment,
            file_actions=actions,
            setpgroup=0,
            setsigmask=[],
            setsigdef=_DEFAULT_SIGNALS,
        )
    except OSError as error:
        raise HookError(f"run the {stage} hook `{path}`: {error.strerror}") from error
    finally:
        posix.close(stdin)
    _wait(stage, path, child, hook.get("timeout"))


def _environment(stage: str, hook: dict[str, Any]) -> Mapping[str, str] | Mapping[bytes, bytes]:
    """Return the variables of a hook: without `env` those of ours, as with runc and crun, unless it is the image's."""
    if hook.get("env") is None and stage != "startContainer":
        return posix.environ
    return dict(entry.partition("=")[::2] for entry in hook.get("env") or ())


def _memory() -> int:
    try:
        return posix.memfd_create("state", posix.MFD_CLOEXEC | MFD_NOEXEC_SEAL)
    except OSError:
        # Linux before 6.3.
        return posix.memfd_create("state", posix.MFD_CLOEXEC)


def _wait(stage: str, path: str, child: int, timeout: int | None) -> None:
    late = False
    if timeout:
        pidfd = posix.pidfd_open(child)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        late = not poll.poll(min(timeout * 1000, 2**31 - 1))
        posix.close(pidfd)
        if late:
            # With all that it has started; not yet reaped, it still holds the number of its process group.
            posix.killpg(child, _SIGKILL)
    status = posix.waitpid(child, 0)[1]
    if late:
        raise HookError(f"run the {stage} hook `{path}`: still running after {timeout} s")
    if status:
        code = posix.waitstatus_to_exitcode(status)
        how = f"exit status {code}" if code >= 0 else f"killed by signal {-code}"
        raise HookError(f"run the {stage} hook `{path}`: {how}")
