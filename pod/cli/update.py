"""`pod update`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.resources", "pod.cli.flags.health")


def main(
    container: Annotated[str | None, Argument(metavar="CONTAINER", help="Name or ID")] = None,
    env: Annotated[
        list[str] | None, Option("--env", "-e", metavar="stringArray", help="Set environment variables in container")
    ] = None,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
    restart: Annotated[
        str | None,
        Option(
            "--restart",
            metavar="string",
            help='Restart policy for when it exits ("always"|"no"|"never"|"on-failure[:n]"|"unless-stopped")',
        ),
    ] = None,
    unsetenv: Annotated[
        list[str] | None, Option("--unsetenv", metavar="strings", help="Unset environment variables of the container")
    ] = None,
    **flags: Any,
) -> None:
    """Update an existing container."""
    import os
    import sys

    from pod import values
    from pod.cli import each
    from pod.cli import flags as groups
    from pod.cli.flags.resources import words
    from pod.containers import restart as policies
    from pod.containers import update
    from pod.containers.chooser import Choice
    from pod.engine import open_engine

    changes = update.Changes()
    groups.apply(SHARED, flags, changes)
    changes.env = values.parse_env(env or [], os.environ)
    changes.unsetenv = words(unsetenv)
    changes.restart = None if restart is None else policies.parse(restart)
    choice = Choice([container] if container else None, latest=latest)
    choice.check("accepts 1 arg(s), received 0")
    engine = open_engine(write=True)
    changed = update.update(engine, each.chosen(engine, choice)[0].container, changes)
    for warning in changes.warnings:
        print(warning, file=sys.stderr)
    print(changed.id)
