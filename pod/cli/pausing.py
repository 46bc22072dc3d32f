"""What `pause` and `unpause` share: which containers, and what is said of each."""

from __future__ import annotations

from pod.cli import each
from pod.containers import chooser, pause
from pod.engine import open_engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.state import Container


def change(
    verb: str,
    action: Callable[[Engine, Container], None],
    names: list[str],
    *,
    all: bool,
    state: str,
    latest: bool,
    filters: list[str] | None,
    cidfiles: list[str] | None,
) -> int:
    """Do it to each container that is chosen; with `all`, to those in the state. Return the exit status."""
    engine = open_engine(write=True)
    words = chooser.chosen(
        engine,
        names,
        all=all,
        latest=latest,
        filters=filters,
        cidfiles=cidfiles,
        of_all=lambda one: one.status.state == state,
    )
    pause.check_supported(engine.config, verb)

    return each.act(each.look_up(engine, words), lambda container: action(engine, container))
