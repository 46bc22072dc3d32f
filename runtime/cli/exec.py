"""`exec`: one more process in a running container."""

from __future__ import annotations

from runtime import foreground, spec, status
from runtime.cli import values
from runtime.cli.arguments import UsageError
from runtime.exec import exec_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Run a process in a container; in the foreground return its exit status."""
    root, container_id = values.root(line), line.arguments[0]
    process = _process(line, root, container_id)
    if line.is_set("tty"):
        process["terminal"] = True
    if process.get("terminal") and not line.text("console-socket") and line.is_set("detach"):
        raise UsageError("the process has a terminal: --console-socket is needed")
    executed = exec_process(
        root,
        container_id,
        process,
        preserve_fds=line.count("preserve-fds"),
        pid_file=line.text("pid-file"),
        console_socket=line.text("console-socket"),
        pidfd_socket=line.text("pidfd-socket"),
        cgroups=_cgroups(line.texts("cgroup")),
        ignore_paused=line.is_set("ignore-paused"),
    )
    if executed.warnings:
        from runtime.cli import log

        log.warn(line, executed.warnings)
    return 0 if line.is_set("detach") else foreground.wait(executed.pid, executed.console)


def _process(line: CommandLine, root: str, container_id: str) -> dict[str, Any]:
    file = line.text("process")
    if file:
        return spec.load_object(file, "process's configuration")
    if len(line.arguments) < 2:
        raise UsageError("process args cannot be empty: name a command, or say --process")
    container = status.load(root, container_id)
    process: dict[str, Any] = spec.load(f"{container.directory}/{status.CONFIG}").get("process") or {}
    _override(process, line)
    return process


def _cgroups(texts: list[str]) -> dict[str, str]:
    """Read [CONTROLLER[,CONTROLLER...]:]PATH, as often as it was given."""
    found: dict[str, str] = {}
    for text in texts:
        controllers, colon, path = text.partition(":")
        for controller in controllers.split(",") if colon else ("",):
            if controller in found:
                raise UsageError(f"--cgroup `{text}`: another one says the same of `{controller or 'all'}`")
            found[controller] = path if colon else text
    return found


def _override(process: dict[str, Any], line: CommandLine) -> None:
    """Apply the options to the container's own process, which is the default."""
    process["args"] = line.arguments[1:]
    process["terminal"] = line.is_set("tty")
    process["env"] = [*(process.get("env") or []), *line.texts("env")]
    if line.text("cwd"):
        process["cwd"] = line.text("cwd")
    identity = process.setdefault("user", {})
    user = line.text("user")
    if user is not None:
        uid, gid = values.user(user)
        identity["uid"] = uid
        identity["gid"] = identity.get("gid", 0) if gid is None else gid
    groups = [values.user(text)[0] for text in line.texts("additional-gids")]
    identity["additionalGids"] = [*(identity.get("additionalGids") or []), *groups]
    if line.text("apparmor"):
        process["apparmorProfile"] = line.text("apparmor")
    if line.text("process-label"):
        process["selinuxLabel"] = line.text("process-label")
    if line.is_set("no-new-privs"):
        process["noNewPrivileges"] = True
    capabilities = process.setdefault("capabilities", {})
    for kind in ("bounding", "effective", "permitted"):
        # Never inheritable or ambient: an image's files must not gain from it (CVE-2022-29162).
        capabilities[kind] = [*(capabilities.get(kind) or []), *line.texts("cap")]
