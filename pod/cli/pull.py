"""`pod pull`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Annotated, Any

    from typer import Argument, Option

    from storage.images import Image

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
) -> int:
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

    def fetch(image: str) -> list[Image]:
        if image in places:
            return [pull_place(engine, places[image], pull.trust(), platform=wanted, quiet=asked.quiet)]
        if not all_tags:
            return [pull_shown(pull, image, quiet=asked.quiet)]
        with display(quiet=asked.quiet) as shown:
            return pull.all_tags(image, shown)

    return pull_each(images, fetch)


def pull_each(names: list[str], fetch: Callable[[str], list[Image]]) -> int:
    """Get what each name stands for and print its IDs; report what cannot be had and go on, but not after a signal.

    Returns the exit status.
    """
    from pod.__main__ import failed
    from pod.errors import PodError
    from storage.errors import StorageError
    from storage.interrupts import InterruptedByError

    code = 0
    for name in names:
        try:
            pulled = fetch(name)
        except InterruptedByError:
            raise
        except (PodError, StorageError) as error:
            code = failed(error)
        else:
            for one in dict.fromkeys(image.id for image in pulled):
                print(one, flush=True)
    return code
