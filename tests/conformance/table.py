"""Print what the validation suite of OCI runtime-tools says of pod-runtime, runc and crun, all in one run.

    POD_VALIDATION_SUITE=DIR python -m tests.conformance.table [PROGRAM...]

P passed, F failed, - asserted nothing (the suite's own weakness) and reported no error. The old crun of Debian 12 gets
a mount namespace with cgroup v2 alone, since it refuses hybrid layouts, and configurations of runtime-spec 1.0 without
device rules, whose eBPF it cannot load where root lacks CAP_SYS_RESOURCE.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.fixtures import place, validation
from tests.fixtures.command import install
from tests.fixtures.validation import Runtime

_MARKS = {"pass": "P", "fail": "F", "clean": "-"}
_CRUN = """#!{python} -IS
import json, os, sys

if "create" in sys.argv and "--bundle" in sys.argv:
    path = os.path.join(sys.argv[sys.argv.index("--bundle") + 1], "config.json")
    with open(path) as file:
        spec = json.load(file)
    if str(spec.get("ociVersion")).startswith("1."):
        spec["ociVersion"] = "1.0.2"
    (spec.get("linux") or {{}}).get("resources", {{}}).pop("devices", None)
    with open(path, "w") as file:
        json.dump(spec, file)
os.execv("{crun}", ["{crun}", *sys.argv[1:]])
"""


def main() -> None:
    """Run the programs against each runtime, and print a row for each."""
    suite = os.environ.get(validation.VARIABLE)
    if not suite:
        sys.exit(f"{validation.VARIABLE} does not name a built validation suite")
    names = sys.argv[1:] or list(validation.programs(suite))
    with place.make() as scratch:
        runtimes = _runtimes(scratch)
        print("| test |", " | ".join(runtime.name for runtime in runtimes), "|", flush=True)
        print("|---" * (len(runtimes) + 1) + "|")
        marks = []
        for name in names:
            row = [_mark(suite, name, runtime, scratch) for runtime in runtimes]
            print(f"| {name} |", " | ".join(row), "|", flush=True)
            marks.append(row)
        passed = [sum(row[index] == "P" for row in marks) for index in range(len(runtimes))]
        print(f"| passed of {len(names)} |", " | ".join(str(number) for number in passed), "|")


def _mark(suite: str, name: str, runtime: Runtime, scratch: str) -> str:
    outcome = validation.run(suite, name, runtime, os.path.join(scratch, "run"))
    return _MARKS[outcome.verdict]


def _runtimes(scratch: str) -> list[Runtime]:
    ours = os.path.join(os.path.dirname(install(os.path.join(scratch, "program"))), "pod-runtime")
    found = [Runtime("pod-runtime", ours)]
    if runc := shutil.which("runc"):
        found.append(Runtime(_version("runc"), runc))
    if crun := shutil.which("crun"):
        adapter = os.path.join(scratch, "crun")
        with open(adapter, "w") as file:
            file.write(_CRUN.format(python=os.path.realpath(sys.executable), crun=crun))
        os.chmod(adapter, 0o755)
        pure_v2 = not os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        found.append(Runtime(_version("crun"), adapter, pure_v2=pure_v2))
    return found


def _version(program: str) -> str:
    words = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return f"{program} {words[2].partition('+')[0]}"


if __name__ == "__main__":
    main()
