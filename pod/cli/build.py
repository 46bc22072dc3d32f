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
    iidfile: Annotated[str, Option("--iidfile", metavar="file", help="File to write the image ID to")] = "",
    **flags: Any,
) -> None:
    """Build an image using instructions from Containerfiles."""
    from pod.build.building import build
    from pod.cli import global_options
    from pod.cli.building import Asked, options_of
    from pod.cli.flags.steps import take
    from pod.cli.steps import shown
    from pod.engine import open_engine

    asked = Asked()
    asked.run_flags = take(flags)
    groups.apply(SHARED, flags, asked)
    global_options.apply(asked.settings)
    asked.files, asked.context = file or [], context
    engine = open_engine(write=True)
    with options_of(engine, asked) as options, shown(options, quiet=asked.quiet) as watcher:
        image = build(engine, options, watcher)
        watcher.committed(image)
    if iidfile:
        with open(iidfile, "w", encoding="ascii") as written:
            written.write(f"sha256:{image.id}")
    print(image.id)
