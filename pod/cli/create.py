"""`pod create`."""

from __future__ import annotations

from pod.cli import container_flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INTERSPERSED = False
SHARED = container_flags.create_options


def main(**flags: Any) -> None:
    """Create but do not start a container."""
    from pod.cli import creating
    from pod.engine import open_engine

    options, request = container_flags.create_options(**flags)
    print(creating.create_container(open_engine(write=True), options, request).id)
