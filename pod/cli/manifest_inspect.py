"""`pod manifest inspect`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument


SHARED = (
    "pod.cli.flags.credentials",
    "pod.cli.flags.access",
    "pod.cli.flags.retrying",
)


class Asked:
    """What the flags of the shared group come to."""

    def __init__(self) -> None:
        self.registry: dict[str, Any] = {}


def main(list: Annotated[str, Argument(metavar="LIST")], **flags: Any) -> None:
    """Display the contents of a manifest list or image index, of the store or of a registry."""
    from pod import registries
    from pod.cli import output
    from pod.engine import open_engine
    from pod.images.lists import contents

    asked = Asked()
    groups.apply(SHARED, flags, asked)
    engine = open_engine(write=False)
    document = contents(engine, list, registries.options(engine.config, **asked.registry))
    output.write(output.to_json(document, indent="    ") + "\n")
