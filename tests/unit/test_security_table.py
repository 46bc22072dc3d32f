"""The table of contrib/docs/security.md names tests that exist."""

from __future__ import annotations

import ast
import os
import re
from functools import cache

import pytest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def rows() -> list[str]:
    with open(f"{SOURCE}/contrib/docs/security.md", encoding="utf-8") as file:
        lines = [line for line in file if line.startswith("| ")]
    return [line for line in lines if not line.startswith("| advisory ")]


@cache
def functions_of(path: str) -> frozenset[str]:
    with open(path, encoding="utf-8") as file:
        nodes = ast.walk(ast.parse(file.read()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", rows())
def test_each_row_names_tests_that_exist(row: str) -> None:
    names = row.rstrip().rstrip("|").rpartition("|")[2].split(",")
    path = ""
    for name in (each.strip() for each in names):
        file, colons, test = name.rpartition("::")
        if colons:
            path = f"{SOURCE}/{file if '/' in file else f'tests/integration/{file}'}"
        assert re.fullmatch(r"test_\w+", test), name
        assert test in functions_of(path), name


def test_the_table_has_rows() -> None:
    assert len(rows()) > 30
