"""Namespaces of a container: its own, the host's, another container's, any by path; and maps of users and groups."""

from __future__ import annotations

import json
import os

import pytest

from tests.fixtures import ranges
from tests.fixtures.command import Pod, make_pod
from tests.fixtures.user import User


def inside(box: Pod, image: str, script: str, *options: str) -> str:
    return box.run("run", "--rm", *options, image, "sh", "-c", script).out


def refused(box: Pod, *words: str, code: int = 125) -> str:
    """Return what a command says that must fail with the code, and change nothing."""
    before = box.run("ps", "-aq").out
    result = box.run(*words, check=False)
    assert result.code == code, result
    assert box.run("ps", "-aq").out == before
    return result.stderr.splitlines()[0]


def test_namespaces_of_another_container_are_joined(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "a", "--hostname", "first", busybox, "sh", "-c", "echo 1 >/dev/shm/f; sleep 100")
    own = dict(line.split("=") for line in box.run("exec", "a", "sh", "-c", NAMES).out.split())
    options = ["--pid", "container:a", "--ipc", "container:a", "--uts", "container:a", "--cgroupns", "container:a"]
    options += ["--network", "container:a"]
    script = f"{NAMES}; hostname >&2; cat /dev/shm/f >&2; echo 2 >/dev/shm/g; grep -c first /etc/hosts >&2"
    result = box.run("run", "--rm", *options, busybox, "sh", "-c", script)
    assert dict(line.split("=") for line in result.out.split()) == own
    assert result.stderr.split() == ["first", "1", "1"]
    assert box.run("exec", "a", "cat", "/dev/shm/g").out == "2"


NAMES = "for n in pid ipc uts net cgroup; do echo $n=$(readlink /proc/self/ns/$n); done"


def test_a_needed_container_is_started_and_cannot_be_removed(box: Pod, busybox: str) -> None:
    first = box.run("create", "--name", "a", busybox, "sleep", "100").out
    second = box.run("create", "--name", "b", "--pid", "container:a", busybox, "sh", "-c", "ps | grep -c sleep").out
    found = json.loads(box.run("inspect", "b").stdout)[0]
    assert found["Dependencies"] == [first]
    assert found["HostConfig"]["PidMode"] == f"container:{first}"
    assert refused(box, "rm", "a") == (
        f"Error: container {first} has dependent containers which must be removed before it: {second}:"
        " container already exists"
    )
    box.run("start", "--attach", "b")
    assert box.run("inspect", "--format", "{{.State.Status}}", "a").out == "running"
    box.run("rm", "b")
    box.run("rm", "--force", "-t", "0", "a")


def test_namespaces_by_path(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "a", busybox, "sleep", "100")
    pid = box.run("inspect", "--format", "{{.State.Pid}}", "a").out
    # As an ordinary user another process of the same user is out of reach before the namespace is entered, not after.
    options = [f"--{flag}=ns:/proc/{pid}/ns/{name}" for flag, name in (("uts", "uts"), ("ipc", "ipc"), ("pid", "pid"))]
    options += [f"--network=ns:/proc/{pid}/ns/net", f"--cgroupns=ns:/proc/{pid}/ns/cgroup"]
    assert "sleep 100" in inside(box, busybox, "ps", *options)
    assert "is not a pid namespace" in refused(box, "run", "--pid", f"ns:/proc/{pid}/ns/net", busybox, "true", code=126)


def test_ipc_modes(box: Pod, busybox: str) -> None:
    first = box.run("run", "-d", "--name", "a", "--ipc", "private", busybox, "sleep", "100").out
    assert refused(box, "run", "--ipc", "container:a", busybox, "true") == (
        f"Error: joining IPC of container {first} is not allowed: non-shareable IPC"
        " (hint: use IpcMode:shareable for the donor container)"
    )
    assert inside(box, busybox, "ls -d /dev/shm 2>&1 || true", "--ipc", "none").endswith("No such file or directory")
    box.run("run", "-d", "--name", "b", "--ipc", "shareable", busybox, "sleep", "100")
    assert inside(box, busybox, "ls -d /dev/shm", "--ipc", "container:b") == "/dev/shm"
    assert box.run("inspect", "--format", "{{.HostConfig.IpcMode}}", "b").out == "shareable"


