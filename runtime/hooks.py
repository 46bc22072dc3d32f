"""Hooks (runtime-spec, config.md "POSIX-platform Hooks"): programs run at points of a container's life."""

from __future__ import annotations

import posix
import select

from runtime import jsontext, syscalls
from runtime.errors import OCIRuntimeError, SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIGKILL = 9
STAGES = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def read_hooks(spec: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the hooks by stage; only stages that have some."""
    found = {}
    for stage, hooks in (spec.get("hooks") or {}).items():
        if stage not in STAGES or not hooks:
            continue
        for hook in hooks:
            if not str(hook.get("path", "")).startswith("/"):
                raise SpecError(f"a {stage} hook has no absolute path")
        found[stage] = hooks
    return found


def run(stage: str, hooks: list[dict[str, Any]], state: dict[str, Any]) -> None:
    """Run the hooks in order; the first that fails ends it with an OCIRuntimeError."""
    for hook in hooks:
        _run_one(stage, hook, jsontext.dumps(state).encode())


def _run_one(stage: str, hook: dict[str, Any], state: bytes) -> None:
    path = hook["path"]
    reading, writing = posix.pipe2(posix.O_CLOEXEC)
    environment = dict(entry.partition("=")[::2] for entry in hook.get("env") or ())
    try:
        # The state fits into a pipe (64 KiB) unless annotations are huge: then the hook does not get it all.
        posix.set_blocking(writing, False)
        posix.write(writing, state)
        child = posix.posix_spawn(
            path,
            hook.get("args") or [path],
            environment,
            file_actions=[(posix.POSIX_SPAWN_DUP2, reading, 0)],
        )
    except OSError as error:
        raise OCIRuntimeError(f"run the {stage} hook `{path}`: {error.strerror}") from error
    finally:
        posix.close(reading)
        posix.close(writing)
    _wait(stage, path, child, hook.get("timeout"))


def _wait(stage: str, path: str, child: int, timeout: int | None) -> None:
    late = False
    if timeout:
        pidfd = posix.pidfd_open(child)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        late = not poll.poll(timeout * 1000)
        if late:
            syscalls.pidfd_send_signal(pidfd, _SIGKILL)
        posix.close(pidfd)
    status = posix.waitpid(child, 0)[1]
    if late:
        raise OCIRuntimeError(f"run the {stage} hook `{path}`: still running after {timeout} s")
    if status:
        code = posix.waitstatus_to_exitcode(status)
        how = f"exit status {code}" if code >= 0 else f"killed by signal {-code}"
        raise OCIRuntimeError(f"run the {stage} hook `{path}`: {how}")
