from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import jsontext

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_reads_back_and_is_json(value: Any) -> None:
    text = jsontext.dumps(value)
    assert jsontext.loads(text) == value
    assert json.loads(text) == value


@given(VALUES)
def test_reads_what_the_library_writes(value: Any) -> None:
    assert jsontext.loads(json.dumps(value, indent=1).encode()) == value


def test_names_that_are_not_utf8_survive() -> None:
    assert jsontext.loads(jsontext.dumps(b"\xff".decode("utf-8", "surrogateescape"))) == "\udcff"


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "{} x", "NaN", "Infinity", '"a', "{'a': 1}", "[" * 100_000])
def test_refuses_what_is_not_json(text: str) -> None:
    with pytest.raises(ValueError):
        jsontext.loads(text)


def test_refuses_values_that_json_does_not_have() -> None:
    with pytest.raises(TypeError):
        jsontext.dumps({1, 2})
    with pytest.raises(ValueError):
        jsontext.dumps(float("nan"))
