"""Telling the service manager that a container is ready, by the socket that it gave to the command (sd_notify(3))."""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.monitor.loop import Loop


def announce(loop: Loop) -> None:
    """Send READY=1 with our pid, once; the settings name the socket while it has not been done."""
    address = loop.settings.pop("notify", b"")
    if not address:
        return
    # Imported only here: most monitors have no service manager.
    import _socket

    notifier = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        # An address that begins with @ is in the abstract namespace.
        target = b"\0" + address[1:] if address.startswith(b"@") else address
        notifier.sendto(b"MAINPID=%d\nREADY=1" % posix.getpid(), target)
    except OSError:
        pass  # nobody listens
    finally:
        notifier.close()
