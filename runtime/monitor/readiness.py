"""Telling the service manager that a container is ready, by the socket that it gave to the command (sd_notify(3))."""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.monitor.loop import Loop


_PASSED_ON = (
    *(b"READY=1", b"RELOADING=1", b"STOPPING=1", b"STATUS=", b"ERRNO=", b"BUSERROR=", b"MONOTONIC_USEC="),
    b"WATCHDOG=",
)
_LONGEST = 65536


def announce(loop: Loop) -> None:
    """Send READY=1 with our pid, once; the settings name the socket while it has not been done."""
    address = loop.settings.pop("notify", b"")
    if address:
        send(address, _main_pid() + b"READY=1")


def relay(loop: Loop) -> None:
    """Pass on what the container itself tells the service manager; that watches us, so we are its main process."""
    try:
        message = posix.read(loop.notifications, _LONGEST)
    except OSError:
        return
    lines = [line for line in message.split(b"\n") if line.startswith(_PASSED_ON)]
    if lines:
        send(
            loop.settings.get("notify_relay", b""), (_main_pid() if _PASSED_ON[0] in lines else b"") + b"\n".join(lines)
        )


def _main_pid() -> bytes:
    return b"MAINPID=%d\n" % posix.getpid()


def send(address: bytes, message: bytes) -> None:
    """Send a message to the service manager, if it listens."""
    # Imported only here: most monitors have no service manager.
    import _socket

    notifier = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        # An address that begins with @ is in the abstract namespace.
        notifier.sendto(message, b"\0" + address[1:] if address.startswith(b"@") else address)
    except OSError:
        pass  # nobody listens
    finally:
        notifier.close()
