"""`checkpoint`: save a running container to images."""

from __future__ import annotations

from runtime import paths
from runtime.checkpoints import criu
from runtime.checkpoints.checkpoint import checkpoint
from runtime.checkpoints.images import Settings
from runtime.cli import values
from runtime.cli.arguments import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Checkpoint a container."""
    root = values.root(line)
    checkpoint(
        root,
        line.arguments[0],
        settings(line),
        parent_path=line.text("parent-path") or "",
        pre_dump=line.is_set("pre-dump"),
        leave_running=line.is_set("leave-running"),
        tcp_skip_in_flight=line.is_set("tcp-skip-in-flight"),
        page_server=_page_server(line.text("page-server")),
        status_fd=line.number("status-fd"),
    )
    return 0


def settings(line: CommandLine) -> Settings:
    """Return what checkpoint and restore have in common."""
    image_path = paths.absolute(line.text("image-path") or "checkpoint")
    work_path = line.text("work-path")
    return Settings(
        program=criu.find(str(line.globals.get("criu") or criu.PROGRAM), values.environment("PATH")),
        image_path=image_path,
        work_path=paths.absolute(work_path) if work_path else image_path,
        tcp_established=line.is_set("tcp-established"),
        ext_unix_sk=line.is_set("ext-unix-sk"),
        shell_job=line.is_set("shell-job"),
        file_locks=line.is_set("file-locks"),
        link_remap=line.is_set("link-remap"),
        lazy_pages=line.is_set("lazy-pages"),
        auto_dedup=line.is_set("auto-dedup"),
        cgroups_mode=line.text("manage-cgroups-mode") or "",
        empty_namespaces=line.texts("empty-ns"),
    )


def _page_server(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    address, _colon, port = text.rpartition(":")
    if not address or not port.isascii() or not port.isdigit():
        raise UsageError(f"--page-server `{text}` is not of the form ADDRESS:PORT")
    return address, int(port)
