#!/usr/bin/env python3
"""`pull` from a registry that gives each connection only so much, as those of the internet do: pod beside podman.

A proxy in front of the registry of contrib/bench/pull.py ($POD_BENCH_REGISTRY) sends 8 MiB a second per connection.
"""

from __future__ import annotations

import engines
import pull
from engines import Row
from proxy import Proxy

RATE = 8 << 20  # bytes a second


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    with Proxy(pull.REGISTRY, RATE) as proxy:
        medians = pull.measure(pull.NAMES, None, f"{proxy.address}/bench/a:gzip", options.runs)
    title = f"pull at {RATE >> 20} MiB/s a connection, 68 MB in one layer"
    engines.report([Row(title, medians, {})], as_json=options.json)


if __name__ == "__main__":
    main()
