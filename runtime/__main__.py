"""`pod-runtime`: the OCI runtime as a command, in place of runc or crun for podman, docker, containerd and people."""

from __future__ import annotations

import os
import sys
import time

from runtime import jsontext, options, status
from runtime.errors import OCIRuntimeError
from runtime.options import CommandLine, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = "0.1.0"
_USAGE = f"usage: pod-runtime [--root DIR] [--log FILE] [--log-format text|json] {'|'.join(options.VERBS)} [options] ID"


def main(words: list[str] | None = None) -> int:
    """Run one command line; return the exit status."""
    line = None
    try:
        line = CommandLine(sys.argv[1:] if words is None else words)
        return _run(line)
    except (UsageError, OCIRuntimeError) as error:
        message = str(error)
        hint = error.hint if isinstance(error, OCIRuntimeError) else ""
    except KeyboardInterrupt:
        message, hint = "interrupted", ""
    _log(line, message)
    sys.stderr.write(f"pod-runtime: {message}\n" + (f"hint: {hint}\n" if hint else ""))
    return 1


def _run(line: CommandLine) -> int:
    if line.globals.get("version"):
        print(f"pod-runtime version {VERSION}\nspec: {status.VERSION}")
        return 0
    if line.globals.get("help") or line.options.get("help"):
        print(_USAGE)
        return 0
    if not line.verb:
        raise UsageError(_USAGE)
    return _VERBS[line.verb](line)


def _log(line: CommandLine | None, message: str) -> None:
    """Write the one line that callers read: podman parses the whole file as one JSON object."""
    path = line.globals.get("log") if line else None
    if not isinstance(path, str) or not line:
        return
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if line.globals.get("log-format") == "json":
        entry = jsontext.dumps({"level": "error", "msg": message, "time": now})
    else:
        entry = f'time="{now}" level=error msg={jsontext.dumps(message)}'
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(entry + "\n")
    except OSError:
        # The same words go to stderr.
        pass


def _root(line: CommandLine) -> str:
    given = line.globals.get("root")
    if isinstance(given, str):
        return os.path.abspath(given)
    runtime_directory = os.environ.get("XDG_RUNTIME_DIR")
    if os.geteuid() and not runtime_directory:
        raise UsageError("XDG_RUNTIME_DIR is not set: say --root")
    return f"{runtime_directory}/pod-runtime" if os.geteuid() else "/run/pod-runtime"


def _id(line: CommandLine) -> str:
    if len(line.arguments) != 1:
        raise UsageError(f"`{line.verb}` requires exactly 1 argument(s), the container's ID")
    return line.arguments[0]


def _create(line: CommandLine, container_id: str) -> Any:
    from runtime import spec
    from runtime.create import create

    bundle = os.path.abspath(line.text("bundle") or ".")
    document = spec.load(line.text("config") or f"{bundle}/config.json")
    terminal = bool((document.get("process") or {}).get("terminal"))
    foreground = line.verb == "run" and not line.is_set("detach")
    if terminal and not line.text("console-socket") and not foreground:
        raise UsageError("the process has a terminal: --console-socket is needed")
    manager = line.globals.get("cgroup-manager")
    return create(
        container_id,
        bundle,
        document,
        root=_root(line),
        preserve_fds=line.number("preserve-fds"),
        pid_file=line.text("pid-file"),
        no_pivot=line.is_set("no-pivot"),
        new_keyring=not line.is_set("no-new-keyring"),
        console_socket=line.text("console-socket"),
        pidfd_socket=line.text("pidfd-socket"),
        systemd_cgroup=bool(line.globals.get("systemd-cgroup")) or manager == "systemd",
        use_cgroups=manager != "disabled",
    )


def create_command(line: CommandLine) -> int:
    """Create a container."""
    _create(line, _id(line))
    return 0


