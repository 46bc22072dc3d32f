"""`pod quadlet lint`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    paths: Annotated[
        list[str] | None, Argument(metavar="[FILE|DIR]...", help="Files and directories; none: all that are installed")
    ] = None,
) -> int:
    """Check quadlets for mistakes: exit status 1 if no service can be made of one, or one cannot start."""
    from pod import config as configuration
    from pod.cli import unit_commands
    from pod.quadlet import linting, places
    from pod.settings import current

    where = places.of(configuration.load(current))
    problems = linting.lint(where, paths or [], further=unit_commands.check)
    for problem in problems:
        print(problem)
    return 1 if any(problem.fatal for problem in problems) else 0
