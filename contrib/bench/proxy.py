"""A proxy in front of a registry, which counts what it sends and may send it slowly."""

from __future__ import annotations

import select
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

PIECE = 64 << 10


class Proxy:
    """Passes connections on to a registry (HOST:PORT), each with at most `rate` bytes a second if that is given."""

    def __init__(self, registry: str, rate: int | None = None) -> None:
        self._registry = registry
        self._rate = rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        host, _, port = self._registry.rpartition(":")
        while not self._ended.is_set():
            if not select.select([self._listener], [], [], 0.2)[0]:
                continue
            client, _ = self._listener.accept()
            upstream = socket.create_connection((host, int(port)))
            for source, target, answer in ((client, upstream, False), (upstream, client, True)):
                threading.Thread(target=self._pump, args=(source, target, answer), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, answer: bool) -> None:
        due = time.monotonic()
        try:
            while data := source.recv(PIECE):
                target.sendall(data)
                if answer:
                    self.sent += len(data)
                if answer and self._rate:
                    due = max(due, time.monotonic() - 0.02) + len(data) / self._rate
                    time.sleep(max(0.0, due - time.monotonic()))
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
