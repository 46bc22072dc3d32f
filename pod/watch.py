"""Waiting until a file or a directory changes: by inotify(7), else by looking now and then."""

from __future__ import annotations

import os
import select
import time

MODIFIED = 0x2
MOVED_TO = 0x80
CREATED = 0x100
DELETED = 0x200
_BLIND_SECONDS = 0.1


class Watch:
    """Wakes its owner at changes. What several paths have to tell comes by one descriptor."""

    __slots__ = ("_add", "_output", "_poller", "fd")

    def __init__(self, output: int = -1) -> None:
        """Begin; `output` is the descriptor of a pipe whose reader may go."""
        # 1.5 ms that only those pay who follow something.
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        self._add = libc.inotify_add_watch
        self.fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poller = select.poll()
        self._output = output
        if output >= 0:
            self._poller.register(output, 0)
        if self.fd >= 0:
            self._poller.register(self.fd, select.POLLIN)

    def add(self, path: str, mask: int = MODIFIED) -> bool:
        """Wait for changes of a path as well; False if that is not possible."""
        return self.fd >= 0 and self._add(self.fd, os.fsencode(path), mask) >= 0

    def wait(self, seconds: float, *, blind: bool = False) -> None:
        """Wait until something has changed, but not for longer; `blind` if a path could not be added.

        Raises BrokenPipeError when nobody reads our output any more.
        """
        if self.fd < 0 or blind:
            time.sleep(min(seconds, _BLIND_SECONDS))
            return
        ready = dict(self._poller.poll(max(0, int(seconds * 1000))))
        if self._output in ready:
            raise BrokenPipeError
        if self.fd in ready:
            try:
                os.read(self.fd, 65536)
            except BlockingIOError:
                pass

    def close(self) -> None:
        """End the waiting."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
