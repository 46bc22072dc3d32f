"""`pod secret rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    secrets: Annotated[list[str] | None, Argument(metavar="SECRET [SECRET...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Remove all secrets")] = False,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors when a specified secret is missing")] = False,
) -> int:
    """Remove one or more secrets."""
    from pod import events, secret_rows
    from pod import secrets as engine_secrets
    from pod.cli import each
    from pod.engine import open_engine
    from pod.errors import PodError

    if bool(secrets) == all:
        raise PodError("`pod secret rm` requires one argument, or the --all flag")
    engine = open_engine(write=True)

    def delete(name: str) -> str:
        try:
            gone = engine_secrets.remove(engine, name)
        except secret_rows.NoSuchSecretError:
            if ignore:
                return ""
            raise
        events.record(engine.config, "secret", "remove", id=gone.id, name=gone.name)
        return gone.id

    names = [secret.id for secret in secret_rows.everything(engine.connection)] if all else secrets or []
    return each.run(names, delete)
