"""Go's templates, against what pkg.go.dev/text/template says of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.cli.govalues import Map
from pod.cli.template import Template
from pod.cli.templatewords import TemplateError

DATA: dict[str, Any] = {
    "Name": "web",
    "Count": 3,
    "Ratio": 1.5,
    "On": True,
    "Off": False,
    "Nothing": None,
    "Empty": "",
    "List": ["a", "b", "c"],
    "None": [],
    "Labels": Map({"z": "1", "a": "2"}),
    "State": {"Pid": 12, "Running": True},
    "Label": lambda name: f"label {name}",
    "Lazy": lambda: "made",
    "Mounts": [{"Source": "/a"}, {"Source": "/b"}],
}


def render(source: str) -> str:
    return Template(source, name="t").render(DATA)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("{{.Name}}-{{.Count}}", "web-3"),
        ("{{.State.Pid}}", "12"),
        ("{{ .State.Running }}", "true"),
        ("{{.List}} {{.Labels}} {{.State}}", "[a b c] map[a:2 z:1] {12 true}"),
        ("{{.Nothing}} {{.Labels.no}} {{.Labels.a}}", "<nil> <no value> 2"),
        ("{{.Ratio}} {{3.0}} {{1e3}} {{0x10}} {{'a'}}", "1.5 3 1000 16 97"),
        ('{{"quo\\"te\\t"}}{{`raw\\n`}}', 'quo"te\traw\\n'),
        ("a {{- 1 -}} b", "a1b"),
        ("a {{- /* comment */ -}} b", "ab"),
        ("{{/* comment }} */}}x", "x"),
        ('{{"}}"}}', "}}"),
        ("{{if .On}}y{{else}}n{{end}}", "y"),
        ("{{if .Off}}y{{else}}n{{end}}", "n"),
        ("{{if .Empty}}1{{else if .Count}}2{{else}}3{{end}}", "2"),
        ("{{if .None}}y{{end}}", ""),
        ("{{with .State}}{{.Pid}}{{$.Name}}{{end}}", "12web"),
        ("{{with .None}}y{{else}}n{{end}}", "n"),
        ("{{range .List}}<{{.}}>{{end}}", "<a><b><c>"),
        ("{{range $i, $e := .List}}{{$i}}{{$e}} {{end}}", "0a 1b 2c "),
        ("{{range $e := .List}}{{$e}}{{end}}", "abc"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a=2;z=1;"),
        ("{{range .None}}x{{else}}none{{end}}", "none"),
        ('{{range .List}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}', "ac"),
        ('{{range .List}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', "a"),
        ("{{range .Mounts}}{{.Source}} {{end}}", "/a /b "),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{$x := .Count}}{{$x}}{{if .On}}{{$x = 9}}{{end}}{{$x}}", "39"),
        ('{{index .List 1}}{{index .Labels "z"}}{{index .Labels "no"}}', "b1"),
        ("{{(index .Mounts 1).Source}}", "/b"),
        ("{{slice .Name 1 2}}{{slice .List 1}}", "e[b c]"),
        ("{{len .Name}}{{len .List}}{{len .Labels}}", "332"),
        ('{{eq .Count 1 2 3}} {{ne .Name "web"}} {{lt 1 2}} {{ge 2 2}} {{gt "a" "b"}}', "true false true true false"),
        ("{{and .On .Name}} {{and .Off .Boom}} {{or .Empty .Name}} {{not .Off}}", "web false web true"),
        ('{{.Name | upper}} {{.Name | printf "%-5s|"}}', "WEB web  |"),
        (
            '{{printf "%05d %x %q %v %t %.2f %% %c" 7 255 "a" .List true .Ratio 65}}',
            '00007 ff "a" [a b c] true 1.50 % A',
        ),
        ('{{printf "%d" .Name}} {{printf "%s"}}', "%!d(string=web) %!s(MISSING)"),
        ('{{print 1 2 "a" 3}}', "1 2a3"),
        ('{{println 1 "a"}}', "1 a\n"),
        ('{{join .List ", "}} {{lower "ABC"}} {{title "a b"}} {{split "a,b" ","}}', "a, b, c abc A B [a b]"),
        ("{{json .State}} {{json .Labels}} {{json .Empty}}", '{"Pid":12,"Running":true} {"a":"2","z":"1"} ""'),
        ("{{truncate .Name 2}}[{{pad .Name 1 2}}]", "we[ web  ]"),
        ('{{html "<a>"}}', "&lt;a&gt;"),
        ('{{.Label "x"}} {{.Lazy}} {{.Label .Name | upper}}', "label x made LABEL WEB"),
        ("{{(.State).Pid}} {{((len .List))}}", "12 3"),
    ],
)
def test_rendering(source: str, expected: str) -> None:
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{.Foo}}", 'template: t:1:2: executing "t" at <.Foo>: can\'t evaluate field Foo in type \\*t'),
        ("{{.Name.X}}", "can't evaluate field X in type string"),
        ("a\n{{.Foo}}", "template: t:2:2: "),
        ("{{.Nothing.X}}", "nil data"),
        ("{{.Foo", "template: t:1: unclosed action"),
        ("{{foo}}", 'template: t:1: function "foo" not defined'),
        ("{{end}}", "unexpected {{end}}"),
        ("{{if .On}}", "unexpected EOF"),
        ("{{}}", "missing value for command"),
        ("{{if}}{{end}}", "missing value for if"),
        ("{{$x}}", 'undefined variable "\\$x"'),
        ("{{(.Name}}", "unclosed left paren"),
        ('{{"a}}', "unterminated quoted string"),
        ("{{break}}", "outside {{range}}"),
        ("{{index .List 9}}", "index out of range: 9"),
        ('{{eq 1 "a"}}', "incompatible types for comparison"),
        ("{{len 1}}", "len of type int"),
        ("{{len}}", "wrong number or type of args for len"),
        ("{{.Name 1}}", "cannot be invoked as function"),
        ("{{range .On}}{{end}}", "can't iterate over true"),
        ('{{template "x"}}', "not supported"),
    ],
)
def test_errors(source: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        render(source)


@given(st.text(alphabet="{}.|()$\"`' -/*=:0aN", max_size=20))
def test_whatever_is_typed_is_rendered_or_refused(source: str) -> None:
    try:
        render(source)
    except TemplateError:
        pass


@given(st.text().filter(lambda text: "{{" not in text))
def test_plain_text_is_itself(source: str) -> None:
    assert render(source) == source
