"""hosts and resolv.conf of a container that runs, kept right when its networks change.

What the container has written there itself stays: only lines that are ours are replaced.
"""

from __future__ import annotations

import posix

from pod.containers.inside import files, hosts
from storage import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.containers.inside.files import Reach
    from pod.engine import Engine
    from pod.state import Container


def update(engine: Engine, container: Container, reach: Reach, before: str = "") -> None:
    """Bring the files that a container has mounted up to date; they stay the same files.

    `before` is the name that it had until now, if it has another one.
    """
    directory = f"{engine.config.container_dir(container.id)}/files"
    scratch = f"{engine.config.monitor_dir(container.id)}/files.{posix.getpid()}"
    posix.mkdir(scratch, 0o700)  # gone with the rest at the container's next start, if we are killed
    try:
        files.write(scratch, container.config, engine.config.containers, name=container.name, reach=reach)  # type: ignore[arg-type]
        own = list(dict.fromkeys([container.config["hostname"], before or container.name]))
        _change(f"{directory}/hosts", f"{scratch}/hosts", lambda now, wanted: hosts.renewed(now, wanted, own))
        _change(f"{directory}/resolv.conf", f"{scratch}/resolv.conf", _resolv_conf)
    finally:
        gc.remove_tree(scratch)


def _resolv_conf(now: str, wanted: str) -> str:
    """Return what resolv.conf shall say: it changes with who answers the container's questions, for nothing else."""
    line = f"nameserver {files.RESOLVER}"
    return now if (line in now.splitlines()) == (line in wanted.splitlines()) else wanted


def _change(path: str, wanted: str, renewed: Callable[[str, str], str]) -> None:
    """Give a file the content that comes of its own and of that of another file; without both, nothing happens."""
    try:
        now, new = _read(path), _read(wanted)
    except FileNotFoundError:
        return
    content = renewed(now, new)
    if content != now:
        hosts.rewrite(path, content)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
