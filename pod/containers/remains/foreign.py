"""Whose a container without a row is: another store's, maybe, which has the same runroot (--root alone was said)."""

from __future__ import annotations

from pod.containers import runtimes, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config


def is_foreign(config: Config, container_id: str) -> bool:
    """Tell whether what is in our runroot may be of another store's container; our store has no row of it."""
    try:
        bundle = runtimes.bundle(config, container_id)
    except (OSError, ValueError, LookupError, TypeError):
        bundle = ""  # what the runtime has of it is damaged
    if bundle:
        return bundle != config.container_dir(container_id)
    return status.has_process(config, container_id)
