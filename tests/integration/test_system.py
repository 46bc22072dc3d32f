"""The store as a whole: how much it takes, what can go, whether it is sound, and its end."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest

from tests.fixtures import leaks
from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually
from tests.integration.test_build import build


def summary(pod: Pod) -> dict[str, dict[str, object]]:
    return {row["Type"]: row for row in json.loads(pod.run("system", "df", "--format", "json").out)}


def test_df(box: Pod, busybox: str) -> None:
    box.run(
        "run", "--name", "one", "--volume", "data:/data", busybox, "sh", "-c", "echo 123456789 >/a; echo 1 >/data/b"
    )
    found = summary(box)
    assert found["Images"]["Total"] == found["Images"]["Active"] == 1
    assert found["Images"]["RawSize"]
    assert found["Images"]["Reclaimable"] == "0B (0%)"
    assert (found["Containers"]["Total"], found["Containers"]["Active"]) == (1, 0)
    assert found["Containers"]["Reclaimable"] == f"{found['Containers']['RawSize']}B (100%)"
    assert int(str(found["Containers"]["RawSize"])) >= 10
    assert (found["Local Volumes"]["Total"], found["Local Volumes"]["RawSize"]) == (1, 2)
    header, *lines = box.run("system", "df").stdout.splitlines()
    assert header.split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert [line.split("  ")[0] for line in lines] == ["Images", "Containers", "Local Volumes"]
    told = box.run("system", "df", "-v").stdout
    assert "VOLUME NAME" in told
    assert "data" in told
    assert "one" in told
    assert box.run("system", "df", "--verbose").stdout.count("space usage:") == 3
    assert box.run("system", "df", "--format", "{{.Type}}").out.split("\n")[0] == "Images"
    failed = box.run("system", "df", "--format", "json", "-v", check=False)
    assert (failed.code, failed.stderr) == (125, "Error: cannot combine --format and --verbose flags\n")


def test_df_counts_shared_layers_once(box: Pod, busybox: str) -> None:
    before = summary(box)["Images"]
    box.run("tag", busybox, "other:1")
    after = summary(box)["Images"]
    assert (before["Size"], before["Total"]) == (after["Size"], after["Total"])
    assert after["Reclaimable"] == f"{after['Size']} (100%)"
    box.run("manifest", "create", "many:1")
    listed = summary(box)["Images"]
    assert (listed["Size"], listed["Total"]) == (after["Size"], 2), "a list is one more, without layers"
    assert "localhost/many" in box.run("system", "df", "-v").stdout


def test_container_prune(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "running", busybox, "sleep", "600")
    kept = box.run("create", "--name", "kept", "--label", "keep", busybox, "true").out
    gone = box.run("create", "--name", "gone", busybox, "true").out
    asked = box.run("container", "prune", input="n\n")
    assert asked.stdout == (
        "WARNING! This will remove all non running containers.\nAre you sure you want to continue? [y/N] "
    )
    assert box.run("container", "prune", "--force", "--filter", "label!=keep").out == gone
    assert box.run("container", "prune", "--filter", "until=1h", "-f").out == ""
    failed = box.run("container", "prune", "-f", "--filter", "x=y", check=False)
    assert (failed.code, failed.stderr.splitlines()[0]) == (125, "Error: x is an invalid filter")
    assert box.run("container", "prune", "-f").out == kept
    assert box.run("ps", "--all", "--format", "{{.Names}}").out == "running"


def test_system_prune(box: Pod, busybox: str) -> None:
    box.run("run", "--name", "one", "--volume", "data:/data", busybox, "sh", "-c", "echo 1 >/data/b")
    asked = box.run("system", "prune", "--all", "--volumes", input="\n")
    assert "\t- all volumes not used by at least one container\n" in asked.stdout
    assert "\t- all images without at least one container associated with them\n" in asked.stdout
    assert "all dangling images" in box.run("system", "prune", input="n").stdout
    failed = box.run("system", "prune", "--external", "-a", check=False)
    assert (failed.code, failed.stderr) == (125, "Error: --external cannot be combined with other options\n")
    assert box.run("system", "prune", "--external").out == "Total reclaimed space: 0B"
    failed = box.run("system", "prune", "--external", "--build", check=False)
    assert failed.stderr == "Error: --external cannot be combined with other options\n"
    assert "Deleted" not in box.run("system", "prune", "--force", "--filter", "label=none").out
    told = box.run("system", "prune", "--force").out
    assert told.startswith("Deleted Containers\n")
    assert "Deleted Volumes" not in told
    told = box.run("system", "prune", "--force", "--all", "--volumes").out
    assert "Deleted Volumes\ndata\nDeleted Images\n" in told
    assert "Total reclaimed space: 0B" not in told
    assert box.run("images", "--quiet").out == box.run("volume", "ls", "--quiet").out == ""


def test_reset(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "one", "--volume", "/data", busybox, "sleep", "600")
    build(box, f"FROM {busybox}\nRUN --mount=type=cache,target=/c touch /c/x\n")
    mine = os.path.join(box.root, "mine")
    box.execute(["sh", "-c", f"echo 1 >{mine}"])
    assert "all containers" in box.run("system", "reset", input="n\n").stdout
    assert box.run("ps", "--quiet").out
    box.run("system", "reset", "--force")
    assert os.listdir(box.root) == ["mine"]
    assert box.run("ps", "--all", "--quiet").out == box.run("images", "--quiet").out == ""


def test_reset_takes_pods_along_that_nothing_is_in(box: Pod, busybox: str) -> None:
    """Nor is anything left of their control groups, which stay as long as the pod if it has limits: `box` looks."""
    box.run("pod", "create", "--infra=false", "--memory", "100m", "--name", "limited")
    box.run("run", "--rm", "--pod", "limited", busybox, "true")
    box.run("system", "reset", "--force")
    assert not os.path.exists(box.runroot)


@pytest.mark.parametrize("database", ["there", "lost"])
def test_reset_leaves_other_stores_alone_that_share_its_runroot(box: Pod, busybox: str, database: str) -> None:
    """As `pod --root DIR system reset` does, which says nothing of the runroot."""
    box.run("run", "--detach", "--name", "one", "--publish", "127.0.0.1::80", busybox, "sleep", "600")
    other = replace(box, options=["--root", f"{box.directory}/other", "--runroot", box.runroot])
    other.run("create", busybox)
    if database == "lost":
        other.execute(["sh", "-c", f"rm -f {other.directory}/other/pod.db*"])
    other.run("system", "reset", "--force")
    assert not os.path.exists(f"{box.directory}/other")
    assert box.run("ps", "--format", "{{.Names}}").out == "one"
    box.run("exec", "one", "true")
    box.run("rm", "--force", "--time=0", "one")
    box.run("system", "reset", "--force")
    assert not os.path.exists(box.runroot)


@pytest.mark.parametrize("database", ["there", "lost"])
def test_reset_leaves_a_container_of_another_store_alone_that_is_between_two_runs(
    box: Pod, busybox: str, database: str
) -> None:
    def restarts() -> int:
        return int(box.run("inspect", "-f", "{{.RestartCount}}", "one").out)

    box.run("run", "--detach", "--name", "one", "--restart", "always", busybox, "false")
    eventually(lambda: restarts() >= 4)  # each pause is twice the one before
    other = replace(box, options=["--root", f"{box.directory}/other", "--runroot", box.runroot])
    other.run("create", busybox)
    damaged = f"{box.runroot}/containers/{'0' * 64}"
    other.execute(["sh", "-c", f"mkdir {damaged}; echo '{{' > {damaged}/runtime"])
    if database == "lost":
        other.execute(["sh", "-c", f"rm -f {other.directory}/other/pod.db*"])
    other.run("system", "reset", "--force")
    assert not os.path.exists(f"{box.directory}/other")
    count = restarts()
    eventually(lambda: restarts() > count)
    box.run("rm", "--force", "--time=0", "one")
    box.run("system", "reset", "--force")
    assert not os.path.exists(box.runroot)


def test_what_ends_with_a_reset_does_not_bring_the_store_back(box: Pod, busybox: str) -> None:
    """The monitor of a container that was to be removed at its end sees to that a moment after all is gone."""
    groups = leaks.control_groups()
    for _ in range(3):
        box.run("run", "--detach", "--rm", busybox, "sleep", "600")
    box.run("system", "reset", "--force")
    assert leaks.wait_until_clean(lambda: leaks.leftovers(box.directory, groups), timeout=20) == []
    assert not os.path.exists(box.root)


def test_directories_that_a_killed_reset_took_are_made_again(box: Pod, busybox: str) -> None:
    for path in (f"{box.root}/containers", f"{box.root}/ingest", f"{box.runroot}/exec", f"{box.runroot}/runtime"):
        box.run("run", "--rm", busybox, "true")
        box.execute(["rm", "-r", path])
        box.run("run", "--detach", "--name", "one", busybox, "sleep", "600")
        box.run("exec", "one", "true")
        box.run("rm", "--force", "--time=0", "one")
        assert os.path.isdir(path)


def test_what_podman_needs_and_we_do_not(box: Pod) -> None:
    for line in (("system", "renumber"), ("system", "migrate")):
        assert box.run(*line).out.startswith("nothing to do")


def test_info_of_the_system(box: Pod) -> None:
    assert box.run("system", "info", "--format", "{{.Host.Security.Rootless}}").out == str(box.rootless).lower()
    words = (
        "{{.Host.NetworkBackend}} {{.Host.NetworkBackendInfo.Backend}} {{.Plugins.Network}} {{.Host.Pasta.Executable}}"
    )
    told = box.run("info", "--format", words).out
    assert told == f"pod pod [bridge macvlan ipvlan] {shutil.which('pasta') or ''}".strip()


def test_generate_spec(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "one", "--env", "A=b", "--volume", "data:/data:ro", busybox, "echo", "hi")
    document = json.loads(box.run("generate", "spec", "one").out)
    assert document["name"] == "one-clone"
    assert document["command"] == ["echo", "hi"]
    assert document["env"]["A"] == "b"
    assert document["volumes"] == [{"Name": "data", "Dest": "/data", "Options": ["ro"]}]
    assert "\n" not in box.run("generate", "spec", "--compact", "one").out
    assert json.loads(box.run("generate", "spec", "--name=false", "one").out)["name"] == "one"
    path = os.path.join(box.home, "spec.json")
    assert box.run("generate", "spec", "--filename", path, "one").out == path
    with open(path, encoding="utf-8") as file:
        assert json.load(file) == document
    failed = box.run("generate", "spec", "none", check=False)
    assert (failed.code, failed.stderr.splitlines()[0]) == (
        125,
        'Error: no container with name or ID "none" found: no such container',
    )


def test_a_lost_database_is_not_taken_for_a_new_store(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "one", busybox, "sleep", "600")
    box.run("run", "--detach", "--name", "again", "--restart", "always", busybox, "sh", "-c", "sleep 0.1; date")
    if not box.rootless:
        box.run("run", "--detach", "--name", "paused", busybox, "sleep", "600")
        box.run("pause", "paused")
    layers = sorted(os.listdir(f"{box.root}/layers"))
    for name in ("pod.db-wal", "pod.db-shm"):
        if os.path.exists(f"{box.root}/{name}"):
            os.unlink(f"{box.root}/{name}")
    os.truncate(f"{box.root}/pod.db", 0)
    for command in ("ps", "images"):
        failed = box.run(command, check=False)
        assert failed.code == 125
        assert "its content was lost" in failed.stderr
    assert box.run("create", "--name", "two", busybox, check=False).code == 125
    assert sorted(os.listdir(f"{box.root}/layers")) == layers
    box.run("system", "reset", "--force")
    assert box.run("ps", "--all", "--quiet").out == ""
