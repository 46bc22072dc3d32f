"""The runtime-spec as its authors test it: `pod-runtime` and the validation suite of OCI runtime-tools."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from tests.fixtures import place, validation
from tests.fixtures.command import install

SUITE = os.environ.get(validation.VARIABLE, "")
NAMES = list(validation.programs(SUITE)) if SUITE else ["suite"]
EXPECTATIONS = os.path.join(os.path.dirname(__file__), "expected_failures.txt")

pytestmark = [
    pytest.mark.root,
    # Not by the tests themselves: what they need takes seconds to make.
    pytest.mark.skipif(not SUITE, reason=f"OCI runtime-tools: {validation.VARIABLE} does not name a built suite"),
]


def expectations() -> dict[str, str]:
    """Return "fails" or "either" by program."""
    with open(EXPECTATIONS) as file:
        lines = [line.split(maxsplit=2) for line in file if not line.startswith("#")]
    assert all(len(line) == 3 and line[0] in ("fails", "either") for line in lines), "a line gives no reason"
    return {name: kind for kind, name, _reason in lines}


@pytest.fixture(scope="module")
def scratch() -> Iterator[str]:
    with place.make() as path:
        yield path


@pytest.fixture(scope="module")
def runtime(scratch: str) -> validation.Runtime:
    command = install(os.path.join(scratch, "program"))
    return validation.Runtime("pod-runtime", os.path.join(os.path.dirname(command), "pod-runtime"))


@pytest.mark.parametrize("name", NAMES)
def test_validation(name: str, runtime: validation.Runtime, scratch: str) -> None:
    outcome = validation.run(SUITE, name, runtime, os.path.join(scratch, name))
    expected = expectations().get(name, "passes")
    if expected == "fails":
        assert outcome.verdict == "fail", f"{name} passes: remove it from {EXPECTATIONS}"
    elif expected == "passes":
        failures = re.findall(r"^not ok.*(?:\n(?!ok).*){0,9}", outcome.report, re.MULTILINE)
        assert outcome.verdict != "fail", "\n".join(failures) or outcome.report[-2000:]


def test_expected_failures_name_programs() -> None:
    assert set(expectations()) <= set(NAMES)