def run_command(line: CommandLine) -> int:
    """Create and start a container, and wait for it unless it shall be detached."""
    from runtime import foreground
    from runtime.delete import delete
    from runtime.start import start

    container_id = _id(line)
    created = _create(line, container_id)
    try:
        start(_root(line), container_id)
        if line.is_set("detach"):
            return 0
        code = foreground.wait(created.pid, created.console)
    except BaseException:
        delete(_root(line), container_id, force=True)
        raise
    if not line.is_set("keep"):
        delete(_root(line), container_id, force=True)
    return code


def start_command(line: CommandLine) -> int:
    """Start a created container."""
    from runtime.start import start

    start(_root(line), _id(line))
    return 0


def state_command(line: CommandLine) -> int:
    """Print the state of a container."""
    print(_pretty(status.load(_root(line), _id(line)).state()))
    return 0


def kill_command(line: CommandLine) -> int:
    """Signal a container."""
    from runtime.kill import kill

    if not 1 <= len(line.arguments) <= 2:
        raise UsageError("`kill` requires a container's ID and at most a signal")
    number = options.signal(line.arguments[1] if len(line.arguments) == 2 else "TERM")
    kill(_root(line), line.arguments[0], number, all=line.is_set("all"))
    return 0


def delete_command(line: CommandLine) -> int:
    """Delete a container."""
    from runtime.delete import delete

    delete(_root(line), _id(line), force=line.is_set("force"))
    return 0


def list_command(line: CommandLine) -> int:
    """List the containers below the root."""
    root = _root(line)
    states = [status.load(root, name).state() for name in status.list_ids(root)]
    if line.is_set("quiet"):
        for state in states:
            print(state["id"])
    elif line.text("format") == "json":
        print(jsontext.dumps(states))
    else:
        rows = [("ID", "PID", "STATUS", "BUNDLE", "CREATED")]
        rows += [(s["id"], str(s["pid"]), s["status"], s["bundle"], s["created"]) for s in states]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def exec_command(line: CommandLine) -> int:
    """Run a process in a container, and wait for it unless it shall be detached."""
    from runtime import foreground, spec
    from runtime.exec import exec_process

    file = line.text("process")
    if not line.arguments or (not file and len(line.arguments) < 2):
        raise UsageError("`exec` requires a container's ID and a command, or --process")
    root, container_id = _root(line), line.arguments[0]
    if file:
        process = spec.load_object(file, "process's configuration")
    else:
        container = status.load(root, container_id)
        process = spec.load(f"{container.directory}/{status.CONFIG}").get("process") or {}
        _override(process, line)
    if line.is_set("tty"):
        process["terminal"] = True
    if process.get("terminal") and not line.text("console-socket") and line.is_set("detach"):
        raise UsageError("the process has a terminal: --console-socket is needed")
    executed = exec_process(
        root,
        container_id,
        process,
        preserve_fds=line.number("preserve-fds"),
        pid_file=line.text("pid-file"),
        console_socket=line.text("console-socket"),
        pidfd_socket=line.text("pidfd-socket"),
    )
    return 0 if line.is_set("detach") else foreground.wait(executed.pid, executed.console)


def _override(process: dict[str, Any], line: CommandLine) -> None:
    """Apply exec's options to the container's own process, which is the default."""
    process["args"] = line.arguments[1:]
    process["terminal"] = line.is_set("tty")
    process["env"] = [*(process.get("env") or []), *line.texts("env")]
    if line.text("cwd"):
        process["cwd"] = line.text("cwd")
    identity = process.setdefault("user", {})
    if line.text("user"):
        uid, gid = options.user(line.text("user") or "")
        identity["uid"] = uid
        identity["gid"] = identity.get("gid", 0) if gid is None else gid
    groups = [options.user(text)[0] for text in line.texts("additional-gids")]
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


def _pretty(document: dict[str, Any]) -> str:
    rows = [f"  {jsontext.dumps(key)}: {jsontext.dumps(value)}" for key, value in document.items()]
    return "{\n" + ",\n".join(rows) + "\n}"


_VERBS = {
    "create": create_command,
    "run": run_command,
    "start": start_command,
    "state": state_command,
    "kill": kill_command,
    "delete": delete_command,
    "list": list_command,
    "exec": exec_command,
}

if __name__ == "__main__":
    sys.exit(main())
