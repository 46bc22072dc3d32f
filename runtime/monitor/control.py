"""What commands tell a running monitor, through the fifo `ctl` in its directory.

1 HEIGHT WIDTH      the size of the terminal
2 0 0               open the log again
4 0 0               look what is wanted: the file `stopped` (see restarting.py), new settings in the file `settings`
5 0 0               check the container's health now
6 0 0               look what the container has on networks; what its resolver is to know is in the file `names`
"""

from __future__ import annotations

import marshal
import posix
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.monitor.health import Health
    from runtime.monitor.loop import Loop

_SIGKILL, _SIGTERM = 9, 15
_TIOCSWINSZ = 0x5414
_LARGEST = 1 << 24


def obey(loop: Loop) -> None:
    """Follow what the fifo has now."""
    try:
        data = posix.read(loop.ctl, 32768)
    except OSError:
        return
    *lines, rest = (loop.line + data).split(b"\n")
    loop.line = rest[:64]
    for line in lines:
        fields = line.split()
        if len(fields) != 3 or not all(field.isdigit() and len(field) < 6 for field in fields):
            continue
        kind, height, width = (int(field) for field in fields)
        if kind == 1:
            _resize(loop, height, width)
        elif kind == 2:
            try:
                loop.log.open()
            except OSError:
                pass
        elif kind == 4:
            loop.poked = True
            _read_settings(loop)
        elif kind == 5 and loop.health:
            loop.health.hurry(loop)
        elif kind == 6 and loop.network:
            loop.network.look()
            _read_names(loop)


def terminate(loop: Loop) -> None:
    """End the container as `stop` does, and ourselves with it: a service manager ends us, or the system shuts down."""
    loop.poked = loop.terminated = True
    if loop.status is not None:
        return
    signal, seconds = loop.settings.get("stop") or (_SIGTERM, -1)
    loop.signal(signal if seconds else _SIGKILL)
    deadline = time.monotonic() + seconds
    if seconds > 0 and not 0 < loop.kill_at < deadline:
        loop.kill_at, loop.times_out = deadline, False


def take_settings(loop: Loop, settings: dict[str, Any]) -> None:
    """Act on these settings from now on; `health` is only there if the checks begin anew."""
    kept = {key: value for key, value in loop.settings.items() if key.startswith("notify")}
    loop.settings = {**settings, **kept}
    if "health" in settings:
        if loop.health:
            loop.health.close(loop)
        health = loop.settings.pop("health")
        loop.health = _health()(health, time.monotonic()) if health else None


def thawed(state: dict[str, Any]) -> Health:
    """Return the health checks that another image of this process was at."""
    return _health().thaw(state)


def _health() -> type[Health]:
    # Most containers have none: it is not to cost `run` anything.
    from runtime.monitor.health import Health

    return Health


def _read_settings(loop: Loop) -> None:
    """Take what a command has changed since the last time."""
    content = _take(loop.directory + b"/settings")
    if content:
        take_settings(loop, marshal.loads(content))


def _read_names(loop: Loop) -> None:
    """Answer the names of the networks that the container is on now."""
    content = _take(loop.directory + b"/names")
    if not content:
        return
    if loop.spare:
        _load(loop.spare)
        loop.spare = b""
    from runtime.monitor.resolver import Settings

    settings = Settings.thaw(marshal.loads(content))
    if loop.resolver:
        loop.resolver.change(settings)
        return
    from runtime.errors import OCIRuntimeError
    from runtime.monitor import resolver_sockets

    try:
        resolver_sockets.answer_names(loop, f"/proc/{loop.pid}/ns/net", settings)
    except OCIRuntimeError:
        pass  # the container has ended, or has no more descriptors


def _load(spare: bytes) -> None:
    """Load modules from their code, compressed (see reexec.py)."""
    from zlib import decompress

    for name, code in marshal.loads(decompress(spare)):
        if name not in sys.modules:
            sys.modules[name] = type(sys)(name)
            exec(code, sys.modules[name].__dict__)


def _take(path: bytes) -> bytes:
    """Return what a command has written for us, once."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b""
    content = posix.read(fd, _LARGEST)
    posix.close(fd)
    posix.unlink(path)
    return content


def _resize(loop: Loop, height: int, width: int) -> None:
    loop.size = (height, width)
    if loop.console < 0 or height > 0xFFFF or width > 0xFFFF:
        return
    # Imported at the first resize: a container without a terminal has none.
    import fcntl

    size = b"".join(number.to_bytes(2, sys.byteorder) for number in (height, width, 0, 0))
    try:
        fcntl.ioctl(loop.console, _TIOCSWINSZ, size)
    except OSError:
        pass
