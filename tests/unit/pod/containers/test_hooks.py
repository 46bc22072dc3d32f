"""Files of OCI hooks: whom they are for, which of two counts, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pod.config import Config
from pod.containers import hooks, plan
from pod.errors import PodError
from runtime.errors import HookError


def hook(when: dict[str, Any], *stages: str, **entry: Any) -> dict[str, Any]:
    return {
        "version": "1.0.0",
        "hook": {"path": "/bin/true"} | entry,
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


def test_hooks_that_change_the_spec(tmp_path: Path) -> None:
    def precreate(script: str) -> dict[str, Any]:
        return hook(
            {"always": True}, "precreate", path="/bin/sh", args=["sh", "-c", script], env=["PATH=/bin:/usr/bin"]
        )

    directory = written(tmp_path / "a", **{"1": precreate("sed s/one/two/"), "2": precreate("sed s/two/three/")})
    spec: dict[str, Any] = {"process": {"args": ["x", "one"]}}
    filters = hooks.add(spec, hooks.read([directory]), {}, has_mounts=False)
    assert hooks.filtered(spec, filters) == {"process": {"args": ["x", "three"]}}
    with pytest.raises(HookError, match="precreate hook `/bin/sh`: exit status 3"):
        hooks.filtered(spec, [{**filters[0], "args": ["sh", "-c", "exit 3"]}])
    with pytest.raises(
        PodError, match=r"^setting up OCI Hooks: output of the precreate hook `/bin/sh`: Expecting value"
    ):
        hooks.filtered(spec, [{**filters[0], "args": ["sh", "-c", "true"]}])


def test_the_usual_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, administrator = str(tmp_path / "system"), str(tmp_path / "administrator")
    monkeypatch.setattr(plan, "_HOOKS_DIRS", (system, administrator))

    def found(*, rootless: bool, asked: tuple[str, ...] = ()) -> list[str]:
        config = Config(graphroot="", runroot="", uid=0, rootless=rootless, home="", user="")
        config.hooks_dirs = list(asked)
        return plan.hooks_dirs(config)

    assert found(rootless=False) == []
    assert found(rootless=False, asked=("/none",)) == ["/none"]
    (tmp_path / "system").mkdir()
    (tmp_path / "administrator").mkdir()
    assert found(rootless=False) == [system, administrator]
    assert found(rootless=True) == [system]