def test_namespaces_of_the_host(box: Pod, busybox: str) -> None:
    options = ["--pid", "host", "--ipc", "host", "--uts", "host", "--cgroupns", "host", "--network", "host"]
    found = dict(line.split("=") for line in inside(box, busybox, NAMES, *options).split())
    assert found == {name: os.readlink(f"/proc/self/ns/{name}") for name in found}
    name = box.run("create", *options, busybox, "true").out
    shown = json.loads(box.run("inspect", name).stdout)[0]["HostConfig"]
    assert {shown[f"{kind}Mode"] for kind in ("Pid", "Ipc", "UTS", "Cgroup", "Network")} == {"host"}


BAD_INPUT = [
    ("--pid bogus", "unrecognized namespace mode bogus passed"),
    ("--ipc bogus", "unrecognized namespace mode bogus passed"),
    ("--uts none", "unrecognized namespace mode none passed"),
    ("--cgroupns container:", "unrecognized namespace mode container: passed"),
    ("--userns bogus", "unrecognized namespace mode bogus passed"),
    ("--userns private", "must provide at least one UID or GID mapping to configure a user namespace"),
    ("--userns auto:color=red", 'unknown option specified: "color"'),
    ("--userns keep-id:color=red", 'unknown option specified: "color"'),
    ("--pid container:zz", "looking up container to share pid namespace with: no container with name or ID"),
    ("--network container:zz", "looking up container to share net namespace with: no container with name or ID"),
    ("--userns container:zz", "looking up container to share user namespace with: no container with name or ID"),
    ("--pid ns:/nope", "cannot find specified PID namespace path: stat /nope: no such file or directory"),
    ("--userns ns:/nope", "cannot find specified user namespace path: stat /nope: no such file or directory"),
    ("--uts host --hostname x", "cannot set hostname when running in the host UTS namespace"),
    ("--uidmap a:b:c", "UID setting is malformed expected"),
    ("--uidmap 0:0:4294967296", "UID setting is malformed expected"),
    ("--gidmap 4294967295:0:2", "GID setting is malformed expected"),
    ("--uidmap 0:0:5 --uidmap 3:5:1", "the ID mappings overlap at 3"),
    (
        "--uidmap 0:0:1 --userns host",
        "--userns and --uidmap/--gidmap/--subuidname/--subgidname are mutually exclusive",
    ),
    ("--subuidname nobody-here", 'no subuid ranges found for user "nobody-here" in /etc/subuid'),
    ("--subgidname nobody-here", 'no subuid ranges found for user "nobody-here" in /etc/subuid'),
]


def test_bad_input(box: Pod, busybox: str) -> None:
    for words, message in BAD_INPUT:
        assert message in refused(box, "run", *words.split(), busybox, "true"), words


def test_map_of_users(box: Pod, busybox: str) -> None:
    """As root 100000 is the host's ID, for a user 10 is an intermediate one."""
    first = 10 if box.rootless else 100000
    options = [f"--uidmap=0:{first}:2000", f"--gidmap=0:{first}:2000"]
    script = "cat /proc/self/uid_map; stat -c %u:%g /bin/busybox /etc/hosts; touch /new; stat -c %u /new; id -u"
    found = inside(box, busybox, script, *options).split()
    outside = int(found[1])
    assert found == ["0", str(outside), "2000", "0:0", "0:0", "0", "0"]
    assert inside(box, busybox, "id -u; id -g", *options, "--user", "1000").split() == ["1000", "1000"]
    assert "could not" not in refused(box, "run", "--rm", *options, "--user", "3000", busybox, "true", code=126)
    container = box.run("create", *options, busybox, "true").out
    shown = json.loads(box.run("inspect", container).stdout)[0]["HostConfig"]
    assert shown["UsernsMode"] == "private"
    assert shown["IDMappings"] == {"UidMap": [f"0:{first}:2000"], "GidMap": [f"0:{first}:2000"]}


