"""The way in: what all commands run in."""

from __future__ import annotations

import resource

from pod.__main__ import roomy


def test_no_depth_of_calls_has_the_interpreter_map_memory_for_each_call() -> None:
    def leaf(*_: int) -> None:
        """Have a frame of some size."""

    def at(depth: int) -> int:
        if depth:
            return at(depth - 1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(200):
            leaf(1, 2, 3, 4, 5, 6, 7, 8, 9)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    assert roomy(lambda: max(at(depth) for depth in range(300))) < 100
    assert max(at(depth) for depth in range(300)) >= 200, "without, this test would show it"
