"""Go's templates: what Go 1.19's own text/template makes of a table of them, and what later versions of Go added.

`go_1_19.json` has rows of template, text and error, written by a Go program with the functions of podman's reports.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.template.lexer import TemplateError
from pod.template.rendering import Template
from pod.template.values import Map, record

with open(os.path.join(os.path.dirname(__file__), "go_1_19.json")) as file:
    TABLE = json.load(file)

FIELDS: dict[str, Any] = {
    "Name": "web",
    "Count": 3,
    "Ratio": 1.5,
    "On": True,
    "Off": False,
    "Nothing": None,
    "Empty": "",
    "List": ["a", "b", "c"],
    "None": [],
    "Ints": [1, 20, 300],
    "Labels": Map({"z": "1", "a": "2", "odd.key/x": "odd"}),
    "State": {"Pid": 12, "Running": True},
    "Mounts": [{"Source": "/a"}, {"Source": "/b"}],
    "Any": Map({"n": 5, "s": "text", "l": ["x", 1], "m": Map({"k": "v"}), "nil": None, "t": True}),
}
METHODS: dict[str, Any] = {"Label": lambda name: f"label {name}", "Lazy": lambda: "made"}


def render(source: str) -> str:
    # Go prints a struct's fields, not its methods.
    value = FIELDS if source.startswith("{{.}}") else {**FIELDS, **METHODS}
    return Template(source, name="t", type="T").render(value)


@pytest.mark.parametrize(("source", "expected", "error"), TABLE)
def test_as_go(source: str, expected: str, error: str) -> None:
    if error:
        with pytest.raises(TemplateError) as failure:
            render(source)
        assert str(failure.value) == error
    else:
        assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{range $i := 2}}<{{$i}}>{{end}}", "<0><1>"),
        ("{{with .Nothing}}a{{else with .Name}}{{.}}{{else}}b{{end}}", "web"),
        ("{{with .Nothing}}a{{else with .Empty}}{{.}}{{else}}b{{end}}", "b"),
    ],
)
def test_what_later_versions_of_go_added(source: str, expected: str) -> None:
    assert render(source) == expected


def test_the_place_of_an_error_counts_what_stands_before_the_template() -> None:
    with pytest.raises(TemplateError) as failure:
        Template("{{.Nope}}", name="ps", offset=len("{{range .}}"), type="containers.psReporter").render({})
    assert str(failure.value) == (
        'template: ps:1:13: executing "ps" at <.Nope>: can\'t evaluate field Nope in type containers.psReporter'
    )


def test_templates_that_call_each_other_come_to_an_end() -> None:
    with pytest.raises(TemplateError, match="exceeded maximum template depth"):
        render('{{define "a"}}{{template "a"}}{{end}}{{template "a"}}')


@pytest.mark.parametrize("source", ["{{" + "(" * 9000 + "1" + ")" * 9000 + "}}", "{{if 1}}" * 9000 + "{{end}}" * 9000])
def test_what_is_nested_too_deeply_is_refused(source: str) -> None:
    with pytest.raises(TemplateError, match="nested too deeply"):
        render(source)


def test_a_long_range_needs_no_memory() -> None:
    assert render("{{range 1000000000000}}{{.}}{{break}}{{end}}") == "0"


@given(st.text(alphabet="{}.|()$\"`' -/*=:0aN", max_size=20))
def test_whatever_is_typed_is_rendered_or_refused(source: str) -> None:
    try:
        render(source)
    except TemplateError:
        pass


@given(st.text().filter(lambda text: "{{" not in text))
def test_plain_text_is_itself(source: str) -> None:
    assert render(source) == source


@given(st.text(alphabet="%+-# 0123456789.*[]sdvqxTfc", max_size=12))
def test_whatever_printf_is_given_it_prints(format: str) -> None:
    if "`" not in format and not any(len(part) > 4 for part in format.replace("*", ".").split(".")):
        render(f"{{{{printf `{format}` 1 .Name .Ratio .List .Labels .Nothing}}}}")


def test_times_of_objects_print_as_go_prints_them() -> None:
    shown = record({"State": {"StartedAt": "2026-11-27T03:47:09.42706481Z", "FinishedAt": "0001-01-01T00:00:00Z"}})

    def rendered(source: str) -> str:
        return Template(source, name="inspect").render(shown)

    assert rendered("{{.State.StartedAt}}") == "2026-11-27 03:47:09.42706481 +0000 UTC"
    assert rendered("{{json .State.StartedAt}}") == '"2026-11-27T03:47:09.42706481Z"'
    assert rendered("{{.State.StartedAt.Year}} {{.State.StartedAt.Unix}}") == "2026 1795751229"
    assert rendered("{{.State.StartedAt.IsZero}} {{.State.FinishedAt.IsZero}}") == "false true"
    assert rendered("{{.State.FinishedAt}}") == "0001-01-01 00:00:00 +0000 UTC"
    assert rendered('{{.State.StartedAt.Format "2006-01-02T15:04:05Z07:00"}}') == "2026-11-27T03:47:09Z"
    assert rendered('{{.State.StartedAt.Format "Mon Jan 02 2006"}}') == "Fri Nov 27 2026"


def test_null_lists_and_maps_are_empty_ones_for_templates() -> None:
    shown = record({"Entrypoint": None, "Volumes": None, "PortBindings": {}, "Other": None})
    for source, text in (
        ("{{.Entrypoint}} {{.Volumes}} {{.PortBindings}} {{.Other}}", "[] map[] map[] <nil>"),
        ("{{len .Entrypoint}} {{len .Volumes}} {{len .PortBindings}}", "0 0 0"),
        ("{{range .Entrypoint}}x{{end}}{{range $k, $v := .Volumes}}x{{end}}{{if .Entrypoint}}x{{end}}", ""),
        ("{{json .Entrypoint}} {{json .Volumes}} {{json .PortBindings}}", "null null {}"),
    ):
        assert Template(source, name="inspect").render(shown) == text
