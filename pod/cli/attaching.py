"""Commands that stay with a container or an exec session until its end: run, start -a, exec, attach."""

from __future__ import annotations

from pod.cli import session
from pod.containers import attach as attach_client
from pod.containers import remove, stop
from storage import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.execs import ExecSession
    from pod.engine import Engine
    from pod.state import Container
    from runtime.monitor.spawn import MonitorLink


def run_attached(
    engine: Engine,
    container: Container,
    link: MonitorLink,
    *,
    detach_keys: str,
    sig_proxy: bool,
    stdin: bool | None = None,
) -> int:
    """Be a started container's standard streams until it ends or the user detaches; return the exit status."""
    directory = engine.config.monitor_dir(container.id)
    ended = _attend(
        link,
        directory,
        stdin=container.config["stdin"] if stdin is None else stdin,
        terminal=container.config["tty"],
        detach_keys=detach_keys,
        sig_proxy=sig_proxy,
    )
    if not ended:
        from pod.cli.creating import release

        release(engine, container)
        link.detach()
        return 0
    code = link.wait()
    if container.auto_remove:
        remove.remove_container(engine, container, volumes=True)
    return code


def exec_attached(session_of: ExecSession, *, stdin: bool, terminal: bool, detach_keys: str) -> int:
    """Be the standard streams of an exec session until it ends or the user detaches; return the exit status."""
    link = session_of.link
    if not _attend(
        link, session_of.directory, stdin=stdin, terminal=terminal, detach_keys=detach_keys, sig_proxy=False
    ):
        link.detach()
        return 0
    code = link.wait()
    gc.remove_tree(session_of.directory)
    return code


def attach(engine: Engine, container: Container, *, stdin: bool, detach_keys: str, sig_proxy: bool, pid: int) -> int:
    """Join a running container's standard streams; return its exit status, or 0 after detaching."""
    directory = engine.config.monitor_dir(container.id)
    descriptor = attach_client.connect(directory)
    ended = session.attach(
        descriptor,
        stdin=stdin,
        terminal=container.config["tty"],
        detach_keys=detach_keys,
        sig_proxy=sig_proxy,
        container_pid=pid,
        resize=lambda height, width: attach_client.resize(directory, height, width),
    )
    if ended == "detached":
        return 0
    return stop.wait(engine, container) or 0


def _attend(
    link: MonitorLink, directory: str, *, stdin: bool, terminal: bool, detach_keys: str, sig_proxy: bool
) -> bool:
    descriptor, link.attach_fd = link.attach_fd, -1
    ended = session.attach(
        descriptor,
        stdin=stdin,
        terminal=terminal,
        detach_keys=detach_keys,
        sig_proxy=sig_proxy,
        container_pid=link.pid,
        resize=lambda height, width: attach_client.resize(directory, height, width),
    )
    return ended == "ended"
