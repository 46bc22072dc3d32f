"""What the bare interpreter runs: modules from the code that was handed over, and then one of them.

reexec.py starts it as `m = marshal.loads(…); exec(m[0])`, so this module is executed as the main program with `m` at
hand: (this code, the modules in the order of their imports, the one whose `main` is called, the state that gets, and
what is kept for others).
No file of ours is opened again: an upgrade of the program does not touch a running monitor, and no directory listing of
sys.path stays in memory. So not even `from __future__` may stand here: that would be an import from a file.
"""

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, NoReturn

NAME = b"pod-monitor"


def main(modules: "list[tuple[str, CodeType]]", entry: str, state: "Any") -> "NoReturn":
    """Go on where the forked process stopped."""
    module_type = type(sys)
    for name in ("__future__", "runtime", "runtime.monitor", "runtime.netlink", "runtime.publisher"):
        sys.modules[name] = module_type(name)
    sys.modules["__future__"].__dict__["annotations"] = None
    for name, code in modules:
        sys.modules[name] = module_type(name)
        exec(code, sys.modules[name].__dict__)
    set_name(sys.orig_argv[0].rpartition("/")[2].encode())
    sys.modules[entry].main(state)
    raise SystemExit(1)  # it does not return


def set_name(name: bytes = NAME) -> None:
    """Set the name that `ps` and `top` show for this process."""
    fd = posix.open("/proc/self/comm", posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, name)
    finally:
        posix.close(fd)


if __name__ == "__main__":
    main(m[1], m[2], m[3])  # type: ignore[name-defined]  # noqa: F821
