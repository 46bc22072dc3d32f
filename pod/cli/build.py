"""`pod build`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

BARE = {"--pull": "always"}
SHARED = (
    "pod.cli.flags.building",
    "pod.cli.flags.outcome",
    "pod.cli.flags.steps",
    *groups.STEPS,
    "pod.cli.flags.accepted",
    "pod.cli.flags.registry",
    "pod.cli.flags.credentials",
    "pod.cli.flags.access",
)


def main(
    context: Annotated[str, Argument(metavar="[CONTEXT]", help="The directory that the build takes files from")] = "",
    file: Annotated[
        list[str] | None,
        Option("--file", "-f", metavar="pathname or URL", help="Pathname or URL of a Containerfile"),
    ] = None,
    platform: Annotated[
        list[str] | None,
        Option(
            "--platform",
            metavar="platform",
            help="Set the os/arch[/variant] of the image, or of several (a,b, repeated)",
        ),
    ] = None,
    **flags: Any,
) -> None:
    """Build an image using instructions from Containerfiles."""
    from dataclasses import replace

    from pod.build.platforms import build
    from pod.cli import global_options
    from pod.cli.building import Asked, options_of
    from pod.cli.flags.steps import take
    from pod.cli.steps import shown
    from pod.engine import open_engine

    asked = Asked()
    asked.run_flags = take(flags)
    groups.apply(SHARED, flags, asked)
    global_options.apply(asked.settings)
    asked.quiet |= asked.outcome.to_stdout
    asked.files, asked.context, asked.platforms = file or [], context, platform or []
    engine = open_engine(write=True)
    log = asked.outcome.log
    with log:
        with (
            options_of(engine, asked) as options,
            shown(options.containerfile, asked.progress, quiet=asked.quiet) as watcher,
        ):
            made = build(engine, replace(options, begin=log.begin, check=asked.outcome.files.check), watcher)
            if len(made.images) == 1:
                watcher.committed(made.images[0], options)
            else:
                watcher.tagged(options.names)
        if not asked.outcome.to_stdout:
            print(made.id)
    asked.outcome.files.write(made, asked.names)
