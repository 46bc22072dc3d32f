"""Files of OCI hooks: whom they are for, which of two counts, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pod.containers import hooks
from pod.errors import PodError


def hook(when: dict[str, Any], *stages: str, **entry: Any) -> dict[str, Any]:
    return {
        "version": "1.0.0",
        "hook": {"path": "/bin/true", **entry},
        "when": when,
        "stages": list(stages or ["prestart"]),
    }


def written(directory: Path, **documents: Any) -> str:
    directory.mkdir(exist_ok=True)
    for name, document in documents.items():
        text = document if isinstance(document, str) else json.dumps(document)
        (directory / f"{name}.json").write_text(text)
    return str(directory)


ANNOTATIONS = {"org.example.kind": "fluid-dynamics", "other": "x"}


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, False),
        ({"always": True}, True),
        ({"always": False}, False),
        ({"always": True, "hasBindMounts": True}, True),
        ({"always": True, "hasBindMounts": False}, False),
        ({"commands": [".*/init$", "^/bin/s"]}, True),
        ({"commands": ["^sh$"]}, False),
        ({"always": True, "commands": ["^sh$"]}, False),
        ({"always": False, "commands": ["sh"]}, False),
        ({"annotations": {r"^org\.example\.kind$": ".*dynamics$"}}, True),
        ({"annotations": {"kind": "dynamics", "other": "y"}}, False),
        ({"annotations": {"other": "dynamics"}}, False),
    ],
)
def test_all_conditions_must_hold(when: dict[str, Any], expected: bool) -> None:
    assert hooks.parse(hook(when)).matches("/bin/sh", ANNOTATIONS, has_mounts=True) is expected


def test_of_the_older_version_one_condition_is_enough() -> None:
    old = {"hook": "/bin/x", "arguments": ["a"], "stage": ["poststop"], "cmd": ["^/init"], "hasbindmounts": True}
    made = hooks.parse({**old, "annotations": ["^dynamics", "fluid"]})
    assert made.entry == {"path": "/bin/x", "args": ["/bin/x", "a"]}
    assert made.matches("/bin/sh", ANNOTATIONS, has_mounts=False)
    assert made.matches("/init", {}, has_mounts=False)
    assert made.matches("/bin/sh", {}, has_mounts=True)
    assert not made.matches("/bin/sh", {"a": "dynamics?"[1:]}, has_mounts=False)


def test_the_later_directory_counts_and_names_give_the_order(tmp_path: Path) -> None:
    always = {"always": True}
    first = written(
        tmp_path / "a",
        **{"02": hook(always, args=["2"]), "01-B": hook(always, args=["masked"]), "01-a": hook(always, "poststop")},
    )
    second = written(tmp_path / "b", **{"01-B": hook(always, "createRuntime", args=["1"], timeout=3, env=["A=b"])})
    (tmp_path / "b" / "README").write_text("no hook")
    (tmp_path / "b" / "gone.json").symlink_to("/none")
    missing = hook(always)
    missing["hook"]["path"] = "/none"
    written(tmp_path / "b", missing=missing)
    spec: dict[str, Any] = {"process": {"args": ["x"]}}
    hooks.add(spec, hooks.read([first, "/none", second]), {}, has_mounts=False)
    assert spec["hooks"] == {
        "poststop": [{"path": "/bin/true"}],
        "createRuntime": [
            {"path": "/bin/true", "args": ["1"], "env": ["A=b"], "timeout": 3},
            {"path": "/bin/true", "args": ["2"]},
        ],
    }


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "Expecting property name"),
        ("[]", "it is no object"),
        ({"version": "2.0.0"}, 'unrecognized hook version: "2.0.0"'),
        ({**hook({}), "hook": {}}, "missing required property: hook.path"),
        ({**hook({}), "stages": None}, "missing required property: stages"),
        (hook({}, "later"), 'unknown stage "later"'),
        (hook({"commands": ["("]}), r'invalid pattern "\("'),
        (hook({"always": "yes"}), 'always: not true or false: "yes"'),
        (hook({}, args="x"), 'args: not a list of texts: "x"'),
        ({**hook({}), "when": []}, r"when: not an object: \[\]"),
        ({"stages": []}, "missing required property: hook"),
        ({"hook": "/x", "stage": [], "stages": []}, "cannot set both 'stage' and 'stages'"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(tmp_path: Path, document: Any, message: str) -> None:
    directory = written(tmp_path / "a", x=document)
    with pytest.raises(PodError, match=f'^setting up OCI Hooks: parsing hook "{directory}/x.json": {message}'):
        hooks.read([directory])
