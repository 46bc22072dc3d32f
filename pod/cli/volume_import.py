"""`pod volume import`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Annotated

    from typer import Argument


def main(
    volume: Annotated[str, Argument(metavar="VOLUME", help="The name")],
    source: Annotated[str, Argument(metavar="[SOURCE]", help="The tar, compressed or not; - is stdin")] = "-",
) -> None:
    """Import a tarball contents into a volume."""
    import sys

    from pod import state
    from pod.engine import open_engine
    from pod.errors import NoSuchVolumeError, PodError
    from pod.volumes import archive

    try:
        file = sys.stdin.buffer if source == "-" else open(source, "rb")  # noqa: SIM115
    except OSError as error:
        raise PodError(f"open {source}: {(error.strerror or '').lower()}") from error
    engine = open_engine(write=True)
    try:
        found = state.find_volume(engine.connection, volume)
    except NoSuchVolumeError:
        raise PodError(f"no such volume {volume}") from None
    archive.import_tar(engine, found, _chunks(file))


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(1 << 20):
        yield chunk
