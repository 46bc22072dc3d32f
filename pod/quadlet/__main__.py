"""`pod-quadlet`: the generator of systemd units as a program of its own, which boots wait for."""

from __future__ import annotations

import gc
import posix
import sys

from pod.quadlet import generator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    gc.disable()  # it ends before the collector could pay for itself
    posix._exit(generator.run(sys.argv[0], sys.argv[1:]))


if __name__ == "__main__":
    main()