def test_one_map_counts_for_both_unless_it_says_otherwise(box: Pod, busybox: str) -> None:
    maps = "cat /proc/self/uid_map; echo -; cat /proc/self/gid_map"
    users, groups = inside(box, busybox, maps, "--uidmap", "0:1:50", "--uidmap", "u60:60:1").split("-")
    assert [line.split()[2] for line in users.strip().splitlines()] == ["50", "1"]
    assert [line.split()[2] for line in groups.strip().splitlines()] == ["50"]
    users, _ = inside(box, busybox, maps, "--uidmap", "0:1:50", "--uidmap", "+7:90:1").split("-")
    assert [line.split()[::2] for line in users.strip().splitlines()] == [["0", "7"], ["7", "1"], ["8", "42"]]


def test_volumes_belong_to_the_users_of_the_container(box: Pod, busybox: str) -> None:
    options = ["--uidmap", f"0:{10 if box.rootless else 100000}:2000", "-v", "data:/etc", "-v", "new:/new"]
    script = "stat -c %u:%g /etc/passwd /new; touch /etc/x /new/x && echo written"
    assert inside(box, busybox, script, *options).split() == ["0:0", "0:0", "written"]
    assert inside(box, busybox, "stat -c %u:%g /etc/x /new/x", *options).split() == ["0:0", "0:0"]
    options = ["--uidmap", f"0:{10 if box.rootless else 100000}:2000", "--user", "guest", "-v", "other:/other"]
    assert inside(box, busybox, "stat -c %u:%g /other; touch /other/x", *options) == "1000:1000"


def test_layers_are_not_copied_for_root(root_box: Pod, busybox: str) -> None:
    before = os.listdir(f"{root_box.root}/layers")
    root_box.run("run", "--rm", "--uidmap", "0:100000:2000", busybox, "true")
    assert os.listdir(f"{root_box.root}/layers") == before


def test_user_namespace_of_another_container(box: Pod, busybox: str) -> None:
    first = 10 if box.rootless else 100000
    box.run("run", "-d", "--name", "a", "--uidmap", f"0:{first}:2000", busybox, "sleep", "100")
    script = "readlink /proc/self/ns/user; touch /x; stat -c %u /x; ps | grep -c 'sleep 100'"
    options = ["--userns", "container:a", "--pid", "container:a", "--ipc", "container:a"]
    found = inside(box, busybox, script, *options).split()
    assert found[0] == box.run("exec", "a", "readlink", "/proc/self/ns/user").out
    assert found[1] == "0"
    assert int(found[2]) >= 1
    pid = box.run("inspect", "--format", "{{.State.Pid}}", "a").out
    if not box.rootless:
        by_path = inside(box, busybox, script, "--userns", f"ns:/proc/{pid}/ns/user").split()
        assert by_path[:2] == found[:2]


def test_a_missing_working_directory_is_the_users(box: Pod, busybox: str) -> None:
    options = ["--uidmap", f"0:{10 if box.rootless else 100000}:2000", "--workdir", "/new/one"]
    assert inside(box, busybox, "stat -c %u:%g /new .", *options).split() == ["0:0", "0:0"]
    assert inside(box, busybox, "stat -c %u:%g .", *options, "--user", "5:6") == "5:6"


def test_keep_id(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "id -u", "--userns", "keep-id") == str(box.user.uid)
    assert inside(box, busybox, "id -u; id -g", "--userns", "keep-id:uid=77,gid=78").split() == ["77", "78"]
    assert inside(box, busybox, "id -u", "--userns", "keep-id", "--user", "guest") == "1000"


def test_keep_id_of_a_size(rootless_box: Pod, busybox: str) -> None:
    options = ["--userns", "keep-id:uid=5,gid=5,size=100"]
    found = inside(rootless_box, busybox, "cat /proc/self/uid_map", *options).splitlines()
    assert sum(int(line.split()[2]) for line in found) == 100


def test_keep_id_has_no_size_for_root(root_box: Pod, busybox: str) -> None:
    message = refused(root_box, "run", "--userns", "keep-id:size=100", busybox, "true")
    assert message == "Error: cannot set max size for user namespace when not running rootless"
    assert refused(root_box, "run", "--userns", "nomap", busybox, "true") == (
        "Error: nomap is only supported in rootless mode"
    )


