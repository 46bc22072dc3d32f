"""`pod pull`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = (
    "pod.cli.flags.registry",
    "pod.cli.flags.credentials",
    "pod.cli.flags.access",
)


class Asked:
    """What the flags of the shared group come to."""

    def __init__(self) -> None:
        self.registry: dict[str, Any] = {}
        self.platform: dict[str, str] = {}
        self.quiet = False
        self.signature_policy = ""


def main(
    images: Annotated[list[str], Argument(metavar="IMAGE [IMAGE...]")],
    all_tags: Annotated[
        bool, Option("--all-tags", "-a", help="All tagged images in the repository will be pulled")
    ] = False,
    policy: Annotated[
        str,
        Option("--policy", metavar="string", help='Pull image policy ("always"|"missing"|"never"|"newer")'),
    ] = "always",
    **flags: Any,
) -> None:
    """Pull an image from a registry and store it locally."""
    from pod import registries
    from pod.cli.progress import display
    from pod.cli.pulling import chooser, pull_place, pull_shown
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.images import pulls, transports

    pulls.check_policy(policy)
    asked = Asked()
    groups.apply(SHARED, flags, asked)
    wanted = registries.platform(**asked.platform)
    places = {image: transports.parse(image) for image in images if transports.is_named(image)}
    for image in images:
        if image in places and all_tags:
            raise PodError(f"pulling all tags is not supported for {places[image].transport} transport")
        if image not in places and not all_tags:
            pulls.source(image)
    engine = open_engine(write=True)
    options = registries.options(engine.config, **asked.registry)
    pull = pulls.Pull(
        engine,
        options=options,
        policy=policy,
        platform=wanted,
        signature_policy=asked.signature_policy,
        choose=chooser(),
    )
    for image in images:
        if image in places:
            print(pull_place(engine, places[image], pull.trust(), platform=wanted, quiet=asked.quiet).id, flush=True)
            continue
        if not all_tags:
            print(pull_shown(pull, image, quiet=asked.quiet).id, flush=True)
            continue
        with display(quiet=asked.quiet) as shown:
            pulled = pull.all_tags(image, shown)
        for one in dict.fromkeys(found.id for found in pulled):
            print(one, flush=True)
