#!/usr/bin/env python3
"""`pull` from a registry that gives each connection only so much, as those of the internet do: pod beside podman.

A proxy in front of the registry of contrib/bench/pull.py ($POD_BENCH_REGISTRY) sends 8 MiB a second per connection.
"""

from __future__ import annotations

import argparse
import select
import socket
import threading
import time

import engines
import pull
from engines import Row

RATE = 8 << 20  # bytes a second
PIECE = 64 << 10


def pump(source: socket.socket, target: socket.socket, rate: int | None) -> None:
    """Pass on what comes from one side, no faster than the rate."""
    due = time.monotonic()
    try:
        while data := source.recv(PIECE):
            target.sendall(data)
            if rate:
                due = max(due, time.monotonic() - 0.02) + len(data) / rate
                time.sleep(max(0.0, due - time.monotonic()))
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(listener: socket.socket, ended: threading.Event) -> None:
    """Take connections, each with one of its own to the registry."""
    host, _, port = pull.REGISTRY.rpartition(":")
    while not ended.is_set():
        if not select.select([listener], [], [], 0.2)[0]:
            continue
        client, _ = listener.accept()
        upstream = socket.create_connection((host, int(port)))
        for source, target, rate in ((client, upstream, None), (upstream, client, RATE)):
            threading.Thread(target=pump, args=(source, target, rate), daemon=True).start()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how many times each engine is measured")
    parser.add_argument("--json", action="store_true", help="print rows for contrib/bench/all")
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    server = threading.Thread(target=serve, args=(listener, ended))
    server.start()
    try:
        reference = f"127.0.0.1:{listener.getsockname()[1]}/bench/a:gzip"
        medians = pull.measure(pull.NAMES, None, reference, options.runs)
        title = f"pull at {RATE >> 20} MiB/s a connection, 68 MB in one layer"
        engines.report([Row(title, medians, {})], as_json=options.json)
    finally:
        ended.set()
        server.join()
        listener.close()


if __name__ == "__main__":
    main()
