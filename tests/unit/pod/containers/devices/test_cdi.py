"""CDI: names, spec files (JSON and YAML), who wins, and what they make of a runtime spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pod.containers.devices import cdi, cdi_files
from pod.containers.devices import nodes as devices
from pod.errors import PodError
from storage import yaml

# As `nvidia-ctk cdi generate` writes it.
NVIDIA = """---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/null
    - path: /dev/dri/card1
      hostPath: /dev/zero
      permissions: rw
      fileMode: 0o640
      uid: 7
  name: "0"
- containerEdits:
    deviceNodes: [{path: /dev/full, type: c}]
  name: all  # all of them
containerEdits:
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  - 'QUOTED=it''s: # no comment'
  hooks:
  - hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
    args: [nvidia-cdi-hook, "update-ldcache", --folder, /usr/lib/x86_64-linux-gnu]
    timeout: 5
  mounts:
  - hostPath: /run/nvidia-persistenced/socket
    containerPath: /run/nvidia-persistenced/socket
    options:
    - ro
    - rbind
  additionalGids:
  - 44
"""


def wanted(*names: str, directories: list[str], gpus: tuple[str, ...] = ()) -> Any:
    return {"host": [], "rules": [], "cdi": list(names), "gpus": list(gpus), "cdi_dirs": directories}


def spec() -> dict[str, Any]:
    return {
        "process": {"env": ["PATH=/bin", "NVIDIA_VISIBLE_DEVICES=all"]},
        "mounts": [],
        "linux": {"namespaces": [], "resources": {"devices": []}},
    }


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("vendor.com/class=name", True),
        ("nvidia.com/gpu=0:1", True),
        ("/dev/null", False),
        ("/dev/null:/dev/a=b", False),
        ("vendor.com/class=", False),
        ("vendor.com=name", False),
        ("1v/class=name", False),
        ("v./class=name", False),
        ("v/cl.ass=name", False),
        ("v/class=-x", False),
    ],
)
def test_names(text: str, answer: bool) -> None:
    assert cdi.is_name(text) is answer


def test_yaml_of_a_generator(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").write_text(NVIDIA)
    document = spec()
    config: Any = {
        "devices": wanted("nvidia.com/gpu=0", directories=[str(tmp_path)], gpus=("all",)),
        "group_add": ["x"],
    }
    changed = cdi.apply(document, config, rootless=False)
    assert changed["group_add"] == ["x", "44"]
    assert document["process"]["env"] == [
        "PATH=/bin",
        "NVIDIA_VISIBLE_DEVICES=void",
        "QUOTED=it's: # no comment",
    ]
    assert document["hooks"] == {
        "createContainer": [
            {
                "path": "/usr/bin/nvidia-cdi-hook",
                "args": ["nvidia-cdi-hook", "update-ldcache", "--folder", "/usr/lib/x86_64-linux-gnu"],
                "timeout": 5,
            }
        ]
    }
    nodes = {node["path"]: node for node in document["linux"]["devices"]}
    assert list(nodes) == ["/dev/null", "/dev/dri/card1", "/dev/full"]
    card = nodes["/dev/dri/card1"]
    assert (card["major"], card["minor"], card["uid"], card["fileMode"]) == (1, 5, 7, 0o640)
    rules = document["linux"]["resources"]["devices"]
    assert rules[1] == {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rw"}
    assert document["mounts"][0]["options"] == ["ro", "rbind"]


def test_nodes_are_bound_for_an_ordinary_user(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").write_text(NVIDIA)
    document = spec()
    config: Any = {"devices": wanted("nvidia.com/gpu=0", directories=[str(tmp_path)]), "group_add": []}
    cdi.apply(document, config, rootless=True)
    bound = {mount["destination"]: mount["source"] for mount in document["mounts"]}
    assert bound["/dev/dri/card1"] == "/dev/zero"
    assert "devices" not in document["linux"]


def test_later_directories_win_and_rivals_of_one_directory_lose(tmp_path: Path) -> None:
    for directory, value in (("a", "1"), ("b", "2")):
        (tmp_path / directory).mkdir()
        edits = {"env": [f"X={value}"]}
        document = {"cdiVersion": "0.6.0", "kind": "v/c", "devices": [{"name": "d", "containerEdits": edits}]}
        (tmp_path / directory / "one.json").write_text(json.dumps(document))
    directories = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert cdi_files.read(directories).devices["v/c=d"][1]["containerEdits"] == {"env": ["X=2"]}
    (tmp_path / "b" / "two.json").write_text((tmp_path / "b" / "one.json").read_text())
    found = cdi_files.read(directories)
    assert "v/c=d" not in found.devices
    assert "conflicting device v/c=d" in found.problems[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"cdiVersion": None}, "cdiVersion: missing, or not a text"),
        ({"kind": "x"}, "kind: not VENDOR/CLASS: 'x'"),
        ({"devices": []}, "devices: missing, or empty"),
        ({"devices": [{"name": "-"}]}, "devices[0].name: not a name: '-'"),
        ({"containerEdits": {"env": ["x"]}}, "containerEdits.env: not KEY=VALUE: 'x'"),
        ({"containerEdits": {"env": "x"}}, "containerEdits.env: not a list of texts"),
        ({"containerEdits": {"mounts": [{"hostPath": "/x"}]}}, "containerEdits.mounts[0].containerPath: missing"),
        ({"containerEdits": {"deviceNodes": [{"path": "x"}]}}, "containerEdits.deviceNodes[0].path: not an absolute"),
        (
            {"containerEdits": {"deviceNodes": [{"path": "/x", "major": "1"}]}},
            "deviceNodes[0].major: not a number: '1'",
        ),
        ({"containerEdits": {"hooks": [{"hookName": "x", "path": "/x"}]}}, "hooks[0].hookName: not the name of a hook"),
        ({"containerEdits": {"intelRdt": {"closID": "x"}}}, "containerEdits.intelRdt: Intel's"),
        ({"containerEdits": {"hooks": {}}}, "containerEdits.hooks: not a list"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_field(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    document = {"cdiVersion": "0.6.0", "kind": "v/c", "devices": [{"name": "d"}]} | change
    path = tmp_path / "one.json"
    path.write_text(json.dumps(document))
    with pytest.raises(PodError) as caught:
        cdi.resolve(wanted("v/c=d", directories=[str(tmp_path)]))
    assert str(caught.value) == "setting up CDI devices: unresolvable CDI devices v/c=d"
    assert caught.value.hint.startswith(f"{path}: ")
    assert problem in caught.value.hint


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n b: 2", 2),
        ("a: &x 1", 1),
        ("a: |\n  b", 1),
        ("a: 1\na: 2", 2),
        ("a: [1, 2", 1),
        ("\ta: 1", 1),
        ("a: 'x", 1),
        ("a: 1\n---\nb: 2", 2),
        ("a: {b 1}", 1),
        ("a: !!str 1", 1),
        ("a: [1] x", 1),
        ("- a\nb: 1", 2),
    ],
)
def test_other_yaml_is_refused_by_its_line(text: str, line: int) -> None:
    with pytest.raises(yaml.YAMLError, match=f"^line {line}: "):
        yaml.loads(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing\n---\n", None),
        ("a", "a"),
        (
            "a:\n  - b\n  - c: 1\n    d: [x, 'y, z', {e: true}]\n  -\n    - 2",
            {"a": ["b", {"c": 1, "d": ["x", "y, z", {"e": True}]}, [2]]},
        ),
        ('"a: b": "x\\n\\u00e9"\nc: http://d/e#f\ng: ~', {"a: b": "x\né", "c": "http://d/e#f", "g": None}),
        (
            "a: 0x1f\nb: 010\nc: 0o17\nd: 08\ne: 1.5\nf: -3\ng: No",
            {"a": 31, "b": 8, "c": 15, "d": "08", "e": "1.5", "f": -3, "g": "No"},
        ),
        ("a: []\nb: {}\nc:\n- d", {"a": [], "b": {}, "c": ["d"]}),
    ],
)
def test_yaml(text: str, value: Any) -> None:
    assert yaml.loads(text) == value


@pytest.mark.parametrize(
    ("text", "source", "target", "access"),
    [
        ("/dev/a", "/dev/a", "/dev/a", "rwm"),
        ("/dev/a:r", "/dev/a", "/dev/a", "r"),
        ("/dev/a:/dev/b", "/dev/a", "/dev/b", "rwm"),
        ("/dev/a:/dev/b:mw", "/dev/a", "/dev/b", "mw"),
    ],
)
def test_host_devices(text: str, source: str, target: str, access: str) -> None:
    assert devices.parse(text) == {"source": source, "target": target, "access": access}


@pytest.mark.parametrize("text", ["/dev/a:q", "/dev/a:/dev/b:", "/dev/a:/dev/b:rr", "/dev/a:r:w", "a:b:c:d", ":/dev/a"])
def test_nonsense_host_devices(text: str) -> None:
    with pytest.raises(PodError, match="invalid device"):
        devices.parse(text)


def test_rules() -> None:
    rule = {"allow": True, "type": "c", "major": 189, "access": "rwm"}
    assert devices.parse_rule("c 189:* rwm") == rule
    assert devices.parse_rule("c 189 rwm") == rule
    assert devices.parse_rule("a *:* m") == {"allow": True, "type": "a", "access": "m"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c 1:3", "invalid device cgroup rule requires type, major:Minor, and access rules"),
        ("x 1:3 rwm", "invalid device type in device-access-add: x"),
        ("c 1:3 q", "invalid device access in device-access-add: q"),
        ("c 1:x r", "minor is neither a number nor"),
    ],
)
def test_nonsense_rules(text: str, message: str) -> None:
    with pytest.raises(PodError, match=message):
        devices.parse_rule(text)
