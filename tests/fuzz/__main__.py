"""Run one target under atheris; it ends at the first input that raises what it should not, and keeps that input."""

from __future__ import annotations

import os
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["storage", "pod"]):
    from tests.fuzz import targets


def main() -> None:
    """Fuzz the target that is named, from its seeds."""
    if len(sys.argv) < 2 or sys.argv[1] not in targets.TARGETS:
        sys.exit(
            f"usage: python -m tests.fuzz {'|'.join(targets.TARGETS)} [-runs=N] [-max_total_time=SECONDS] [CORPUS]"
        )
    target = sys.argv.pop(1)
    with tempfile.TemporaryDirectory(prefix="pod-fuzz-") as seeds:
        for number, seed in enumerate(targets.SEEDS[target]):
            with open(f"{seeds}/{number}", "xb") as file:
                file.write(seed)
        child = os.fork()  # the fuzzer exits without coming back: who made the directory has to outlive it
        if not child:
            atheris.Setup([*sys.argv, seeds], lambda data: targets.run(target, data))
            atheris.Fuzz()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
