"""Commands that do one thing to several pods: what is said of each, and of the containers that fail."""

from __future__ import annotations

import sys

from pod.pods.chooser import Choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pod.pods.rows import Pod


class Ending(Choice):
    """Which pods are to be stopped or removed, and how."""

    __slots__ = ("ignore", "timeout")

    def __init__(self, names: Sequence[str] | None = None, *, all: bool = False) -> None:
        super().__init__(names, all=all)
        self.ignore = False  # those that are not there
        self.timeout: int | None = None  # seconds; None for each container's own


def act(pods: Sequence[Pod], action: Callable[[Pod], Sequence[tuple[str, BaseException]] | None]) -> int:
    """Do something to each and print its ID; report each error and go on. Return the last one's status.

    `action` returns the containers that failed, by ID, and why, or raises what concerns the pod as a whole.
    """
    from pod.__main__ import failed

    code = 0
    for pod in pods:
        try:
            failures = action(pod) or ()
        except Exception as error:
            sys.stdout.flush()
            code = failed(error)
            continue
        for _, reason in failures:
            sys.stdout.flush()
            failed(reason)
            code = 125
        if not failures:
            print(pod.id)
    return code
