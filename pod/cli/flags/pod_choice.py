"""Flags that choose pods in place of their names."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.pods.chooser import Choice


def declare(
    choice: Choice,
    *,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest pod pod is aware of")] = False,
    pod_id_file: Annotated[
        list[str] | None, Option("--pod-id-file", metavar="stringArray", help="Read the pod ID from the file")
    ] = None,
) -> None:
    """Note which pods are meant."""
    choice.latest, choice.id_files = latest, pod_id_file or ()
