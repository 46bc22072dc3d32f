"""Which OCI runtime makes a container's processes: our own library, or a program in its place.

What is chosen when a container is created stays with it (`runtime` of its configuration). While a program may have left
anything of a container, <runroot>/containers/<id>/runtime tells how to delete it, so that no row is needed for that.
"""

from __future__ import annotations

import posix

from pod import environ, systemd
from pod.containers.configuration import OWN_RUNTIME
from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config
    from pod.containers.configuration import Program
    from pod.state import Container
    from runtime.cgroups import Cgroup
    from runtime.external import ExternalRuntime
    from runtime.monitor import spawn


_OWN_NAMES = ("", OWN_RUNTIME, "pod")
# Where runtimes lie, whatever the user's $PATH says: Debian has runc in sbin.
_PLACES = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin")
# Those that know `--cgroup-manager disabled` (runtime_supports_nocgroups of containers.conf(5)).
_WITHOUT_CGROUPS = ("crun", "krun", OWN_RUNTIME)
# What a program is told of our environment. Not NOTIFY_SOCKET or LISTEN_FDS: these are for us.
_VARIABLES = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


def choose(config: Config, *, cgroups: bool = True) -> Program | None:
    """Return the program that `--runtime` or containers.conf names, None for our own library.

    By a name: the paths that [engine.runtimes] lists, the usual places, $PATH. Raises PodError, with podman's words.
    """
    name = config.runtime
    if name in _OWN_NAMES:
        return None
    if "/" in name:
        found, wrong = [paths.absolute(name)], f"no valid executable found for OCI runtime {name}: invalid argument"
    else:
        listed = config.engine.get("runtimes", {}).get(name)
        searched = environ.value("PATH").split(":")
        places = [*(() if listed else _PLACES), *(place for place in searched if place.startswith("/"))]
        found = [*(listed or ()), *(f"{place}/{name}" for place in places)]
        wrong = f'default OCI runtime "{name}" not found: invalid argument'
    for path in found:
        if paths.is_file(path) and posix.access(path, posix.X_OK):
            flags = [flag if flag.startswith("-") else f"--{flag}" for flag in config.runtime_flags]
            if not cgroups:
                _check_without_cgroups(config, name)
                flags += ["--cgroup-manager", "disabled"]
            return {"name": name, "path": path, "flags": flags}
    raise PodError(wrong, hint="name an executable file, or none for pod's own runtime")


def _check_without_cgroups(config: Config, name: str) -> None:
    able = config.engine.get("runtime_supports_nocgroups", _WITHOUT_CGROUPS)
    if name.rpartition("/")[2] not in able:
        raise PodError(f"requested OCI runtime {name} is not compatible with NoCgroups: invalid argument")


def of(config: Config, container: Container, directory: str) -> _OwnRuntime | ExternalRuntime:
    """Return the runtime of a container; a program exchanges files with us in `directory`, which is to be removed."""
    program: Program | None = container.config["runtime"]
    if not program:
        return _OwnRuntime(config.runtime_root, systemd.bus(config) if _in_unit(container) else "")
    user_bus = systemd.bus(config) if config.rootless and _in_unit(container) else ""
    return _external(_command(config, container, program), _root(config, program), directory, user_bus)


def note(config: Config, container: Container, cgroups_path: str) -> None:
    """Write down, before a program makes a container, by what `delete` finds all of it."""
    program: Program | None = container.config["runtime"]
    if not program:
        return
    from runtime import jsontext

    document = {
        "command": _command(config, container, program),
        "root": _root(config, program),
        "bundle": config.container_dir(container.id),
        "cgroups_path": cgroups_path,
    }
    path = _note_path(config, container.id)
    with open(f"{path}.tmp", "w", encoding="utf-8") as file:
        file.write(jsontext.dumps(document))
    posix.rename(f"{path}.tmp", path)


def delete(config: Config, container_id: str) -> None:
    """Delete what is left of a container at its runtime: state, cgroups, processes. Idempotent."""
    noted = _noted(config, container_id)
    if noted is not None:
        from pod.containers.remains import strays
        from runtime import external
        from storage import gc

        directory = config.monitor_dir(container_id)
        strays.end_those_of(external.pid_file_of(directory))
        runtime = _external(noted["command"], noted["root"], directory)
        runtime.delete(container_id, noted["cgroups_path"])
        gc.remove_tree(f"{noted['root']}/{container_id}")
        posix.unlink(_note_path(config, container_id))
    if paths.is_directory(f"{config.runtime_root}/{container_id}"):
        from runtime import delete as own

        own.delete(config.runtime_root, container_id, force=True)


