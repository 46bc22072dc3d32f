"""The mounts of a configuration, option by option, on the real kernel."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.bundle import COMMAND, Runtime, configuration, make_rootfs, with_user_namespace
from tests.fixtures.user import current_user

_numbers = itertools.count()


@pytest.fixture
def as_root(workplace: str) -> Iterator[Runtime]:
    if os.getuid():
        pytest.skip("needs root")
    made = Runtime(f"{workplace}/mounts{next(_numbers)}", current_user())
    yield made
    assert made.leftovers() == []


def with_mounts(spec: dict[str, Any], *mounts: dict[str, Any]) -> dict[str, Any]:
    """Add mounts to a configuration."""
    spec["mounts"] += mounts
    return spec


def bind(source: str, destination: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": "bind", "source": source, "options": list(options)}


def source(runtime: Runtime) -> str:
    """Make a directory with a file, a link to it, a link to nowhere and a directory; return its path."""
    path = f"{runtime.directory}/source"
    os.makedirs(f"{path}/directory")
    with open(f"{path}/file", "w") as file:
        file.write("text\n")
    os.symlink("file", f"{path}/link")
    os.symlink("/no/where", f"{path}/broken")
    if os.getuid() == 0 and runtime.user.uid:
        subprocess.run(["chown", "-hR", str(runtime.user.uid), path], check=True)
    return path


def mount_line(text: str, point: str) -> str:
    """Return the last line of a mountinfo for a mount point."""
    return [line for line in text.splitlines() if line.split()[4] == point][-1]


def test_usual_mounts_have_usual_options(runtime: Runtime) -> None:
    spec = configuration("cat", "/proc/self/mountinfo")
    for mount in spec["mounts"]:
        del mount["options"]
    seen = runtime.output(spec=spec)
    for point, options, data in (
        ("/proc", "nosuid,nodev,noexec", ""),
        ("/dev", "nosuid,noexec", "mode=755"),
        ("/dev/pts", "nosuid,noexec", "ptmxmode=666"),
        ("/dev/shm", "nosuid,nodev,noexec", "size=65536k"),
        ("/sys", "ro,nosuid,nodev,noexec", ""),
    ):
        line = mount_line(seen, point)
        assert set(options.split(",")) <= set(line.split()[5].split(",")), line
        assert data in line.rpartition(" - ")[2]


@pytest.mark.parametrize("option", ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"])
def test_attributes_of_one_mount_and_of_all_below(as_root: Runtime, option: str) -> None:
    outer = source(as_root)
    spec = with_mounts(
        configuration("cat", "/proc/self/mountinfo"),
        {"destination": "/in/sub", "type": "tmpfs", "source": "tmpfs"},
        bind(outer, "/plain", "rbind", option),
        bind(outer, "/all", "rbind", f"r{option}"),
        {"destination": "/new", "type": "tmpfs", "source": "tmpfs", "options": [f"r{option}"]},
    )
    as_root.configure(spec)
    # A mount below the source, in a mount namespace of its own.
    script = f'mount -t tmpfs tmpfs {outer}/directory && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "x", *COMMAND, "--root", as_root.state, "run", "box"]
    done = subprocess.run(command, cwd=as_root.bundle, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for point, expected in (
        ("/plain", True),
        ("/plain/directory", False),
        ("/all", True),
        ("/all/directory", True),
        ("/new", True),
    ):
        options = mount_line(done.stdout, point).split()[5].split(",")
        assert (option in options) == expected, (point, options)


def test_flags_can_be_cleared_again(as_root: Runtime) -> None:
    spec = with_mounts(
        configuration("cat", "/proc/self/mountinfo"),
        {"destination": "/t", "type": "tmpfs", "options": ["ro", "nosuid", "nodev", "noatime"]},
        {"destination": "/t", "type": "", "options": ["remount", "bind", "rw", "dev", "relatime"]},
        {"destination": "/sized", "type": "tmpfs", "options": ["size=4096k"]},
        {"destination": "/sized", "options": ["remount", "size=8192k", "noexec"]},
    )
    seen = as_root.output(spec=spec)
    options = mount_line(seen, "/t").split()[5].split(",")
    assert {"rw", "nosuid", "relatime"} <= set(options)
    assert not {"ro", "nodev", "noatime"} & set(options)
    assert "size=8192k" in mount_line(seen, "/sized")
    assert "noexec" in mount_line(seen, "/sized").split()[5]


def test_locked_flags_stay_and_the_others_change(as_root: Runtime) -> None:
    """In a user namespace what is mounted nodev stays so; what is not locked is still changed."""
    spec = with_mounts(
        with_user_namespace(configuration("cat", "/proc/self/mountinfo")),
        bind("/proc", "/bound/proc", "rbind", "exec", "dev", "nosymfollow"),
        bind("/dev/shm", "/bound/shm", "bind", "rw", "exec", "suid", "dev", "noatime"),
    )
    for name in ("proc", "shm"):
        os.makedirs(f"{as_root.rootfs}/bound/{name}")
    with open("/proc/self/mountinfo") as file:
        outside = file.read()
    seen = as_root.output(spec=spec)
    for host, point in (("/proc", "/bound/proc"), ("/dev/shm", "/bound/shm")):
        before = set(mount_line(outside, host).split()[5].split(","))
        after = set(mount_line(seen, point).split()[5].split(","))
        assert before & {"nosuid", "nodev", "noexec", "ro"} <= after
    assert "nosymfollow" in mount_line(seen, "/bound/proc").split()[5]


def test_links_as_sources_and_destinations(runtime: Runtime) -> None:
    outer = source(runtime)
    os.symlink("/etc/passwd", f"{runtime.rootfs}/tmp/here")
    os.symlink("file", f"{runtime.rootfs}/tmp/same")
    spec = with_mounts(
        configuration(
            "sh",
            "-c",
            "cat /followed; for i in /copied /tmp/same /dangling; do readlink $i; done;"
            "cat /direct; readlink /link; cat /tmp/here; head -n 1 /etc/passwd",
        ),
        bind(f"{outer}/link", "/followed", "bind"),
        bind(f"{outer}/link", "/copied", "bind", "copy-symlink"),
        bind(f"{outer}/link", "/tmp/same", "bind", "copy-symlink"),
        bind(f"{outer}/broken", "/dangling", "bind", "copy-symlink"),
        bind(f"{outer}/file", "/direct", "bind", "copy-symlink"),
        bind(f"{outer}/link", "/link", "bind", "src-nofollow"),
        bind(f"{outer}/file", "/tmp/here", "bind", "dest-nofollow"),
    )
    expected = ["text", "file", "file", "/no/where", "text", "file", "text", "root:x:0:0:root:/root:/bin/sh"]
    assert runtime.output(spec=spec).splitlines() == expected


def test_a_link_is_not_copied_over_something_else(runtime: Runtime) -> None:
    outer = source(runtime)
    spec = with_mounts(configuration("true"), bind(f"{outer}/link", "/etc/passwd", "bind", "copy-symlink"))
    done = runtime.run(spec)
    assert done.returncode == 1
    assert "on `/etc/passwd`" in done.stderr
    assert "File exists" in done.stderr


def test_a_mount_on_the_root_replaces_it(runtime: Runtime) -> None:
    other = f"{runtime.directory}/other"
    make_rootfs(other)
    if os.getuid() == 0 and runtime.user.uid:
        subprocess.run(["chown", "-hR", f"{runtime.user.uid}", other], check=True)
    with open(f"{other}/which", "w") as file:
        file.write("other\n")
    spec = configuration(
        "sh", "-c", "cat /which; ls /.. | wc -l; touch /x || echo ro; echo > /dev/null; pwd", cwd="/tmp"
    )
    spec["mounts"].insert(0, bind(other, "/", "rbind", "nosuid"))
    spec["root"]["readonly"] = True
    seen = runtime.output(spec=spec).split()
    assert seen[0] == "other"
    assert seen[2:] == ["ro", "/tmp"]
    assert not os.path.exists(f"{other}/x")
    assert os.listdir(f"{runtime.rootfs}/dev") == []


@pytest.mark.parametrize("name", ["", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable"])
def test_propagation_of_the_root(as_root: Runtime, name: str) -> None:
    spec = configuration("cat", "/proc/self/mountinfo")
    spec["linux"]["rootfsPropagation"] = name
    as_root.configure(spec)
    # Where the host shares its mounts, as systemd has them.
    words = ["unshare", "--mount", "--propagation", "shared", *COMMAND, "--root", as_root.state, "run", "box"]
    done = subprocess.run(words, cwd=as_root.bundle, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    optional = mount_line(done.stdout, "/").split(" - ")[0].split()[6:]
    kinds = {field.split(":")[0] for field in optional}
    expected = {"shared": {"shared"}, "rshared": {"shared"}, "unbindable": {"unbindable"}}.get(name, set())
    assert kinds - {"master"} == expected, optional


def test_propagation_of_a_mount(as_root: Runtime) -> None:
    outer = source(as_root)
    names = ("rshared", "rslave", "rprivate", "unbindable", "shared")
    spec = with_mounts(
        configuration("cat", "/proc/self/mountinfo"), *(bind(outer, f"/{name}", "bind", name) for name in names)
    )
    seen = as_root.output(spec=spec)
    for name in names:
        fields = mount_line(seen, f"/{name}").split(" - ")[0].split()[6:]
        kinds = {field.split(":")[0] for field in fields}
        assert kinds == {"rshared": {"shared"}, "shared": {"shared"}, "unbindable": {"unbindable"}}.get(name, set())


def test_ids_are_mapped_as_the_mount_says(as_root: Runtime) -> None:
    outer = source(as_root)
    os.chown(outer, 1000, 1000)
    os.makedirs(f"{as_root.rootfs}/data")
    show = ("stat", "-c", "%u", "/data")
    own = [{"containerID": 1000, "hostID": 7000, "size": 10}]
    mount = {**bind(outer, "/data", "rbind", "ridmap"), "uidMappings": own, "gidMappings": own}
    assert as_root.output(spec=with_mounts(configuration(*show), mount)).strip() == "7000"
    # A user namespace that is joined has mappings of its own.
    holder = as_root.start("holder", with_user_namespace(configuration("sleep", "600")))
    try:
        spec = with_mounts(configuration(*show), bind(outer, "/data", "bind", "idmap"))
        spec["linux"]["namespaces"].append({"type": "user", "path": f"/proc/{holder}/ns/user"})
        assert as_root.output(spec=spec).strip() == "1000"
    finally:
        as_root("delete", "--force", "holder")


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        (bind("/srv", "/x", "bind", "idmap"), "has no uidMappings and gidMappings to map IDs by"),
        (
            {**bind("/srv", "/x", "bind"), "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]},
            "mounts[5] has but one of uidMappings and gidMappings",
        ),
        ({"destination": "/x", "type": "tmpfs", "options": ["idmap"]}, "mounts[5]: IDs can be mapped for a bind"),
        ({"destination": "/x", "type": "tmpfs", "options": ["context"]}, None),
        ({"destination": "/x", "options": ["bind"]}, "mounts[5].source: the bind mount on `/x` has no source"),
        ({"destination": "/x"}, "mounts[5].type: the mount on `/x` has no type"),
        (bind("/srv", "/", "bind", "dest-nofollow"), "mounts[5].destination: `/` cannot be a link"),
    ],
)
def test_mounts_that_make_no_sense(as_root: Runtime, mount: dict[str, Any], message: str | None) -> None:
    done = as_root.run(with_mounts(configuration("true"), mount))
    assert done.returncode == (1 if message else 0), done.stderr
    assert (message or "") in done.stderr


def test_labels_are_ignored_without_selinux(runtime: Runtime) -> None:
    if os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("SELinux is at work")
    label = "system_u:object_r:container_file_t:s0:c1,c2"
    spec = with_mounts(
        configuration("true", selinuxLabel="system_u:system_r:container_t:s0:c1,c2", apparmorProfile="box"),
        {"destination": "/x", "type": "tmpfs", "options": [f'context="{label}"', "size=64k"]},
    )
    spec["linux"]["mountLabel"] = label
    assert runtime.run(spec).returncode == 0


@pytest.mark.parametrize("namespace", [True, False], ids=["own namespace", "host's namespace"])
@pytest.mark.parametrize("pure", [True, False], ids=["v2", "as here"])
def test_control_groups_are_shown(as_root: Runtime, namespace: bool, pure: bool) -> None:
    spec = with_mounts(
        configuration("sh", "-c", "cat /proc/self/mountinfo; ls /sys/fs/cgroup; echo x > /sys/fs/cgroup/x || echo ro"),
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"},
    )
    if namespace:
        spec["linux"]["namespaces"].append({"type": "cgroup"})
    as_root.configure(spec)
    script = "mount --make-rprivate /; " + ("mount -t cgroup2 none /sys/fs/cgroup; " if pure else "") + 'exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", script, "x", *COMMAND, "--root", as_root.state, "run", "box"]
    done = subprocess.run(words, cwd=as_root.bundle, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if " /sys/fs/cgroup" in line]
    assert all({"ro", "nosuid", "nodev", "noexec"} <= set(line.split()[5].split(",")) for line in lines)
    assert done.stdout.splitlines()[-1] == "ro"
    groups = [line for line in lines if " - cgroup" in line]
    assert groups
    if namespace:
        assert {line.split()[3] for line in groups} == {"/"}
    else:
        # Its own part, and nothing of the host's.
        assert all("pod-runtime-box" in line.split()[3] for line in groups), groups
    if pure:
        assert len(lines) == 1
        assert "cgroup.procs" in done.stdout
