from __future__ import annotations

import pytest

from pod.build.language.directives import read_directives
from pod.build.language.instructions import Directives


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#escape=`", Directives(escape="`")),
        ("# escape = `", Directives(escape="`")),
        ("#\t eScApE=`  ", Directives(escape="`")),
        ("  # escape=`", Directives(escape="`")),
        ("# syntax=docker/dockerfile:1\n# escape=`", Directives(syntax="docker/dockerfile:1", escape="`")),
        ("# check=skip=JSONArgsRecommended;error=true", Directives(check="skip=JSONArgsRecommended;error=true")),
        ("#!/usr/bin/env build\n# escape=`", Directives(escape="`")),
        # Whatever is no directive ends them.
        ("\n# escape=`", Directives()),
        ("# comment\n# escape=`", Directives()),
        ("# unknown=x\n# escape=`", Directives()),
        ("FROM a\n# escape=`", Directives()),
        ("# esc \\\n# ape=`", Directives()),
        ("# escape=", Directives()),
        ("# syntax=a\n\n# syntax=b", Directives(syntax="a")),
    ],
)
def test_directives(text: str, expected: Directives) -> None:
    assert read_directives(text.split("\n"), "Containerfile") == expected