def test_nomap(rootless_box: Pod, busybox: str) -> None:
    own = rootless_box.user.uid
    with open("/etc/subuid") as file:
        first = next(int(line.split(":")[1]) for line in file if line.startswith(f"{rootless_box.user.name}:"))
    rootless_box.run("run", "-d", "--name", "a", "--userns", "nomap", busybox, "sleep", "100")
    pid = rootless_box.run("inspect", "--format", "{{.State.Pid}}", "a").out
    assert os.stat(f"/proc/{pid}").st_uid in (first, 0)  # 0 for what cannot be looked into
    with open(f"/proc/{pid}/uid_map") as file:
        outside = [int(line.split()[1]) for line in file]
    assert outside == [first]
    assert own not in outside


def test_auto_gives_each_container_its_own_ids(rootless_box: Pod, busybox: str) -> None:
    maps = []
    for name in ("a", "b"):
        rootless_box.run("run", "-d", "--name", name, "--userns", "auto:size=2000", busybox, "sleep", "100")
        maps.append(rootless_box.run("exec", name, "cat", "/proc/self/uid_map").out.split())
    assert [found[0] for found in maps] == ["0", "0"]
    assert int(maps[1][1]) == int(maps[0][1]) + 2000
    assert "not enough unused IDs in user namespace" in refused(
        rootless_box, "run", "--userns", "auto:size=64000", busybox, "true"
    )
    rootless_box.run("rm", "--force", "-t", "0", "a", "b")
    assert inside(rootless_box, busybox, "id -u", "--userns", "auto:size=64000") == "0"
    # The image's users fit in, and who is asked for.
    assert inside(rootless_box, busybox, "cat /proc/self/uid_map", "--userns", "auto").split()[2] == "1024"
    found = inside(rootless_box, busybox, "cat /proc/self/uid_map", "--userns", "auto", "--user", "5000").split()
    assert found[2] == "5001"


def test_auto_with_a_mapping_that_must_be_there(rootless_box: Pod, busybox: str) -> None:
    options = ["--userns", f"auto:size=2000,uidmapping=5:@{rootless_box.user.uid}:1,gidmapping=5:0:1", "--user", "5:5"]
    path = os.path.join(rootless_box.home, "shared")
    os.mkdir(path)
    os.chown(path, rootless_box.user.uid, rootless_box.user.gid)
    rootless_box.run("run", "--rm", *options, "-v", f"{path}:/d", busybox, "touch", "/d/x")
    assert os.stat(f"{path}/x").st_uid == rootless_box.user.uid


def test_auto_of_root_needs_a_range(root_box: Pod, busybox: str) -> None:
    with open("/etc/subuid") as file:
        if "containers:" in file.read():
            pytest.skip("this machine has a range for containers")
    result = root_box.run("run", "--userns", "auto", busybox, "true", check=False)
    assert result.code == 125
    assert 'no subuid ranges found for user "containers" in /etc/subuid' in result.stderr
    assert "hint: as root: echo containers:2147483647:2147483648 | tee -a /etc/subuid /etc/subgid" in result.stderr


def test_auto_of_root(root_box: Pod, busybox: str) -> None:
    """With a range of our own, in a mount namespace of our own."""
    command = " ".join(root_box.argv())
    script = f"""
        {ranges.mounted(root_box.home, "containers:700000:3000")}
        {command} run -d --name a --userns auto {busybox} sleep 100
        {command} exec a cat /proc/self/uid_map
        {command} run --rm --userns auto {busybox} sh -c 'cat /proc/self/uid_map; touch /x; stat -c %u /x'
        {command} run --rm --userns auto {busybox} true
        {command} run --rm --subuidname containers {busybox} cat /proc/self/gid_map
        {command} run --rm --subgidname containers --user 2999 {busybox} id -u
        {command} run --rm --userns auto:size=2000 {busybox} true
    """
    result = root_box.execute(["unshare", "-m", "sh", "-c", script], check=False)
    lines = [line.split() for line in result.stdout.splitlines()[1:]]
    assert lines == [["0", "700000", "1024"], ["0", "701024", "1024"], ["0"], ["0", "700000", "3000"], ["2999"]]
    assert result.code == 125
    assert "not enough unused IDs" in result.stderr


