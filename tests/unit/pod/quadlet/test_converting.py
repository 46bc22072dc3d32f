"""Files together: names, dependencies, templates, circles; and that nothing makes it crash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.quadlet import converting
from pod.quadlet.kinds.table import KINDS
from pod.quadlet.unitfile import parse
from pod.quadlet.units import Unit
from tests.fixtures.quadlets import PLACE, converted, service, told, values

IMAGE = "[Container]\nImage=localhost/x\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("web.container", IMAGE, "web.service"),
        ("web.container", IMAGE + "ServiceName=other\n", "other.service"),
        ("a.b.container", IMAGE, "a.b.service"),
        ("web@.container", IMAGE, "web@.service"),
        ("web@one.container", IMAGE, "web@one.service"),
        ("web.pod", "[Pod]\n", "web-pod.service"),
        ("web@.pod", "[Pod]\n", "web-pod@.service"),
    ],
)
def test_names_of_services(name: str, text: str, expected: str) -> None:
    assert service(name, text).service.name == expected


@pytest.mark.parametrize("name", [".container", "web.service", "web", "container"])
def test_files_that_are_of_no_kind(name: str) -> None:
    assert not converted({name: IMAGE})


def test_dependencies_on_files_are_on_their_services() -> None:
    files = {
        "x.container": IMAGE + "[Unit]\nAfter=a.container\nAfter=net.target web.pod\nWants=a.container\n"
        "Upholds=many@one.container\nRequires=other.service\n",
        "a.container": IMAGE + "ServiceName=b\n",
        "many@.container": IMAGE,
        "web.pod": "[Pod]\n",
    }
    unit = converted(files)["x.container"]
    assert values(unit, "Unit", "After") == ["network-online.target", "b.service net.target web-pod.service"]
    assert values(unit, "Unit", "Wants") == ["network-online.target", "b.service"]
    assert values(unit, "Unit", "Upholds") == ["many@one.service"]
    assert values(unit, "Unit", "Requires") == ["other.service"]


def test_templates_are_installed_by_their_default_instance() -> None:
    install = "[Install]\nWantedBy=default.target\n"
    assert service("x@.container", IMAGE + install).links == []
    assert service("x@.container", IMAGE + install + "DefaultInstance=one\n").links == [
        ("default.target.wants/x@one.service", "../x@.service")
    ]
    unit = service("x@one.container", IMAGE + install)
    assert unit.links == [("default.target.wants/x@one.service", "../x@one.service")]
    assert "systemd-%p_%i" in values(unit, "Service", "ExecStart")[0]


def test_what_install_says_becomes_links() -> None:
    text = (
        '[Install]\nAlias=a.service \\\n "b.service"\nAlias=in/a/c.service\nWantedBy=gone.target\nWantedBy=\n'
        "WantedBy=d.target e.target\nRequiredBy=f.service\nUpheldBy=g.service\n"
    )
    assert service("x.container", IMAGE + text).links == [
        ("a.service", "x.service"),
        ("b.service", "x.service"),
        ("in/a/c.service", "../../x.service"),
        ("d.target.wants/x.service", "../x.service"),
        ("e.target.wants/x.service", "../x.service"),
        ("f.service.requires/x.service", "../x.service"),
        ("g.service.upholds/x.service", "../x.service"),
    ]


def test_two_files_that_make_one_service() -> None:
    units = converted({"a.container": IMAGE, "b.container": IMAGE + "ServiceName=a\n", "c.container": IMAGE})
    assert not units["a.container"].failed
    assert not units["c.container"].failed
    assert told(units["b.container"]) == [
        f"{PLACE}/b.container:3: service a.service is made by {PLACE}/a.container already;"
        " give one of them another ServiceName="
    ]


def test_two_services_that_make_one_container_or_pod() -> None:
    units = converted(
        {
            "a.container": IMAGE + "ContainerName=c\n",
            "b.container": IMAGE + "ContainerName=c\n",
            "p@.container": IMAGE + "ContainerName=c-%i\n",
            "q@.container": IMAGE + "ContainerName=c-%i\n",
            "a.pod": "[Pod]\nPodName=c\n",
            "b.pod": "[Pod]\nPodName=c\n",
        }
    )
    assert [name for name, unit in units.items() if unit.problems] == ["b.container", "b.pod"]
    assert told(units["b.container"]) == [
        f"{PLACE}/b.container:3: Warning: container c is made by {PLACE}/a.container, too;"
        " give one of them another ContainerName="
    ]


def test_a_circle_is_told_once_with_a_line_of_its() -> None:
    units = converted(
        {
            "a.container": IMAGE + "[Unit]\nAfter=b.container\n",
            "b.container": IMAGE + "[Unit]\nAfter=c.container\n",
            "c.container": IMAGE + "[Unit]\nBefore=d.container\nAfter=a.container\n",
            "d.container": IMAGE + "[Unit]\nAfter=a.container\n",
        }
    )
    assert [told(unit) for unit in units.values() if unit.problems] == [
        [
            f"{PLACE}/a.container:4: Warning: ordering cycle:"
            " a.service after b.service after c.service after a.service; leave out one of these orders"
        ]
    ]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("Imge=x", "did you mean 'Image'?"),
        ("publishport=80", "did you mean 'PublishPort'?"),
        ("Restart=always", "it is a key of [Service]"),
        ("WantedBy=default.target", "it is a key of [Install]"),
        ("After=x.service", "it is a key of [Unit]"),
        ("Subnet=10.0.0.0/24", "only .network files have it"),
        ("BlkioWeight=3", "flags without a key of their own go into PodmanArgs="),
    ],
)
def test_a_key_that_there_is_not_comes_with_a_hint(line: str, hint: str) -> None:
    problem = converted({"x.container": f"{IMAGE}{line}\n"})["x.container"].problems[0]
    assert (problem.line, problem.hint) == (3, hint)


def test_what_is_left_out_is_in_nobodys_way() -> None:
    units = converted({"bad.container": "[Container]\n", "worse.pod": "what\n", "good.container": IMAGE})
    assert [name for name, unit in units.items() if unit.failed] == ["bad.container", "worse.pod"]


def test_an_error_of_ours_is_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(unit: Unit) -> None:
        raise ZeroDivisionError("so\nit is")

    monkeypatch.setattr("pod.quadlet.kinds.pod.convert", convert)
    units = converted({"x.pod": "[Pod]\n", "good.container": IMAGE})
    assert told(units["x.pod"]) == [f"{PLACE}/x.pod: unexpected ZeroDivisionError: so\\nit is; please report it"]
    assert not units["good.container"].failed


_KEYS = sorted({key for kind in KINDS.values() for key in kind.keys} | {"After", "Type", "WantedBy", "Alias", "x"})
_NAMES = [f"{base}.{kind}" for base in ("a", "b@", "b@i", "c-d") for kind in ("container", "pod")]
_SECTIONS = ["Container", "Pod", "Unit", "Service", "Install", "Quadlet", "X-Pod"]
_VALUES = st.sampled_from(
    [*_NAMES, "", "yes", "a:b:c", "type=bind,src=a", "%i", '"', "\\x", "a b", "-", ".", "../x", ";"]
)
_LINES = st.one_of(
    st.builds("{}={}".format, st.sampled_from(_KEYS), st.one_of(_VALUES, st.text())),
    st.builds("[{}]".format, st.sampled_from(_SECTIONS)),
    st.text(),
)


@given(st.dictionaries(st.sampled_from(_NAMES), st.lists(_LINES).map("\n".join), max_size=4), st.booleans())
def test_no_text_makes_it_crash_and_what_it_makes_is_the_same_each_time(files: dict[str, str], user: bool) -> None:
    made = []
    for _ in range(2):
        parsed = [parse(text, f"{PLACE}/{name}") for name, text in files.items()]
        units = converting.convert(parsed, command="/pod", user=user)
        made.append([(told(unit), unit.links, unit.service.text()) for unit in units])
    assert made[0] == made[1]
    for unit in units:
        assert not [line for line in told(unit) if "unexpected" in line]
        if not unit.failed:
            again = parse(unit.service.text(), "x.service")
            assert not again.problems, unit.service.text()
            assert "/" not in unit.service.name
