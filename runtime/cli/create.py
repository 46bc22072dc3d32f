"""`create`: make a container that waits for `start`."""

from __future__ import annotations

from binascii import crc32

from runtime import paths, spec
from runtime.cli import activation, table, values
from runtime.cli.arguments import UsageError
from runtime.create import create

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cli.arguments import CommandLine
    from runtime.create import Created


def main(line: CommandLine) -> int:
    """Create a container."""
    make(line, values.root(line), foreground=False)
    return 0


def make(line: CommandLine, root: str, *, foreground: bool) -> Created:
    """Create the container that the line asks for; `run` does this too."""
    bundle = paths.absolute(line.text("bundle") or ".")
    document = spec.load(spec.bundle_path(bundle, line.text("config") or "config.json"))
    process = document.get("process")
    terminal = isinstance(process, dict) and bool(process.get("terminal"))
    if terminal and not line.text("console-socket") and not foreground:
        raise UsageError("the process has a terminal: --console-socket is needed")
    manager = cgroup_manager(line)
    choose_cgroup(document, line.arguments[0], root, manager)
    created = create(
        line.arguments[0],
        bundle,
        document,
        root=root,
        preserve_fds=line.count("preserve-fds"),
        pid_file=line.text("pid-file"),
        no_pivot=line.is_set("no-pivot"),
        new_keyring=not line.is_set("no-new-keyring"),
        console_socket=line.text("console-socket"),
        pidfd_socket=line.text("pidfd-socket"),
        systemd_bus=systemd_bus() if manager == "systemd" else "",
        use_cgroups=manager != "disabled",
        listen_fds=activation.listen_fds(document),
        notify_socket=bool(activation.notify_socket()),
    )
    if created.warnings:
        from runtime.cli import log

        log.warn(line, created.warnings)
    return created


def choose_cgroup(document: dict[str, Any], container_id: str, root: str, manager: str) -> None:
    """Name a cgroup where the bundle leaves that to the runtime: below the caller's own, or by systemd's defaults.

    IDs are unique below one root only, so the name has a part that tells roots apart.
    """
    linux = document.get("linux")
    if isinstance(linux, dict) and not linux.get("cgroupsPath"):
        name = f"{container_id}-{crc32(root.encode('utf-8', 'surrogateescape')):08x}"
        linux["cgroupsPath"] = f":{table.NAME}:{name}" if manager == "systemd" else f"{table.NAME}-{name}"


def cgroup_manager(line: CommandLine) -> str:
    """Return who makes control groups: cgroupfs, systemd, or nobody (disabled)."""
    if line.globals.get("systemd-cgroup"):
        return "systemd"
    manager = line.globals.get("cgroup-manager", "cgroupfs")
    if manager not in ("cgroupfs", "systemd", "disabled"):
        raise UsageError(f"--cgroup-manager is cgroupfs, systemd or disabled, not `{manager}`")
    return str(manager)


def systemd_bus() -> str:
    """Return the address of the bus on which systemd is."""
    from runtime.cli import systemd

    return systemd.bus()
