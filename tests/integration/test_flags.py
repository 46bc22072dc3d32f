"""Flags that no other test is about, each seen to do what it says; contrib/surface finds them here."""

from __future__ import annotations

import json
import os

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually, rests


def state(box: Pod, name: str) -> str:
    """Return what a container is doing."""
    return box.run("inspect", "--format", "{{.State.Status}}", name).out


def cidfile(box: Pod, name: str) -> str:
    """Write the ID of a container into a file; return its path."""
    path = os.path.join(box.home, f"{name}.cid")
    with open(path, "w") as file:
        file.write(box.run("inspect", "--format", "{{.Id}}", name).out + "\n")
    return path


def sleeper(box: Pod, image: str, name: str) -> None:
    """Start a container that ends with 5 when it is told to."""
    script = "trap 'exit 5' TERM; while :; do sleep 0.05; done"
    box.run("run", "-d", "--name", name, image, "sh", "-c", script)


def test_attach(box: Pod, busybox: str) -> None:
    script = "until test -e /go; do sleep 0.05; done; echo bye; exit 3"
    box.run("run", "-d", "--name", "c", busybox, "sh", "-c", script)
    attached = box.start("attach", "--latest", "--no-stdin", "--sig-proxy=false", "--detach-keys", "ctrl-a")
    eventually(lambda: rests(attached.pid))
    box.run("exec", "c", "touch", "/go")
    assert attached.communicate(timeout=60)[0] == b"bye\n"
    assert attached.returncode == 3
    result = box.run("start", "--attach", "--sig-proxy=false", "--detach-keys", "ctrl-a,b", "c", check=False)
    assert (result.code, result.stdout) == (3, "bye\n")
    refused = box.run("attach", "--detach-keys", "odd-key", "c", check=False)
    assert refused.code == 125
    assert "invalid" in refused.stderr or "detach" in refused.stderr
    assert box.run("run", "--rm", "--sig-proxy=false", busybox, "echo", "x").out == "x"


def test_exec(box: Pod, busybox: str) -> None:
    sleeper(box, busybox, "c")
    path = cidfile(box, "c")
    assert box.run("exec", "--cidfile", path, "echo", "by file").out == "by file"
    assert box.run("exec", "--latest", "--detach-keys", "ctrl-a", "echo", "x").out == "x"
    assert box.run("exec", "--no-session", "c", "echo", "unseen").out == "unseen"
    # A session that is not recorded is not told of while it runs, as another is.
    unseen = box.start("exec", "--no-session", "c", "sh", "-c", "echo ready; sleep 2")
    assert unseen.stdout is not None
    assert unseen.stdout.readline() == b"ready\n"
    assert json.loads(box.run("inspect", "--format", "{{json .ExecIDs}}", "c").out) in ([], None)
    unseen.communicate(timeout=60)
    box.run("exec", "-d", "c", "sleep", "30")
    assert len(json.loads(box.run("inspect", "--format", "{{json .ExecIDs}}", "c").out)) == 1
    missing = box.run("exec", "--cidfile", "/nowhere", "true", check=False)
    assert missing.code == 125


def test_containers_by_file_and_the_latest(box: Pod, busybox: str) -> None:
    for name in ("first", "second"):
        sleeper(box, busybox, name)
    assert box.run("stop", "--cidfile", cidfile(box, "first")).out
    assert (state(box, "first"), state(box, "second")) == ("exited", "running")
    assert box.run("restart", "--cidfile", cidfile(box, "first"), "--time", "5").out
    assert state(box, "first") == "running"
    before = box.run("inspect", "--format", "{{.State.Pid}}", "second").out
    assert box.run("restart", "--latest", "--time", "5").out
    assert box.run("inspect", "--format", "{{.State.Pid}}", "second").out != before
    box.run("kill", "--cidfile", cidfile(box, "first"))
    box.run("wait", "first")
    assert state(box, "second") == "running"
    box.run("restart", "--running", "--time", "5")
    assert (state(box, "first"), state(box, "second")) == ("exited", "running")
    box.run("kill", "--latest")
    assert box.run("wait", "second").out == "137"


def test_init_rename_and_port(box: Pod, busybox: str) -> None:
    for name in ("one", "two", "three"):
        box.run("create", "--name", name, busybox, "true")
    box.run("init", "--latest")
    assert [state(box, name) for name in ("one", "two", "three")] == ["created", "created", "initialized"]
    box.run("init", "--all")
    assert [state(box, name) for name in ("one", "two", "three")] == ["initialized"] * 3
    assert box.run("start", "--attach", "one").out == ""
    box.run("rename", "one", "eins")
    assert box.run("container", "exists", "--external", "eins").code == 0
    assert box.run("container", "exists", "one", check=False).code == 1
    taken = box.run("rename", "eins", "two", check=False)
    assert taken.code == 125
    assert "already in use" in taken.stderr
    assert box.run("port", "eins").stdout == box.run("port", "--all").stdout == box.run("port", "--latest").stdout == ""
    nobody = box.run("port", "nobody", check=False)
    assert nobody.code == 125
    assert 'no container with name or ID "nobody" found: no such container' in nobody.stderr


