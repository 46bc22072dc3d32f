"""`pod manifest push`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.credentials", "pod.cli.flags.access", "pod.cli.flags.retrying", "pod.cli.flags.outgoing")


def main(
    list: Annotated[str, Argument(metavar="LIST")],
    destination: Annotated[str, Argument(metavar="[DESTINATION]")] = "",
    all: Annotated[bool, Option("--all", help="Also push the images in the list")] = True,
    digestfile: Annotated[
        str,
        Option(
            "--digestfile",
            metavar="string",
            help="Write the digest of the pushed list to the specified file",
        ),
    ] = "",
    quiet: Annotated[
        bool, Option("--quiet", "-q", help="Don't output progress information when pushing lists")
    ] = False,
    rm: Annotated[bool, Option("--rm", help="Remove the manifest list if push succeeds")] = False,
    **flags: Any,
) -> None:
    """Push a manifest list or image index to a registry."""
    from pod import registries
    from pod.cli.progress import display
    from pod.cli.push import Asked, write_digest
    from pod.engine import open_engine
    from pod.images import pushes
    from storage import lists

    asked = Asked()
    groups.apply(SHARED, flags, asked)
    request = pushes.request(**asked.request)
    engine = open_engine(write=True)
    found = lists.find(engine.store, list)
    target = pushes.target(found.names[0] if found.names and not destination else list, destination)
    push = pushes.Push(
        engine,
        registries.options(engine.config, **asked.registry),
        request,
        asked.sign_by,
        remove_signatures=asked.remove_signatures,
    )
    with display(quiet=quiet) as shown:
        digest = push.list(found, target, shown, all=all)
    write_digest(digestfile, digest)
    if rm:
        lists.remove(engine.store, found.id)
