"""Pods made from other pods: what the copy has of the original, and what flags change in it."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.fixtures.command import Pod


def inspected(box: Pod, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.run("inspect", "--type", kind, name).stdout)[0]
    return found


def infra(box: Pod, name: str) -> dict[str, Any]:
    return inspected(box, "container", inspected(box, "pod", name)["InfraContainerID"])


def names(box: Pod, pod: str) -> list[str]:
    return sorted(one["Name"] for one in inspected(box, "pod", pod)["Containers"])


@pytest.fixture
def original(box: Pod, busybox: str) -> str:
    """A pod of two containers, of which one needs the other, and one that runs before them."""
    box.run("pod", "create", "--name", "one", "--label", "a=b", "--exit-policy", "stop", "--volume", "data:/data")
    box.run("create", "--pod", "one", "--init-ctr", "always", "--name", "i", busybox, "touch", "/data/made")
    deaf = ("--stop-timeout", "0")
    box.run("create", "--pod", "one", "--name", "web", "--env", "X=1", *deaf, busybox, "sleep", "1000")
    needs = ["--requires", "web", "--pid", "container:web"]
    box.run("create", "--pod", "one", "--name", "side", *needs, *deaf, busybox, "sleep", "1001")
    return "one"


def end(box: Pod) -> None:
    box.run("pod", "rm", "--all", "--force", "-t", "0")
    box.run("volume", "prune", "--force", "--all")


def test_a_copy(box: Pod, original: str) -> None:
    identity = box.run("pod", "clone", original).out
    first, second = inspected(box, "pod", original), inspected(box, "pod", "one-clone")
    assert second["Id"] == identity
    assert (second["State"], second["NumContainers"]) == ("Created", 4)
    for key in ("Labels", "ExitPolicy", "SharedNamespaces"):
        assert first[key] == second[key]
    assert names(box, "one-clone") == [f"{identity[:12]}-infra", "i-clone", "side-clone", "web-clone"]
    holder, web = infra(box, "one-clone"), inspected(box, "container", "web-clone")
    side, before = inspected(box, "container", "side-clone"), inspected(box, "container", "i-clone")
    assert web["HostConfig"]["IpcMode"] == f"container:{holder['Id']}"
    assert web["Pod"] == before["Pod"] == identity
    assert "X=1" in web["Config"]["Env"]
    assert side["HostConfig"]["PidMode"] == f"container:{web['Id']}"
    assert set(side["Dependencies"]) == {holder["Id"], web["Id"]}
    assert web["Config"]["Hostname"] == "one-clone"
    box.run("pod", "rm", original)  # nothing of the copy needs it
    box.run("pod", "start", "one-clone")
    assert box.run("exec", "side-clone", "ls", "/data").out == "made"
    assert "sleep 1000" in box.run("exec", "side-clone", "ps").out
    end(box)


def test_names_and_starting(box: Pod, original: str) -> None:
    box.run("pod", "clone", original)
    box.run("pod", "clone", original)
    second = box.run("pod", "clone", "--start", original, "two").out
    assert box.run("pod", "ps", "--sort", "name", "--format", "{{.Name}} {{.Status}}").out.splitlines() == [
        "one Created",
        "one-clone Created",
        "one-clone1 Created",
        "two Running",
    ]
    assert "web-clone2" in names(box, "two")
    third = box.run("pod", "clone", "--destroy", "--name", "three", "two").out
    assert third != second
    assert box.run("pod", "exists", "two", check=False).code == 1
    assert inspected(box, "pod", "three")["State"] == "Created"
    end(box)


def test_mistakes(box: Pod, original: str) -> None:
    box.run("pod", "create", "--infra=false", "--name", "bare")
    for words, message in (
        (["nope"], "no pod with name or ID nope found: no such pod"),
        ([original, original], 'adding pod to state: name "one" is in use: pod already exists'),
        (["--name", "x", original, "y"], "cannot set --name and give a name as an argument"),
        (["--volume", "/tmp:/tmp", "bare"], "cannot change namespaces, mounts or devices of a pod that has no infra"),
        (["--memory", "nonsense", original], "memory"),
    ):
        done = box.run("pod", "clone", *words, check=False)
        assert done.code == 125
        assert message in done.stderr
    assert box.run("pod", "ps", "--sort", "name", "--format", "{{.Name}}").out.split() == ["bare", "one"]
    assert len(box.run("ps", "-aq").out.split()) == 4
    box.run("pod", "clone", "bare", "empty")
    assert inspected(box, "pod", "empty")["NumContainers"] == 0
    end(box)


def test_what_flags_change(box: Pod, busybox: str, original: str) -> None:
    label_file = os.path.join(box.home, "labels")
    with open(label_file, "w") as file:
        file.write("from=file\n")
    box.run("create", "--name", "donor", "--volume", "other:/other", busybox)
    pidfile = os.path.join(box.home, "pid")
    box.run(
        *("pod", "clone", "--label", "z=y", "--label-file", label_file, "--hostname", "shop", "--restart", "always"),
        *("--volume", "more:/more", "--volumes-from", "donor", "--device", "/dev/null:/dev/nothing"),
        *("--security-opt", "no-new-privileges", "--sysctl", "net.ipv4.ip_default_ttl=33", "--shm-size", "8m"),
        *("--infra-name", "holder", "--infra-conmon-pidfile", pidfile, "--uts", "private", original, "two"),
    )
    made = inspected(box, "pod", "two")
    assert made["Labels"] == {"a": "b", "z": "y", "from": "file"}
    assert made["Hostname"] == "shop"
    assert infra(box, "two")["Name"] == "holder"
    box.run("pod", "start", "two")
    with open(pidfile) as file:
        assert os.path.exists(f"/proc/{file.read()}")
    script = (
        "hostname; cat /proc/sys/net/ipv4/ip_default_ttl; df -m /dev/shm | tail -1; ls -d /more /other /dev/nothing"
    )
    told = box.run("exec", "web-clone", "sh", "-c", script).out.split()
    assert told[:2] == ["shop", "33"]
    assert told[3] == "8"
    assert told[-3:] == ["/dev/nothing", "/more", "/other"]
    assert box.run("exec", "web-clone", "grep", "NoNewPrivs", "/proc/self/status").out.split()[1] == "1"
    web = inspected(box, "container", "web-clone")
    assert web["HostConfig"]["RestartPolicy"]["Name"] == "always"
    box.run("rm", "donor")
    end(box)


def test_its_program_and_process_namespace(box: Pod, busybox: str) -> None:
    box.run(
        "pod", "create", "--name", "one", "--infra-image", busybox, "--infra-command", "sleep 999", "--share", "pid"
    )
    box.run("create", "--pod", "one", "--name", "a", busybox, "sleep", "1000")
    box.run("pod", "clone", "--infra-command", "sleep 888", "one", "two")
    assert (infra(box, "two")["Path"], infra(box, "two")["Args"]) == ("sleep", ["888"])
    box.run("pod", "clone", "--pid", "host", "one", "three")
    assert inspected(box, "container", "a-clone1")["HostConfig"]["PidMode"] == "host"
    box.run("pod", "rm", "--all", "--force", "-t", "0")


LIMITS = (
    *("--memory", "64m", "--memory-swap", "128m", "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0"),
    *("--cpuset-mems", "0"),
)


@pytest.mark.parametrize("mode", ["root"], indirect=True)
def test_limits(box: Pod) -> None:
    box.run("pod", "create", "--name", "one", "--memory", "32m", "--cpuset-cpus", "0")
    box.run("pod", "clone", *LIMITS, "one", "two")
    made = inspected(box, "pod", "two")
    assert made["memory_limit"] == 64 << 20
    assert made["cpuset_cpus"] == "0"
    box.run("pod", "clone", "--cgroup-parent", "/pod-clones", "one", "three")
    assert inspected(box, "pod", "three")["memory_limit"] == 32 << 20
    assert inspected(box, "pod", "three")["CgroupParent"] == "/pod-clones"
    for flag, value in (
        ("--blkio-weight", "nonsense"),
        ("--blkio-weight-device", "/nonsense:1"),
        ("--device-read-bps", "/dev/nonsense:1mb"),
        ("--device-write-bps", "/dev/nonsense:1mb"),
        ("--gpus", "nonsense"),
        ("--shm-size-systemd", "nonsense"),
    ):
        done = box.run("pod", "clone", flag, value, "one", check=False)
        assert done.code == 125, flag
        assert "Traceback" not in done.stderr
    box.run("pod", "rm", "--all", "--force")


@pytest.mark.parametrize("mode", ["root"], indirect=True)
def test_users(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one")
    box.run("create", "--pod", "one", "--name", "a", busybox, "cat", "/proc/self/uid_map", "/proc/self/gid_map")
    maps = ["--uidmap", "0:100000:5000", "--gidmap", "0:200000:5000"]
    box.run("pod", "clone", *maps, "one", "two")
    assert box.run("start", "-a", "a-clone").out.split() == ["0", "100000", "5000", "0", "200000", "5000"]
    assert inspected(box, "container", "a-clone")["HostConfig"]["UsernsMode"].startswith("container:")
    box.run("pod", "clone", "--userns", "host", "two", "three")
    assert inspected(box, "container", "a-clone-clone")["HostConfig"]["UsernsMode"] in ("host", "")
    for flag in ("--subuidname", "--subgidname"):
        done = box.run("pod", "clone", flag, "nobody-has-this", "one", check=False)
        assert (done.code, "nobody-has-this" in done.stderr) == (125, True)
    box.run("pod", "rm", "--all", "--force")


@pytest.mark.parametrize("mode", ["rootless"], indirect=True)
def test_users_of_its_own(box: Pod, busybox: str) -> None:
    """--userns auto without a size: the infra container's root file system is not there yet, and has no users."""
    box.run("pod", "create", "--name", "one", "--network", "none", "--userns", "auto")
    box.run("pod", "clone", "one", "two")
    box.run("pod", "clone", "--userns", "auto:size=2000", "one", "three")
    maps = [
        box.run("run", "--rm", "--pod", name, busybox, "cat", "/proc/self/uid_map").out.split()
        for name in ("one", "two", "three")
    ]
    assert [one[2] for one in maps] == ["1024", "1024", "2000"]
    assert len({one[1] for one in maps}) == 3
    box.run("pod", "rm", "--all", "--force", "-t", "0")
