"""`pod manifest inspect`."""

from __future__ import annotations

from pod.cli import flags as groups
from pod.cli.manifest_create import Asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument

    from storage.registry.options import RegistryOptions

SHARED = ("pod.cli.flags.access",)


def main(list: Annotated[str, Argument(metavar="LIST")], **flags: Any) -> None:
    """Display the contents of a manifest list or image index, of the store or of a registry."""
    from pod import registries
    from pod.cli import output
    from pod.engine import open_engine
    from storage import lists
    from storage.errors import ImageNotFoundError

    asked = Asked()
    groups.apply(SHARED, flags, asked)
    engine = open_engine(write=False)
    document: Any
    try:
        document = lists.find(engine.store, list).document
    except ImageNotFoundError:
        document = remote(registries.options(engine.config, **asked.registry), list)
    output.write(output.to_json(document, indent="    ") + "\n")


def remote(options: RegistryOptions, text: str) -> Any:
    """Return the manifest or index that a registry has under a name."""
    import json

    from storage import documents
    from storage.reference import normalize
    from storage.registry.origin import Clients, RegistryOrigin

    origin = RegistryOrigin(Clients(options), normalize(text.removeprefix("docker://")))
    try:
        raw, content_type, _ = origin.manifest()
    finally:
        origin.close()
    documents.parse_manifest(raw, content_type)
    return json.loads(raw)
