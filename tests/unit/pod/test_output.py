"""What commands print: columns, sizes, ages, JSON, YAML."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.cli import output
from pod.errors import PodError
from pod.template.values import Map, Time, record

ROWS: list[dict[str, Any]] = [
    {"ID": "abc", "Names": ["one", "two"], "Labels": Map({"a": "b"}), "Size": "1 MB"},
    {"ID": "def", "Names": [], "Labels": Map(), "Size": "0 B"},
]


def printed(capsys: pytest.CaptureFixture[str], format: str, **settings: Any) -> str:
    output.print_rows(ROWS, format, entity="images", **settings)
    return capsys.readouterr().out


def test_columns_are_padded_as_by_tabwriter() -> None:
    rows = [["REPOSITORY", "TAG", "SIZE"], ["127.0.0.1:5055/bench/a", "gzip", "180 MB"]]
    assert output.align(rows) == (
        "REPOSITORY              TAG         SIZE\n127.0.0.1:5055/bench/a  gzip        180 MB\n"
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (4_246_700, "4.25 MB"), (180_164_566, "180 MB"), (1.2e12, "1.2 TB")],
)
def test_size(count: float, text: str) -> None:
    assert output.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (120, "2 minutes"),
        (3600, "About an hour"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (14 * 86400, "2 weeks"),
        (60 * 86400, "2 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_template_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, r"{{.ID}}\t{{len .Names}}") == "abc\t2\ndef\t0\n"


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    expected = "IMAGE ID    SIZE\nabc         1 MB\ndef         0 B\n"
    assert printed(capsys, r"table {{.ID}}\t{{.Size}}", headers={"ID": "IMAGE ID"}) == expected
    assert printed(capsys, "table {{.ID}} {{.Size}}", headers={"ID": "IMAGE ID"}) == expected
    assert printed(capsys, "table {{.ID}}", noheading=True) == "abc\ndef\n"


@pytest.mark.parametrize("format", ["json", "{{json .}}", "{{ json . }}", "{{json}}"])
def test_json(capsys: pytest.CaptureFixture[str], format: str) -> None:
    assert json.loads(printed(capsys, format)) == ROWS


def test_field_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PodError, match=r'template: images:1:13: executing "images" at <.Foo>: can\'t evaluate field'):
        printed(capsys, "{{.Foo}}")


@pytest.mark.parametrize(("field", "title"), [("ID", "ID"), ("CreatedAt", "CREATED AT"), ("ImageID", "IMAGE ID")])
def test_title(field: str, title: str) -> None:
    assert output.title(field) == title


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.sampled_from(["", " ", "    "]))
def test_json_is_what_json_reads(value: Any, indent: str) -> None:
    assert json.loads(output.to_json(value, indent=indent)) == value


def test_json_layout() -> None:
    text = output.to_json([{"a": [], "b": {}, "c": [1, None]}], indent="     ")
    assert text == json.dumps([{"a": [], "b": {}, "c": [1, None]}], indent=5)


def test_inspected(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_inspected([{"Id": "abc", "Config": {"Labels": {}}}], "{{.ID}} {{.Config.Labels.no}}")
    assert capsys.readouterr().out == "abc <no value>\n"
    output.print_inspected([], None)
    assert capsys.readouterr().out == "[]\n"


def test_fields_of_records_have_gos_names() -> None:
    told = record({"store": {"graphRoot": "/x", "graphOptions": {}}})
    assert told["Store"]["GraphRoot"] == "/x"
    assert isinstance(told["store"]["graphOptions"], Map)


def test_yaml() -> None:
    value = {
        "a": "x",
        "n": 1,
        "v": "12",
        "t": True,
        "e": [],
        "l": ["k8s-file"],
        "d": {"p": "/x", "q": None, "c": "a: b"},
    }
    assert output.to_yaml(value) == (
        'a: x\nn: 1\nv: "12"\nt: true\ne: []\nl:\n- k8s-file\nd:\n  p: /x\n  q: null\n  c: "a: b"\n'
    )


def test_time() -> None:
    assert Time(0).to_json() == "1970-01-01T00:00:00Z"
    assert str(Time(1.5)) == "1970-01-01 00:00:01.5 +0000 UTC"
    assert Time(None).to_json() == "0001-01-01T00:00:00Z"
