"""Commands that do one thing to several containers: which ones, and what is said of those that fail."""

from __future__ import annotations

import sys

from pod import state
from pod.containers.status import observe
from pod.errors import ContainerNotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.containers.chooser import Choice
    from pod.containers.listing import Listed
    from pod.engine import Engine


def find(engine: Engine, name: str) -> state.Container:
    """Return the container of this name or ID."""
    return state.find_container(engine.connection, name)


def everything(engine: Engine) -> list[state.Container]:
    """Return all containers."""
    return state.containers(engine.connection)


def run(names: list[str], action: Callable[[str], str]) -> int:
    """Do something to each, print what it returns; report each error and go on. Return the last one's status."""
    from pod.__main__ import failed

    code = 0
    for name in names:
        try:
            told = action(name)
        except Exception as error:
            sys.stdout.flush()
            code = failed(error)
        else:
            if told:
                print(told)
    return code


class Found:
    """A container that a command acts on, and the word by which it is told of: as typed, else its ID."""

    __slots__ = ("container", "word")

    def __init__(self, container: state.Container, word: str) -> None:
        self.container = container
        self.word = word


def look_up(engine: Engine, words: list[str], *, ignore: bool = False) -> list[Found]:
    """Return the containers of these names or IDs, before anything is done to any of them.

    Raises PodError for the first that is not there, unless such are to be ignored, or that fits several.
    """
    found = []
    for word in words:
        name = word.removeprefix("/")  # as docker writes names
        try:
            found.append(Found(find(engine, name), name))
        except ContainerNotFoundError:
            if not ignore:
                raise
    return found


def chosen(
    engine: Engine, choice: Choice, *, of_all: Callable[[Listed], bool] | None = None, ignore: bool = False
) -> list[Found]:
    """Return the containers that a command line chooses (see Choice.words), before anything is done to any of them.

    Raises PodError for a choice that is none, and as `look_up` does.
    """
    return look_up(engine, choice.words(engine, of_all=of_all, ignore=ignore), ignore=ignore)


def act(found: list[Found], action: Callable[[state.Container], object]) -> int:
    """Do something to each and print its word; report each error and go on. Return the last one's status."""
    numbered = {str(number): one for number, one in enumerate(found)}  # not by ID: the same may be named twice

    def do(key: str) -> str:
        action(numbered[key].container)
        return numbered[key].word

    return run(list(numbered), do)


def warn(text: str) -> None:
    """Tell the user of something that is no error; in one write, for threads may do so at once."""
    sys.stderr.write(text)
    sys.stderr.flush()


def running(engine: Engine) -> list[state.Container]:
    """Return the containers that run."""
    return [one for one in everything(engine) if observe(engine.config, one.id).is_running]
