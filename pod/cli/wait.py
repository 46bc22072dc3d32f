"""`pod wait`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    condition: Annotated[
        list[str] | None, Option("--condition", metavar="strings", help="Condition to wait on")
    ] = None,
    exit_first_match: Annotated[
        bool,
        Option("--exit-first-match", help="Wait for the first container that meets a condition, ignore the others"),
    ] = False,
    ignore: Annotated[bool, Option("--ignore", help="Ignore if a container does not exist: print -1")] = False,
    interval: Annotated[
        str, Option("--interval", "-i", metavar="string", help="Time between looks at what is no end (250ms)")
    ] = "250ms",
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
) -> int:
    """Block on one or more containers and print their exit codes."""
    from pod import state
    from pod.cli import each
    from pod.containers import waiting
    from pod.containers.chooser import Choice
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError

    choice = Choice([name.removeprefix("/") for name in containers or ()], latest=latest)
    choice.check('"pod wait" requires a name, id, or the "--latest" flag')
    conditions = [one for text in condition or [] for one in text.split(",")] or list(waiting.ENDS)
    waiting.check(conditions)
    seconds = _seconds(interval)
    engine = open_engine(write=False)
    words = choice.words(engine)
    found: dict[str, state.Container] = {}
    for word in words:
        try:
            found[word] = each.find(engine, word)
        except ContainerNotFoundError:
            if not ignore and state.kept_exit_code(engine.connection, word) is None:
                raise
    if exit_first_match and found:
        print(waiting.first(engine, list(found.values()), conditions, seconds))
        return 0

    def wait(word: str) -> str:
        if word not in found:
            kept = state.kept_exit_code(engine.connection, word)
            return str(-1 if kept is None else kept)
        return str(waiting.wait(engine, found[word], conditions, seconds))

    return each.run(words, wait)


def _seconds(text: str) -> float:
    """Return the seconds of a duration; of a plain number, which is milliseconds."""
    from pod.errors import PodError
    from pod.times import parse_duration

    try:
        return max(parse_duration(f"{text}ms" if text.isdecimal() else text), 1_000_000) / 1e9
    except ValueError as error:
        raise PodError(str(error), hint="write 500ms, 2s or a number of milliseconds") from None