def test_environment_and_configuration_choose_the_namespace(box: Pod, busybox: str) -> None:
    assert box.run("run", "--rm", busybox, "id", "-u", env={"PODMAN_USERNS": "keep-id:uid=9"}).out == "9"
    path = os.path.join(box.home, "containers.conf")
    with open(path, "w") as file:
        file.write(
            '[containers]\nuserns = "keep-id:uid=8"\nutsns = "host"\ncgroupns = "host"\nipcns = "none"\npidns="host"\n'
        )
    os.chmod(path, 0o644)
    script = "id -u; ls -d /dev/shm 2>/dev/null; readlink /proc/self/ns/uts; readlink /proc/self/ns/pid"
    found = box.run("run", "--rm", busybox, "sh", "-c", script, env={"CONTAINERS_CONF": path}).out.split()
    assert found == ["8", os.readlink("/proc/self/ns/uts"), os.readlink("/proc/self/ns/pid")]


def test_named_ranges(rootless_box: Pod, busybox: str) -> None:
    """The user's own: intermediate IDs from 1 on."""
    name = rootless_box.user.name
    with open("/etc/subuid") as file:
        first = next(line.split(":")[1] for line in file if line.startswith(f"{name}:"))
    rootless_box.run("run", "-d", "--name", "a", "--subuidname", name, busybox, "sleep", "100")
    pid = rootless_box.run("inspect", "--format", "{{.State.Pid}}", "a").out
    with open(f"/proc/{pid}/uid_map") as file:
        assert file.read().split() == ["0", first, "65536"]


def test_one_id_only(command: str, workplace: str, user_without_subordinate_ids: User, busybox: str) -> None:
    """A user without subordinate IDs: one can be mapped to any, more are refused with the line that mends it."""
    pod = make_pod(command, os.path.join(workplace, "single-id"), user_without_subordinate_ids)
    pod.run("pull", "--quiet", busybox)
    options = ["--uidmap", "1000:0:1", "--gidmap", "1000:0:1", "--user", "1000:1000"]
    assert pod.run("run", "--rm", *options, busybox, "id", "-u").out == "1000"
    for mode in ("auto", "nomap"):
        result = pod.run("run", "--rm", "--userns", mode, busybox, "true", check=False)
        assert result.code == 125
        assert "usermod --add-subuids" in result.stderr
    assert pod.run("ps", "-aq").out == ""


def test_memory_of_a_hostile_container(root_box: Pod, busybox: str) -> None:
    """Its /dev/shm is a link to the root of the host, then a directory of its own: neither is shared."""
    options = ["-d", "--name", "a", "--privileged", "--ipc", "shareable"]
    root_box.run("run", *options, busybox, "sh", "-c", "umount /dev/shm; rmdir /dev/shm; ln -s / /dev/shm; sleep 100")
    script = "ls -d /dev/shm/etc 2>&1; true"
    assert inside(root_box, busybox, script, "--ipc", "container:a").endswith("No such file or directory")
    root_box.run("exec", "a", "sh", "-c", "rm /dev/shm; mkdir -p /dev/shm/etc")
    assert inside(root_box, busybox, script, "--ipc", "container:a").endswith("No such file or directory")


def test_hosts_cannot_be_added_to_those_of_another(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "a", busybox, "true")
    assert "cannot set extra host entries when the container is joined to another containers network" in refused(
        box, "run", "--network", "container:a", "--add-host", "x:1.2.3.4", busybox, "true"
    )


def test_intermediate_ids_of_others_cannot_be_mapped(rootless_box: Pod, busybox: str) -> None:
    assert "is not one of the user's own namespace" in refused(
        rootless_box, "run", "--uidmap", "0:100000:10", busybox, "true"
    )
    assert "parent ID UID 0 is not mapped/delegated" in refused(
        rootless_box, "run", "--uidmap", "0:@0:1", busybox, "true"
    )
    found = inside(rootless_box, busybox, "cat /proc/self/uid_map", "--uidmap", f"+50:@{rootless_box.user.uid}:1")
    assert [line.split()[0] for line in found.splitlines()] == ["0", "50", "51"]


def test_namespaces_of_another_user_are_refused(rootless_box: Pod, busybox: str) -> None:
    """Those of process 1, which is root's."""
    for flag, name in (("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"), ("network", "net"), ("userns", "user")):
        result = rootless_box.run("run", "--rm", f"--{flag}", f"ns:/proc/1/ns/{name}", busybox, "true", check=False)
        assert result.code == 125
        assert "permission denied" in result.stderr.lower()
