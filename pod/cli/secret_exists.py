"""`pod secret exists`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    secret: Annotated[str, Argument(metavar="SECRET", help="The name or ID")],
) -> int:
    """Check if a secret exists in local storage."""
    from pod import secret_rows
    from pod.engine import open_engine

    try:
        secret_rows.find(open_engine(write=False).connection, secret)
    except secret_rows.NoSuchSecretError:
        return 1
    return 0