def bundle(config: Config, container_id: str) -> str:
    """Return the bundle of what is left of a container at its runtime; empty if nothing is known of it."""
    noted = _noted(config, container_id)
    if noted is not None:
        return str(noted["bundle"])
    from runtime import status
    from runtime.errors import OCIRuntimeError

    try:
        return status.load(config.runtime_root, container_id).bundle
    except OCIRuntimeError:
        return ""


def describe(config: Config) -> dict[str, str]:
    """Return name, path and version of the runtime of new containers, as `info` shows them."""
    program = choose(config)
    if program is None:
        from pod import __version__

        return {"name": OWN_RUNTIME, "path": "", "version": f"{OWN_RUNTIME} {__version__}"}
    import subprocess

    try:
        said = subprocess.run(
            [program["path"], "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    return {"name": program["name"], "path": program["path"], "version": said.strip()}


def has_started(config: Config, container: Container) -> bool:
    """Tell whether a container's process has become its program, or has at least been told to."""
    if container.config["runtime"]:
        if _noted(config, container.id) is None:
            return True  # it has just ended
        return _of_noted(config, container).status(container.id) != "created"
    from runtime import status
    from runtime.errors import OCIRuntimeError

    try:
        return status.load(config.runtime_root, container.id).status() != "created"
    except OCIRuntimeError:
        return True  # it has just ended


def pause(config: Config, container: Container) -> None:
    """Stop all processes of a container; return when that is done."""
    if container.config["runtime"]:
        _of_noted(config, container).pause(container.id)
        return
    from runtime import pause as own

    own.pause(config.runtime_root, container.id)


def resume(config: Config, container: Container) -> None:
    """Let a paused container go on."""
    if container.config["runtime"]:
        _of_noted(config, container).resume(container.id)
        return
    from runtime import pause as own

    own.resume(config.runtime_root, container.id)


def update(config: Config, container: Container, resources: dict[str, Any]) -> None:
    """Put other limits of a running container into force: parts of `linux.resources`, all or none of them."""
    if container.config["runtime"]:
        _update_noted(config, container, resources)
        return
    from runtime import update as own

    own.update(config.runtime_root, container.id, resources)


def _update_noted(config: Config, container: Container, resources: dict[str, Any]) -> None:
    """Have a program update its container; then write all values ourselves: runc forgets some, resets others."""
    from pod.containers import status
    from runtime import update as own

    _of_noted(config, container).update(container.id, resources)
    pid = status.observe(config, container.id).pid
    found = cgroup(config, container.id, pid) if pid else None
    if found is not None:
        found.apply(own.plan(container.config["resources"], resources)[0])


def freezer(config: Config, container_id: str, pid: int) -> tuple[str, str]:
    """Return the kernel's file that tells whether a container is paused, and what it holds then; empty for none."""
    from runtime import pause as own

    found = cgroup(config, container_id, pid)
    return ("", "") if found is None else own.freezer(found)


def cgroup(config: Config, container_id: str, pid: int) -> Cgroup | None:
    """Return the cgroup of a running container; None if it has none of its own. Raises what reading it raises."""
    if _noted(config, container_id) is None:
        from runtime import kill
        from runtime import status as states

        return kill.cgroup_of(states.load(config.runtime_root, container_id))
    from runtime import process
    from runtime.cgroups import plan

    # Of a program's container the kernel tells where it is.
    found = process.cgroups_of(pid)
    path = found.get("freezer") or found.get("") or "/"
    return plan(path) if path not in ("/", _own_path()) else None


def _own_path() -> str:
    from runtime import process

    found = process.cgroups_of()
    return found.get("freezer") or found.get("") or "/"


def exec_command(config: Config, container: Container) -> list[str] | None:
    """Return the beginning of the line by which a program runs a command in a container; None with our library."""
    program: Program | None = container.config["runtime"]
    if not program:
        return None
    return [*_command(config, container, program), "--root", _root(config, program), "exec", container.id]


def environment() -> dict[str, str]:
    """Return what a program is told of our environment."""
    return {name: value for name, value in environ.variables().items() if name in _VARIABLES}


def _of_noted(config: Config, container: Container) -> ExternalRuntime:
    """Return the program that has made a container, as it was called then."""
    noted = _noted(config, container.id)
    if noted is None:
        raise PodError(f"container {container.id} is not known to its runtime: container state improper")
    return _external(noted["command"], noted["root"], config.monitor_dir(container.id))


class _OwnRuntime:
    """Our library. Its parts are imported where they are called: a command needs one or two of them."""

    __slots__ = ("_root", "_systemd_bus")

    def __init__(self, root: str, systemd_bus: str) -> None:
        self._root = root
        self._systemd_bus = systemd_bus

    def create(
        self,
        container_id: str,
        bundle: str,
        spec: dict[str, Any],
        stdio: spawn.Stdio,
        preserve: tuple[int, ...] = (),
        secrets: dict[str, str] | None = None,
    ) -> spawn.Container:
        """Create a container, whose process gets the descriptors to preserve under their own numbers.

        `secrets` are variables of it that come into no file.
        """
        from runtime import create, start
        from runtime.monitor import spawn

        stdin, stdout, stderr = _streams(stdio)
        made = create.create(
            container_id,
            bundle,
            spec,
            root=self._root,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            preserve=preserve,
            systemd_bus=self._systemd_bus,
            keep_network=True,
            unwritten=secrets,
        )
        return spawn.Container(
            pid=made.pid,
            start_time=made.start_time,
            console=made.console,
            cgroups=made.cgroups,
            state_dir=made.state_dir,
            network=made.network,
            deletion=own_deletion(self._root, container_id, spec),
            start=lambda: start.start(self._root, container_id),
        )

    def exec_process(
        self, container_id: str, document: dict[str, Any], stdio: spawn.Stdio, preserve: tuple[int, ...] = ()
    ) -> spawn.Container:
        """Run a process in a running container; its output waits in the pipes until the command attaches."""
        from runtime import exec as runtime_exec
        from runtime.monitor import spawn

        stdin, stdout, stderr = _streams(stdio)
        made = runtime_exec.exec_process(
            self._root, container_id, document, stdin=stdin, stdout=stdout, stderr=stderr, preserve=preserve
        )
        return spawn.Container(pid=made.pid, start_time=made.start_time, console=made.console, start=None)


def _streams(stdio: spawn.Stdio) -> tuple[int, int, int]:
    """Return what becomes a process's standard streams, until a terminal takes their place."""
    return (0, 1, 2) if stdio.stdin < 0 else (stdio.stdin, stdio.stdout, stdio.stderr)


def own_deletion(root: str, container_id: str, spec: dict[str, Any]) -> list[str]:
    """Return the command line by which our own runtime deletes a container at its end, and runs its poststop hooks.

    Empty for one without such: what else there is to do its monitor does itself, without a further process.
    """
    if not (spec.get("hooks") or {}).get("poststop"):
        return []
    import sys

    packages = paths.absolute(f"{__file__}/../../..")
    code = f"import sys; sys.path.insert(0, {packages!r}); from runtime.__main__ import main; main()"
    return [sys.executable, "-I", "-S", "-c", code, "--root", root, "delete", "--force", container_id]


def _external(command: list[str], root: str, directory: str, user_bus: str = "") -> ExternalRuntime:
    from runtime.external import ExternalRuntime

    environment = {name: value for name, value in environ.variables().items() if name in _VARIABLES}
    return ExternalRuntime(command, root=root, directory=directory, environment=environment, user_bus=user_bus)


def _in_unit(container: Container) -> bool:
    """Tell whether systemd may make the container's cgroup: not where it is in the one that the caller has."""
    return bool(container.config["cgroups"] != "split")


def _command(config: Config, container: Container, program: Program) -> list[str]:
    manager = ["--systemd-cgroup"] if _in_unit(container) and systemd.bus(config) else []
    return [program["path"], *program["flags"], *manager]


def _root(config: Config, program: Program) -> str:
    """Return where a program keeps its state: a place for each name, for their formats differ."""
    return f"{config.runroot}/runtimes/{program['path'].rpartition('/')[2]}"


def _note_path(config: Config, container_id: str) -> str:
    return f"{config.monitor_dir(container_id)}/runtime"  # as runtime.monitor.ending.RUNTIME


def _noted(config: Config, container_id: str) -> dict[str, Any] | None:
    try:
        with open(_note_path(config, container_id), encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    from runtime import jsontext

    noted: dict[str, Any] = jsontext.loads(text)
    return noted
