"""Pods: created, started, listed, inspected, stopped and removed, and containers in them."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.fixtures.command import Pod

NAMES = "for n in pid ipc uts net cgroup user; do echo $n=$(readlink /proc/self/ns/$n); done"


def inspected(box: Pod, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.run("pod", "inspect", name).stdout)[0]
    return found


def infra(box: Pod, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.run("inspect", inspected(box, name)["InfraContainerID"]).stdout)[0]
    return found


def namespaces(box: Pod, name: str) -> dict[str, str]:
    return dict(line.split("=") for line in box.run("exec", name, "sh", "-c", NAMES).out.split())


def word(box: Pod, name: str) -> str:
    return box.run("pod", "ps", "--format", "{{.Status}}", "--filter", f"name=^{name}$").out


def refused(box: Pod, *words: str, code: int = 125) -> str:
    done = box.run(*words, check=False)
    assert done.code == code, done
    return done.stderr.splitlines()[0]


def test_the_life_of_a_pod(box: Pod, busybox: str) -> None:
    identity = box.run("pod", "create", "--name", "one", "--label", "tier=front").out
    assert len(identity) == 64
    assert box.run("pod", "exists", "one").code == 0
    assert box.run("pod", "exists", "two", check=False).code == 1
    assert word(box, "one") == "Created"
    box.run("create", "--pod", "one", "--name", "a", busybox, "sh", "-c", "trap exit TERM; sleep 1000 & wait")
    assert box.run("pod", "start", "one").out == identity
    assert word(box, "one") == "Running"
    assert box.run("run", "--pod", "one", "--name", "b", busybox, "hostname").out == "one"
    assert word(box, "one") == "Degraded"
    assert box.run("pod", "stop", "--time", "5", "one").out == identity
    assert word(box, "one") == "Exited"
    box.run("pod", "start", identity[:12])
    assert "cannot remove container" in refused(box, "pod", "rm", "one")
    assert word(box, "one") in ("Running", "Degraded")
    assert box.run("pod", "rm", "--force", "-t", "0", "one").out == identity
    assert box.run("ps", "-aq").out == ""
    assert box.run("pod", "ps", "-q").out == ""


def test_containers_of_a_pod_share_namespaces(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one", "--share", "+pid")
    for name in ("a", "b"):
        box.run("run", "-d", "--pod", "one", "--name", name, busybox, "sleep", "1000")
    first, second = namespaces(box, "a"), namespaces(box, "b")
    assert {kind for kind in first if first[kind] == second[kind]} >= {"ipc", "net", "uts", "pid"}
    assert "/catatonit" in box.run("exec", "a", "ps").out
    box.run("exec", "a", "sh", "-c", "echo 1 > /dev/shm/f")
    assert box.run("exec", "b", "cat", "/dev/shm/f").out == "1"
    found = json.loads(box.run("inspect", "a").stdout)[0]
    assert found["Pod"] == inspected(box, "one")["Id"]
    assert found["HostConfig"]["IpcMode"] == f"container:{infra(box, 'one')['Id']}"
    assert not found["IsInfra"]
    box.run("pod", "create", "--name", "two", "--share", "none")
    box.run("run", "-d", "--pod", "two", "--name", "c", busybox, "sleep", "1000")
    box.run("run", "-d", "--pod", "two", "--name", "d", busybox, "sleep", "1000")
    first, second = namespaces(box, "c"), namespaces(box, "d")
    assert {kind for kind in first if first[kind] == second[kind]} <= {"user", "cgroup"}
    box.run("pod", "rm", "-f", "-t", "0", "--all")


def test_the_infra_container(box: Pod) -> None:
    identity = box.run("pod", "create", "one").out
    found = infra(box, "one")
    assert found["IsInfra"]
    assert found["Pod"] == identity
    assert found["Name"] == f"{identity[:12]}-infra"
    assert (found["Path"], found["Args"]) == ("/catatonit", ["-P"])
    assert found["Config"]["Hostname"] == "one"
    assert refused(box, "rm", "-f", found["Id"]) == (
        f"Error: container {found['Id']} is the infra container of pod {identity} and cannot be removed without"
        " removing the pod"
    )
    assert box.run("ps", "-a", "--pod", "--format", "{{.Pod}} {{.PodName}} {{.IsInfra}}").out == (
        f"{identity[:12]} one true"
    )
    assert "PODNAME" in box.run("ps", "-a", "--pod").out
    box.run("pod", "start", "one")
    pid = infra(box, "one")["State"]["Pid"]
    assert pid
    box.run("pod", "stop", "one")
    assert infra(box, "one")["State"]["ExitCode"] == 0
    box.run("rm", "--all")
    assert box.run("pod", "ps", "-q").out == ""


def test_a_pod_without_infra_container(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--infra=false", "--name", "one")
    found = inspected(box, "one")
    assert (found["InfraContainerID"], found["NumContainers"]) == ("", 0)
    assert refused(box, "pod", "start", "one").endswith("has no containers: no such container")
    box.run("run", "-d", "--pod", "one", "--name", "a", busybox, "sleep", "1000")
    assert word(box, "one") == "Running"
    for words, message in (
        (["-p", "80:80"], "you must have an infra container to publish port bindings to the host"),
        (["--share", "net"], "cannot set share(net) namespaces without an infra container"),
        (["--network", "none"], "NoInfra and network modes cannot be used together"),
    ):
        assert refused(box, "pod", "create", "--infra=false", *words) == f"Error: {message}"
    box.run("pod", "rm", "-f", "-t", "0", "one")


def test_names_of_pods_and_containers_are_one_kind(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one")
    box.run("create", "--name", "c", busybox)
    taken = "name {} is in use: {} already exists"
    assert refused(box, "pod", "create", "one") == "Error: adding pod to state: " + taken.format('"one"', "pod")
    assert refused(box, "pod", "create", "c") == "Error: adding pod to state: " + taken.format('"c"', "container")
    assert refused(box, "create", "--name", "one", busybox) == "Error: " + taken.format('"one"', "pod")
    assert refused(box, "rename", "c", "one") == "Error: " + taken.format('"one"', "pod")
    before = inspected(box, "one")["Id"]
    assert box.run("pod", "create", "--replace", "--name", "one").out != before
    assert len(box.run("pod", "ps", "-q").out.split()) == 1
    box.run("rm", "--all")


BAD = (
    (
        "pod create --share foo",
        "invalid kernel namespace to share: foo. Options are: cgroup, ipc, net, pid, uts or none",
    ),
    ("pod create --hostname a_b/c", 'invalid name "a_b/c": names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*'),
    ("pod create --share cgroup", "cannot define the pod as the cgroup parent at the same time as joining the infra"),
    ("pod create --exit-policy foo", 'running pod create option: invalid pod exit policy: "foo"'),
    ("pod create --replace", "cannot replace pod without --name being set"),
    ("pod create --name a b", "cannot specify --name and NAME at the same time"),
    ("pod create --network container:x", "pods presently do not support network mode container"),
    ("pod start", "you must provide at least one name or id"),
    ("pod stop --all --latest", "--all and --latest cannot be used together"),
    ("pod start nope", "no pod with name or ID nope found: no such pod"),
    ("pod ps --sort foo", "invalid option for --sort, options are: created, id, name, number, or status"),
    ("pod ps --filter foo=bar", "foo is an invalid filter"),
    ("pod ps --filter status=foo", "foo is not a valid pod status"),
    ("inspect --type pod nope", "inspecting object: no such pod nope"),
    ("run --pod nope IMAGE true", "no pod with name or ID nope found: no such pod"),
    ("run --pod nope --pod-id-file /x IMAGE true", "cannot specify both --pod and --pod-id-file"),
    ("run --pod new: IMAGE true", "new pod name must be at least one character"),
    ("create --init-ctr always IMAGE true", "must specify pod value with init-ctr"),
    ("create --init-ctr foo --pod x IMAGE true", "init-ctr value must be 'always' or 'once'"),
)


@pytest.mark.parametrize(("words", "message"), BAD)
def test_what_makes_no_sense(box: Pod, busybox: str, words: str, message: str) -> None:
    done = box.run(*words.replace("IMAGE", busybox).split(), check=False)
    assert done.code == 125, done
    assert f"Error: {message}" in done.stderr
    assert box.run("pod", "ps", "-q").out == ""
    assert box.run("ps", "-aq").out == ""


IN_POD = (
    (["-p", "80:80"], "published or exposed ports must be defined when the pod is created"),
    (["--hostname", "h"], "cannot set hostname when joining the pod UTS namespace: invalid configuration"),
    (["--add-host", "a:192.0.2.1"], "extra host entries must be specified on the pod"),
    (["--ip", "10.88.0.4"], "networks must be defined when the pod is created"),
    (["--userns", "auto"], "--userns and --pod cannot be set together"),
    (["--uidmap", "0:0:1"], "cannot specify a new uid/gid map when entering a pod with an infra container"),
)


def test_what_only_the_pod_may_say(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one")
    for words, message in IN_POD:
        assert message in refused(box, "run", "--rm", "--pod", "one", *words, busybox, "true")
    box.run("pod", "rm", "one")


def test_new_pods_and_id_files(box: Pod, busybox: str) -> None:
    path = f"{box.directory}/home/id"
    box.run("run", "-d", "--pod", "new:one", "--name", "a", busybox, "sleep", "1000")
    assert inspected(box, "one")["NumContainers"] == 2
    identity = box.run("pod", "create", "--pod-id-file", path, "two").out
    with open(path) as file:
        assert file.read() == identity
    box.run("run", "-d", "--pod-id-file", path, "--name", "b", busybox, "sleep", "1000")
    assert box.run("inspect", "--format", "{{.Pod}}", "b").out == identity
    assert box.run("ps", "--filter", "pod=two", "--format", "{{.Names}}").out.split() == [f"{identity[:12]}-infra", "b"]
    box.run("pod", "stop", "-t", "0", "--pod-id-file", path)
    assert word(box, "two") == "Exited"
    box.run("pod", "start", "--pod-id-file", path)
    box.run("pod", "rm", "-f", "-t", "0", "--pod-id-file", path)
    assert not os.path.exists(path)
    box.run("pod", "stop", "--ignore", "-t", "0", "two", "one")
    box.run("pod", "rm", "--ignore", "two", "one")
    assert refused(box, "pod", "rm", "two", code=1) == "Error: no pod with name or ID two found: no such pod"


def test_lists(box: Pod, busybox: str) -> None:
    first = box.run("pod", "create", "--name", "one", "--label", "a=b").out
    box.run("pod", "create", "--name", "two")
    assert box.run("pod", "ps", "--noheading", "--format", "{{.Name}}").out.split() == ["two", "one"]
    assert box.run("pod", "ps", "--sort", "name", "--format", "{{.Name}}").out.split() == ["one", "two"]
    assert box.run("pod", "ps", "-l", "--format", "{{.Name}}").out == "two"
    lines = box.run("pod", "ps", "--no-trunc", "--ctr-names", "--ctr-ids", "--ctr-status").out.splitlines()
    assert lines[0].split() == "POD ID NAME STATUS CREATED INFRA ID IDS NAMES STATUS".split()
    assert first in lines[2]
    assert f"{first[:12]}-infra" in lines[2]
    assert box.run("pod", "ps", "--ns").out.splitlines()[0].split()[7:9] == ["CGROUP", "NAMESPACES"]
    for text, names in (
        ("label=a", "one"),
        ("label=a=c", ""),
        ("label!=a", "two"),
        ("name=^o", "one"),
        (f"id={first[:5]}", "one"),
        ("status=created", "one two"),
        ("status=running", ""),
        ("ctr-status=created", "one two"),
        ("ctr-number=1", "one two"),
        ("ctr-number=2", ""),
        (f"ctr-names={first[:12]}", "one"),
        ("until=1h", ""),
    ):
        assert (
            box.run("pod", "ps", "--filter", text, "--format", "{{.Name}}", "--sort", "name").out.split()
            == names.split()
        )
    told = json.loads(box.run("pod", "ls", "--format", "json", "--filter", "name=one").stdout)
    assert told[0]["Labels"] == {"a": "b"}
    assert told[0]["Containers"][0]["Names"] == f"{first[:12]}-infra"
    path = inspected(box, "one").get("CgroupPath", "")  # none where a user may make none
    assert path == "" or first in path
    assert told[0]["Cgroup"] == (path and (os.path.dirname(path) if "/" in path else "user.slice"))
    assert box.run("pod", "inspect", "--format", "{{.State}} {{.Labels.a}}", "one").out == "Created b"
    assert inspected(box, "--latest")["Name"] == "two"
    assert json.loads(box.run("inspect", "--type", "pod", "one").stdout)[0]["Id"] == first
    box.run("pod", "rm", "--all")


def test_what_runs_before_the_others(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one", "--volume", "data:/data")
    script = "echo {} >> /data/log"
    create = ("create", "--pod", "one")
    box.run(*create, "--name", "main", busybox, "sh", "-c", script.format("main") + "; sleep 1000")
    box.run(*create, "--init-ctr", "once", "--name", "x", busybox, "sh", "-c", script.format("once"))
    box.run(*create, "--init-ctr", "always", "--name", "y", busybox, "sh", "-c", script.format("always"))
    for _ in range(2):
        box.run("pod", "start", "one")
        box.run("exec", "main", "sh", "-c", "until tail -n 1 /data/log | grep -q main; do sleep 0.05; done")
        assert word(box, "one") == "Running"
        box.run("pod", "stop", "-t", "0", "one")
    box.run("start", "main")
    assert box.run("exec", "main", "cat", "/data/log").out.split()[:5] == ["once", "always", "main", "always", "main"]
    box.run("pod", "stop", "-t", "0", "one")
    box.run(*create, "--init-ctr", "always", "--name", "z", busybox, "sh", "-c", "exit 3")
    identity = json.loads(box.run("inspect", "z").stdout)[0]["Id"]
    assert refused(box, "pod", "start", "one") == f"Error: init container {identity} exited with code 3"
    assert word(box, "one") == "Degraded"  # the namespaces are there, the rest is not
    box.run("pod", "rm", "-f", "-t", "0", "one")
    box.run("volume", "rm", "data")


def test_a_restart_policy_of_what_runs_before_the_others(box: Pod, busybox: str) -> None:
    """It is tried again until it has done its work; what has done it is not started again, whatever the policy."""
    create = ("create", "--init-ctr", "always", "--pod")
    box.run("pod", "create", "--name", "one", "--restart", "always")
    box.run(*create, "one", "--restart", "always", "--name", "good", busybox, "true")
    script = "echo . >> /runs; [ $(wc -l < /runs) -gt 1 ]"
    box.run(*create, "one", "--restart", "unless-stopped", "--name", "second", busybox, "sh", "-c", script)
    box.run(*create, "one", "--name", "plain", busybox, "true")
    box.run("update", "--restart", "always", "plain")
    box.run("pod", "start", "one")
    for name, policy in (("good", "on-failure 0"), ("second", "on-failure 1"), ("plain", "on-failure 0")):
        fields = "{{.HostConfig.RestartPolicy.Name}} {{.RestartCount}}"
        assert box.run("inspect", "--format", fields, name).out == policy
        assert box.run("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name).out == "exited 0"
    assert word(box, "one") == "Running"
    box.run("pod", "rm", "-f", "-t", "0", "one")


def test_what_goes_with_an_infra_container(box: Pod, busybox: str) -> None:
    """Where containers are removed because something else goes, their pods go, too."""
    box.run("pod", "create", "--name", "one", "--volume", "data:/data")
    box.run("run", "-d", "--pod", "one", "--name", "a", busybox, "sleep", "1000")
    box.run("volume", "rm", "--force", "-t", "0", "data")
    assert box.run("pod", "ps", "-q").out + box.run("ps", "-aq").out == ""
    box.run("pod", "create", "--name", "two", "--infra-image", busybox, "--infra-command", "sleep 1000")
    box.run("pod", "start", "two")
    identity = inspected(box, "two")["InfraContainerID"]
    assert refused(box, "container", "clone", identity).startswith(
        f"Error: container {identity} is the infra container"
    )
    box.run("container", "prune", "--force")
    assert box.run("pod", "ps", "-q").out
    box.run("rmi", "--force", busybox)
    assert box.run("pod", "ps", "-q").out == ""
    box.run("pod", "create", "--name", "three")
    box.run("pod", "start", "three")
    box.run("system", "reset", "--force")
    assert box.run("pod", "ps", "-q").out == ""
    assert not os.path.exists(f"{box.runroot}/pods")


def test_events_tell_of_pods(box: Pod, busybox: str) -> None:
    identity = box.run("pod", "create", "--name", "one", "--label", "a=b").out
    box.run("run", "-d", "--pod", "one", "--name", "c", busybox, "sleep", "1000")
    box.run("pod", "stop", "-t", "0", "one")
    box.run("pod", "start", "one")
    box.run("pod", "rm", "-f", "-t", "0", "one")
    show = ("events", "--stream=false", "--since", "10m")
    found = box.run(*show, "--filter", "type=pod", "--format", "{{.Status}} {{.Name}} {{.ID}}").out.splitlines()
    assert found == [f"{status} one {identity}" for status in ("create", "stop", "start", "remove")]
    lines = box.run(*show, "--filter", "container=c", "--format", "json").out.splitlines()
    assert {json.loads(line)["PodID"] for line in lines} == {identity}
    assert box.run(*show, "--filter", "pod=one", "--format", "{{.Type}}").out.split()


@pytest.mark.root
def test_a_killed_monitor_of_a_pod_on_a_network(net: Pod, busybox: str) -> None:
    """What it had there is given up by whoever stops the pod."""
    net.run("pod", "create", "--name", "one")
    deaf = ("--stop-signal", "KILL", busybox, "sleep", "1000")
    net.run("run", "-d", "--pod", "one", "--name", "a", *deaf)
    for command in ("restart", "stop"):
        os.kill(int(infra(net, "one")["State"]["ConmonPid"]), signal.SIGKILL)
        assert net.run("pod", command, "one").out == inspected(net, "one")["Id"]
    assert word(net, "one") == "Exited"
    net.run("pod", "rm", "one")