def test_wait_for_conditions(box: Pod, busybox: str) -> None:
    sleeper(box, busybox, "c")
    box.run("run", "-d", "--name", "short", busybox, "sh", "-c", "sleep 0.3; exit 4")
    assert box.run("wait", "--condition", "running", "c").out
    assert box.run("wait", "--exit-first-match", "c", "short").out == "4"
    assert box.run("wait", "--ignore", "nobody", "short").out.split() == ["-1", "4"]
    refused = box.run("wait", "--condition", "odd", "c", check=False)
    assert refused.code == 125


def test_removal_of_those_that_need_another(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "base", busybox, "true")
    box.run("create", "--name", "user", "--pid", "container:base", busybox, "true")
    refused = box.run("rm", "base", check=False)
    assert refused.code != 0
    assert "depend" in refused.stderr
    box.run("rm", "--depend", "base")
    assert box.run("ps", "-aq").out == ""


def test_lists_of_images(box: Pod, busybox: str) -> None:
    box.run("tag", busybox, "localhost/named:1")
    heads = box.run("images", "--digests").stdout.splitlines()[0].split()
    assert heads[:3] == ["REPOSITORY", "TAG", "DIGEST"]
    assert box.run("images", "--history").stdout.splitlines()[0].split()[-1] == "HISTORY"
    assert box.run("images", "--digests", "--noheading").stdout.count("sha256:") == 2
    box.run("rmi", "--no-prune", "localhost/named:1")
    assert box.run("image", "exists", busybox).code == 0
    assert box.run("image", "prune", "--external", "--force").out == ""
    assert box.run("ps", "--ns").stdout.split()[:3] == ["CONTAINER", "ID", "NAMES"]


@pytest.mark.parametrize(
    ("filter", "fits"),
    [
        ("containers=true", True),
        ("containers=false", False),
        ("dangling=false", True),
        ("dangling=true", False),
        ("intermediate=false", True),
        ("intermediate=true", False),
        ("readonly=true", False),
        ("manifest=true", False),
        ("label=nope", False),
        ("label!=nope", True),
        ("reference=*box", True),
        ("reference=nothing", False),
        ("until=1h", True),
        ("until=2000-01-01T00:00:00Z", False),
    ],
)
def test_filters_of_images(box: Pod, busybox: str, filter: str, fits: bool) -> None:
    box.run("create", busybox, "true")
    assert (box.run("images", "--quiet", "--filter", filter).out != "") is fits


def test_filters_of_images_by_others(box: Pod, busybox: str) -> None:
    digest = box.run("image", "inspect", "--format", "{{.Digest}}", busybox).out
    identity = box.run("image", "inspect", "--format", "{{.Id}}", busybox).out
    for filter, fits in (
        (f"digest={digest}", True),
        (f"id={identity[:12]}", True),
        (f"since={busybox}", False),
        (f"after={busybox}", False),
        (f"before={busybox}", False),
    ):
        assert (box.run("images", "-q", "--filter", filter).out != "") is fits, filter
    refused = box.run("images", "--filter", "odd=x", check=False)
    assert (refused.code, refused.stderr.splitlines()[0]) == (125, 'Error: unsupported image filter "odd"')
    assert box.run("images", "--filter", "odd", check=False).code == 125


CLONED = (
    ("--memory-reservation 48m", "MemoryReservation", "50331648"),
    ("--memory-swap 128m --memory 64m", "MemorySwap", "134217728"),
    ("--memory-swappiness 10", "MemorySwappiness", "10"),
    ("--blkio-weight 300", "BlkioWeight", "300"),
    ("--cpu-period 50000 --cpu-quota 20000", "CpuQuota", "20000"),
    ("--cpu-rt-period 100000", "CpuRealtimePeriod", "100000"),
    ("--cpu-rt-runtime 0", "CpuRealtimeRuntime", "0"),
    ("--cpuset-cpus 0", "CpusetCpus", "0"),
    ("--cpuset-mems 0", "CpusetMems", "0"),
    ("--blkio-weight-device /dev/null:200", "BlkioWeightDevice", ""),
    ("--device-read-bps /dev/null:1mb", "BlkioDeviceReadBps", ""),
    ("--device-write-bps /dev/null:1mb", "BlkioDeviceWriteBps", ""),
)


@pytest.mark.parametrize(("flags", "field", "expected"), CLONED)
def test_limits_of_a_clone(box: Pod, busybox: str, flags: str, field: str, expected: str) -> None:
    if box.rootless:
        return  # an ordinary user has no limits here: see test_limits.py
    box.run("create", "--name", "c", busybox, "true")
    result = box.run("container", "clone", *flags.split(), "c", check=False)
    if result.code == 0:
        told = box.run("inspect", "--format", f"{{{{.HostConfig.{field}}}}}", "c-clone").out
        assert told == expected or (expected == "" and told not in ("", "[]"))
    else:  # what this kernel cannot limit is refused by name
        assert result.code == 125
        assert result.stderr.startswith("Error: ")
        assert box.run("ps", "-a", "--format", "{{.Names}}").out == "c"
