"""Devices: of the host by path and by CDI name, rules of the cgroup, GPUs."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.fixtures.command import Pod

V1 = not os.path.exists("/sys/fs/cgroup/cgroup.controllers")
as_root = pytest.mark.parametrize("mode", ["root"], indirect=True)
# Character 1:11, which no container has by itself; what reads from it waits.
KMSG = "/dev/kmsg"


def inside(box: Pod, busybox: str, script: str, *options: str) -> str:
    return box.run("run", "--rm", *options, busybox, "sh", "-c", script).out


def hosts(box: Pod) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.run("inspect", "c").out)[0]["HostConfig"]
    return found


def test_device_of_the_host(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "test -e /dev/fuse || echo none") == "none"
    assert inside(box, busybox, "stat -c %t:%T /dev/fuse", "--device", "/dev/fuse") == "a:e5"
    shown = inside(box, busybox, "stat -c %t:%T /dev/x/y; head -c 3 /dev/x/y | wc -c", "--device", "/dev/zero:/dev/x/y")
    assert shown.split() == ["1:5", "3"]
    box.run("create", "--name", "c", "--device", "/dev/fuse:/dev/f:rw", busybox)
    assert hosts(box)["Devices"] == [
        {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/f", "CgroupPermissions": "rw"}
    ]


def test_directory_of_devices(box: Pod, busybox: str) -> None:
    listed = inside(box, busybox, "ls /dev/more; test -c /dev/more/tun && echo node", "--device", "/dev/net:/dev/more")
    assert listed.split() == ["tun", "node"]


@as_root
def test_access_that_was_not_given(box: Pod, busybox: str) -> None:
    script = "head -c 1 /dev/x; echo $?; echo a >/dev/x; echo $?"
    done = box.run("run", "--rm", "--device", "/dev/zero:/dev/x:r", busybox, "sh", "-c", script)
    assert [line for line in done.out.replace("\0", "").splitlines() if line.isdigit()] == [
        "0",
        "0",
    ]  # a default's rule
    # Block device 7:250 has no default rule: opening finds no disk there (ENXIO), or may not (EPERM).
    script = "mknod /x b 7 250; head -c 1 /x"
    assert (
        "not permitted" in box.run("run", "--rm", "--cap-add", "MKNOD", busybox, "sh", "-c", script, check=False).stderr
    )
    rule = ("--device-cgroup-rule", "b 7:* rwm")
    done = box.run("run", "--rm", "--cap-add", "MKNOD", *rule, busybox, "sh", "-c", script, check=False)
    assert "not permitted" not in done.stderr
    box.run("create", "--name", "c", "--device-cgroup-rule", "b 7:* rwm", busybox)
    assert hosts(box)["DeviceCgroupRules"] == ["b 7:* rwm"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--device", "/dev/nope"), "Error: stat /dev/nope: no such file or directory"),
        (("--device", "/dev/null:/dev/x:q"), "Error: invalid device mode: q"),
        (("--device", "/etc/passwd"), "Error: /etc/passwd is not a valid device: not a device node"),
        (("--device", "/etc"), "Error: no devices found in /etc: invalid argument"),
        (("--device-cgroup-rule", "c 1:3"), "Error: invalid device cgroup rule requires type, major:Minor, and access"),
        (("--device", "v.com/c=x"), "Error: setting up CDI devices: unresolvable CDI devices v.com/c=x"),
        (("--gpus", "all"), "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all"),
    ],
)
def test_nonsense_is_refused_and_nothing_is_made(box: Pod, busybox: str, flags: tuple[str, str], message: str) -> None:
    done = box.run("create", *flags, busybox, check=False)
    assert (done.code, done.stderr[: len(message)]) == (125, message)
    assert box.run("ps", "-aq").out == ""


@pytest.mark.parametrize("mode", ["rootless"], indirect=True)
def test_rules_are_refused_to_an_ordinary_user(box: Pod, busybox: str) -> None:
    done = box.run("create", "--device-cgroup-rule", "c 1:3 rwm", busybox, check=False)
    assert (done.code, "device cgroup rules are not supported in rootless mode" in done.stderr) == (125, True)


def test_cdi(box: Pod, busybox: str) -> None:
    files = os.path.join(box.home, "cdi")
    os.mkdir(files, 0o755)
    data = os.path.join(box.home, "data")
    with open(data, "w") as file:
        file.write("hello")
    os.chmod(data, 0o644)
    edits = {
        "env": ["ONE=device"],
        "deviceNodes": [{"path": "/dev/sound/card", "hostPath": "/dev/zero"}],
        "mounts": [{"hostPath": data, "containerPath": "/data", "options": ["ro", "rbind"]}],
    }
    document = {
        "cdiVersion": "0.6.0",
        "kind": "example.com/sound",
        "containerEdits": {"env": ["ALL=file"]},
        "devices": [
            {"name": "card0", "containerEdits": edits},
            {"name": "card1", "containerEdits": {"env": ["TWO=1"]}},
        ],
    }
    with open(os.path.join(files, "sound.json"), "w") as file:
        json.dump(document, file)
    gpu = "cdiVersion: 0.5.0\nkind: amd.com/gpu\ndevices:\n- name: all\n  containerEdits:\n    env:\n    - GPU=amd\n"
    with open(os.path.join(files, "amd.yaml"), "w") as file:
        file.write(gpu)
    script = "echo $ONE $ALL $TWO $GPU; cat /data; stat -c %t:%T /dev/sound/card; head -c 1 /dev/sound/card | wc -c"
    devices = ["--device", "example.com/sound=card0,example.com/sound=card1", "--gpus", "all"]
    done = box.run("--cdi-spec-dir", files, "run", "--name", "c", *devices, busybox, "sh", "-c", script)
    assert done.out.split() == ["device", "file", "1", "amd", "hello1:5", "1"]
    # It is found again, by the directories that were said when it was created.
    assert box.run("start", "-a", "c").out.split()[0] == "device"
    os.unlink(os.path.join(files, "sound.json"))
    done = box.run("start", "-a", "c", check=False)
    assert (done.code, "unresolvable CDI devices example.com/sound=card0" in done.stderr) == (125, True)
