"""Commands that stay with a program until its end: run, start -a, exec, attach."""

from __future__ import annotations

from pod import events
from pod.cli import session
from pod.cli.terminal import release_signals
from pod.containers import attach as attach_client
from pod.containers import stop
from pod.errors import StateError

_OUTPUTS = frozenset(("stdout", "stderr"))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.launched import Launched
    from pod.engine import Engine
    from pod.state import Container


def attend(
    launched: Launched,
    *,
    stdin: bool,
    terminal: bool,
    detach_keys: str,
    sig_proxy: bool,
    streams: frozenset[str] | None = None,
) -> int:
    """Be the standard streams of a started program until it ends or the user detaches; return the exit status.

    Of `streams`, where they are chosen, only "stdout" and "stderr" are written.
    """
    try:
        ended = session.attach(
            launched.attach(),
            stdin=stdin,
            terminal=terminal,
            detach_keys=detach_keys,
            sig_proxy=sig_proxy,
            relay=lambda number: stop.relay(launched.engine.config, launched.id, number),
            resize=launched.resize,
            muted=() if streams is None else tuple(2 if one == "stderr" else 1 for one in _OUTPUTS - streams),
        )
    except BrokenPipeError:
        launched.abandon()
        raise
    if ended == "detached":
        launched.detach()
        return 0
    return launched.wait()


def join(engine: Engine, container: Container, *, stdin: bool, detach_keys: str, sig_proxy: bool) -> int:
    """Join a running container's standard streams; return its exit status, or 0 after detaching.

    Raises StateError for one whose log driver is passthrough, and for one that does not run.
    """
    if container.config["log_driver"] == "passthrough":
        raise StateError(
            "this container is using the 'passthrough' log driver, cannot attach: this container is not logging output"
        )
    directory = engine.config.monitor_dir(container.id)
    descriptor = attach_client.connect(directory)
    events.of_container(engine.config, container, "attach")
    ended = session.attach(
        descriptor,
        stdin=stdin,
        terminal=container.config["tty"],
        detach_keys=detach_keys,
        sig_proxy=sig_proxy,
        relay=lambda number: stop.relay(engine.config, container.id, number),
        resize=lambda height, width: attach_client.resize(directory, height, width),
    )
    if ended == "detached":
        return 0
    release_signals()
    return stop.wait(engine, container) or 0
