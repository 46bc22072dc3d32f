"""What `pause` and `unpause` share: which containers, and what is said of each."""

from __future__ import annotations

from pod.cli import each
from pod.containers import pause
from pod.engine import open_engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.containers.chooser import Choice
    from pod.engine import Engine
    from pod.state import Container


def change(verb: str, action: Callable[[Engine, Container], None], choice: Choice, *, state: str) -> int:
    """Do it to each container that is chosen; with --all, to those in the state. Return the exit status.

    Raises PodError for a choice that is none, and where containers cannot be paused at all.
    """
    choice.check()
    engine = open_engine(write=True)
    pause.check_supported(engine.config, verb)
    found = each.chosen(engine, choice, of_all=lambda one: one.status.state == state)
    return each.act(found, lambda container: action(engine, container))
