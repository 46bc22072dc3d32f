"""The image itself in an archive of the user's: `build --output type=oci`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.outgoing import image as outgoing
from storage.transports.oci_destination import ArchiveLayout, OciDestination
from storage.transports.outputs import StreamOutput, file_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pod.build.asked.outputs import Output
    from storage.images import Image
    from storage.store import Store


def archive(store: Store, image: Image, names: Sequence[str], outputs: Iterable[Output]) -> None:
    """Write an image of the store, under its first name, to those outputs that are OCI archives.

    Each appears whole or not at all; the image stays whatever fails. Raises StorageError.
    """
    for output in outputs:
        if output.kind == "oci":
            sink = StreamOutput(1, "stdout") if output.to_stdout else file_output(output.dest, store)
            destination = OciDestination(ArchiveLayout(sink), names[0] if names else "")
            try:
                outgoing.copy_out(store, image, destination, outgoing.Request("oci"))
            finally:
                destination.close()
