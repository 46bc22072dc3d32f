"""`restore`: a container that runs again from images."""

from __future__ import annotations

from runtime import foreground, paths, spec, syscalls
from runtime.checkpoints.restore import restore
from runtime.cli import create, values
from runtime.cli.arguments import UsageError
from runtime.cli.checkpoint import settings
from runtime.delete import delete
from runtime.kernel import PR_SET_CHILD_SUBREAPER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Restore a container; in the foreground return its exit status."""
    root, container_id = values.root(line), line.arguments[0]
    bundle = paths.absolute(line.text("bundle") or ".")
    document = spec.load(f"{bundle}/config.json")
    process = document.get("process")
    detach = line.is_set("detach")
    manager = create.cgroup_manager(line)
    create.choose_cgroup(document, container_id, root, manager)
    if isinstance(process, dict) and process.get("terminal") and detach and not line.text("console-socket"):
        raise UsageError("the process has a terminal: --console-socket is needed")
    if not detach and not line.is_set("no-subreaper"):
        syscalls.prctl(PR_SET_CHILD_SUBREAPER, 1)
    restored = restore(
        root,
        container_id,
        bundle,
        document,
        settings(line),
        pid_file=line.text("pid-file"),
        console_socket=line.text("console-socket"),
        tcp_close=line.is_set("tcp-close"),
        lsm_profile=line.text("lsm-profile") or "",
        lsm_mount_context=line.text("lsm-mount-context") or "",
        systemd_bus=create.systemd_bus() if manager == "systemd" else "",
        use_cgroups=manager != "disabled",
    )
    if detach:
        return 0
    try:
        return foreground.wait(restored.pid, restored.console)
    finally:
        delete(root, container_id, force=True)
