from __future__ import annotations

from typing import Any

import pytest

from pod.containers.chooser import Choice
from pod.errors import PodError


@pytest.mark.parametrize(
    ("names", "flags", "message"),
    [
        ([], {}, "you must provide at least one name or id"),
        (["c"], {"all": True}, "no arguments are needed with --all"),
        (["c"], {"latest": True}, "--latest and containers cannot be used together"),
        (["c"], {"filters": ["name=x"]}, "--filter takes no arguments"),
        ([], {"all": True, "latest": True}, "--all and --latest cannot be used together"),
        ([], {"all": True, "cidfiles": ["x"]}, "--all, --latest, and --cidfile cannot be used together"),
    ],
)
def test_a_choice_that_contradicts_itself(names: list[str], flags: dict[str, Any], message: str) -> None:
    with pytest.raises(PodError) as failure:
        Choice(names, **flags).check()
    assert str(failure.value) == message


@pytest.mark.parametrize("flags", [{"all": True}, {"latest": True}, {"filters": ["x=y"]}, {"cidfiles": ["x"]}])
def test_a_flag_in_place_of_names(flags: dict[str, Any]) -> None:
    Choice(**flags).check()


def test_names_are_left_as_typed(tmp_path: Any) -> None:
    (tmp_path / "cid").write_text("0123\n")
    engine: Any = None
    files = [str(tmp_path / "cid")]
    assert Choice(["a", "b"], cidfiles=files).words(engine) == ["a", "b", "0123"]
    missing = [str(tmp_path / "none")]
    with pytest.raises(PodError, match=r"reading CIDFile: open .*/none: no such file or directory"):
        Choice(cidfiles=missing).words(engine)
    assert Choice(cidfiles=missing).words(engine, ignore=True) == []
