"""Boot the test machine with this source tree in it and give a shell, or run a command: `python -m tests.system …`.

The words are the user, root or alice, and those of the command.
"""

from __future__ import annotations

import sys

from tests.system import project
from tests.system.image import ImageError, image
from tests.system.machine import booted


def main() -> int:
    """Return what the shell or command returned; the machine and all that was written there is gone by then."""
    user = sys.argv[1] if len(sys.argv) > 1 else "root"
    try:
        disk = image()
    except ImageError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    with booted(disk) as machine:
        project.prepare(machine, disk)
        return machine.interact(user, *sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
