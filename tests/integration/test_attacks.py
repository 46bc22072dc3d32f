"""Attacks by the content of an image on the engine: each tries what a CVE describes, and shows that it fails.

What attacks the runtime itself is in test_runtime_attacks.py, what attacks the unpacking of layers in test_layers.py.
"""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.images import Layer, busybox, entry, layer, symlink
from tests.fixtures.registry import Registry


@pytest.fixture
def hostile(pod: Pod, registry: Registry, request: pytest.FixtureRequest) -> Any:
    """Pull an image with the layers and settings given, return its name."""

    def make(*layers: Layer, **settings: Any) -> str:
        name = registry.push(f"hostile-{abs(hash(request.node.nodeid))}", "latest", busybox(*layers, **settings))
        pod.run("pull", "--quiet", name)
        return name

    return make


@pytest.fixture
def victim(pod: Pod) -> Path:
    """A directory of the host that no container may change."""
    path = Path(pod.directory) / "victim"
    path.mkdir(mode=0o755)
    (path / "file").write_text("untouched\n")
    os.chown(path, pod.user.uid, pod.user.gid)
    os.chown(path / "file", pod.user.uid, pod.user.gid)
    return path


def untouched(victim: Path) -> bool:
    status = victim.stat()
    names = sorted(os.listdir(victim))
    return (
        names == ["file"] and (victim / "file").read_text() == "untouched\n" and stat.S_IMODE(status.st_mode) == 0o755
    )


def test_workdir_through_a_symlink_is_made_inside(pod: Pod, hostile: Any, victim: Path) -> None:
    """CVE-2026-55686: WORKDIR through a symlink created and chowned a directory of the host."""
    image = hostile(layer(symlink("work", str(victim))), WorkingDir="/work/made/deep", User="1000")
    result = pod.run("run", "--rm", image, "pwd", check=False)
    assert untouched(victim), result
    climbing = hostile(WorkingDir="/../../../../.." + str(victim) + "/made")
    pod.run("run", "--rm", climbing, "true", check=False)
    assert untouched(victim)


@pytest.mark.parametrize("named", ["4294967296", "4294967295", "18446744073709551616", "-1", "+0"])
def test_users_out_of_range_are_not_root(pod: Pod, hostile: Any, named: str) -> None:
    """CVE-2024-40635, CVE-2026-46680: USER beyond the range wrapped around to root."""
    image = hostile(layer(entry("etc/passwd", f"{named}:x:0:0::/:/bin/sh\n".encode())), User=named)
    result = pod.run("run", "--rm", image, "id", "-u", check=False)
    assert result.code == 125 or result.out != "0", result


def test_a_numeric_user_is_never_a_name(pod: Pod, hostile: Any) -> None:
    image = hostile(layer(entry("etc/passwd", b"1000:x:0:0::/:/bin/sh\n")), User="1000")
    assert pod.run("run", "--rm", image, "id", "-u").out == "1000"


def test_environment_of_the_host_does_not_leak(pod: Pod, hostile: Any) -> None:
    """CVE-2026-57231: image variables without a value were taken from the host."""
    image = hostile(Env=["PATH=/bin", "HOME", "*", "USER", "SHELL*", "LC_ALL"])
    lines = pod.run("run", "--rm", image, "env").stdout.splitlines()
    assert {line.partition("=")[0] for line in lines} <= {"PATH", "HOME", "HOSTNAME", "container", "PWD", "SHLVL"}
    assert "HOME=/root" in lines


@pytest.mark.parametrize("target", ["/dev/zero", "/proc/self/environ", "../../../../../../etc/shadow", "/etc/passwd"])
def test_passwd_that_is_a_link_is_not_read_on_the_host(pod: Pod, hostile: Any, target: str) -> None:
    """CVE-2024-9676: /etc/passwd of the image, a link or a device, was read on the host."""
    image = hostile(layer(entry(".wh..wh..opq", b""), symlink("etc/passwd", target), symlink("etc/group", target)))
    result = pod.run("run", "--rm", "--user", "sshd", image, "id", check=False)
    assert result.code == 126, result
    assert "unable to find user sshd" in result.stderr


def test_passwd_that_is_a_fifo_does_not_hang(pod: Pod, hostile: Any) -> None:
    fifo = tarfile.TarInfo("etc/passwd")
    fifo.type = tarfile.FIFOTYPE
    image = hostile(layer((fifo, b"")))
    assert pod.run("run", "--rm", "--user", "guest", image, "id", check=False).code == 126


def test_huge_group_file(pod: Pod, hostile: Any) -> None:
    """CVE-2026-47262: a huge /etc/group used up the engine's memory."""
    image = hostile(layer(entry("etc/group", b"root:x:0:\n" * (2 << 20))))
    assert pod.run("run", "--rm", "--user", "guest", image, "true").code == 0


def test_volume_paths_do_not_leave_the_image(pod: Pod, hostile: Any, victim: Path) -> None:
    """CVE-2022-23648: VOLUME with `..`, or through a link, copied files of the host."""
    image = hostile(layer(symlink("data", str(victim))), Volumes={"/data": {}, "/../../../.." + str(victim): {}})
    result = pod.run("run", "--rm", image, "sh", "-c", f"find /data/ {victim} -type f 2>/dev/null", check=False)
    assert "file" not in result.stdout
    assert untouched(victim)


def test_labels_of_images_are_only_data(pod: Pod, hostile: Any) -> None:
    """CVE-2026-53488 and kin: labels of an image were taken for instructions."""
    labels = {"io.podman.annotations.privileged": "TRUE", "io.containers.autoupdate": "local", "run": "rm -rf /"}
    image = hostile(Labels=labels)
    shown = pod.run("run", "--rm", image, "grep", "CapEff", "/proc/self/status").out
    assert int(shown.split()[1], 16) & 1 << 21 == 0  # no CAP_SYS_ADMIN


def test_directories_of_the_store_are_closed_to_others(pod: Pod, hostile: Any) -> None:
    """CVE-2021-41091, CVE-2024-25621: setuid programs of images were in reach of every user."""
    hostile()
    for path in (f"{pod.root}/layers", f"{pod.root}/containers", f"{pod.root}/volumes", f"{pod.runroot}/containers"):
        assert stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0, path


def test_inheritable_capabilities_are_empty(pod: Pod, hostile: Any) -> None:
    """CVE-2022-24769, 27649, 29162: non-empty inheritable capabilities, in run and in exec."""
    image = hostile()
    assert pod.run("run", "--rm", image, "grep", "CapInh", "/proc/self/status").out.split()[1].strip("0") == ""
    pod.run("run", "-d", "--name", "c", image, "sleep", "1000")
    assert pod.run("exec", "c", "grep", "CapInh", "/proc/self/status").out.split()[1].strip("0") == ""
    pod.run("rm", "-f", "-t", "0", "c")


def test_supplementary_groups_of_the_host_are_dropped(pod: Pod, hostile: Any) -> None:
    """CVE-2022-2989, CVE-2023-25173."""
    image = hostile()
    assert pod.run("run", "--rm", "--user", "4242:4242", image, "id", "-G").out == "4242"


def test_workdir_and_exec_cannot_use_descriptors_of_the_engine(pod: Pod, hostile: Any) -> None:
    """CVE-2024-21626: a working directory in /proc/self/fd was one of the host."""
    image = hostile()
    pod.run("run", "-d", "--name", "c", image, "sleep", "1000")
    for number in range(3, 16):
        path = f"/proc/self/fd/{number}"
        for arguments in (("run", "--rm", "-w", path, image), ("exec", "-w", path, "c")):
            result = pod.run(*arguments, "ls", "../../../../../../etc/shadow", check=False)
            assert "shadow" not in result.stdout, (arguments, result)
    pod.run("rm", "-f", "-t", "0", "c")


def test_digests_are_checked_before_they_are_paths(pod: Pod) -> None:
    """CVE-2024-3727."""
    for name in (
        "x@sha256:../../../../etc/passwd",
        "x@sha256:" + "0" * 63 + "/",
        "x@sha256:..",
        "../x@sha256:" + "0" * 64,
    ):
        assert pod.run("pull", name, check=False).code == 125


def test_modules_of_the_image_are_not_imported(pod: Pod, hostile: Any, victim: Path) -> None:
    """A Python runtime's own trap: an import after entering the root file system runs the image's code."""
    trap = f"import os\nopen({str(victim / 'owned')!r}, 'w')\nopen('/owned', 'w')\n".encode()
    names = (
        "warnings",
        "os",
        "site",
        "sitecustomize",
        "encodings/__init__",
        "encodings/idna",
        "traceback",
        "linecache",
    )
    places = ("usr/lib/python3.11", "usr/lib/python3/dist-packages", "work/main", "usr/local/lib/python3.11")
    image = hostile(layer(*(entry(f"{place}/{name}.py", trap) for place in places for name in names)))
    script = "test ! -e /owned && echo clean"
    assert pod.run("run", "--rm", image, "sh", "-c", script).out == "clean"
    assert pod.run("run", "--rm", image, "no-such-program", check=False).code == 127
    pod.run("run", "-d", "--name", "c", image, "sleep", "1000")
    assert pod.run("exec", "c", "no-such-program", check=False).code == 127
    assert pod.run("exec", "c", "sh", "-c", script).out == "clean"
    pod.run("rm", "-f", "-t", "0", "c")
    assert untouched(victim)


def test_control_groups_of_the_host_are_read_only(pod: Pod, hostile: Any) -> None:
    """CVE-2023-25809: without a namespace of its own, a container could write to the host's cgroups."""
    script = (
        "find /sys/fs/cgroup -type f -name 'cgroup.procs' | while read f; do (echo 0 > $f) 2>/dev/null && echo $f; done"
    )
    assert pod.run("run", "--rm", hostile(), "sh", "-c", script, check=False).out == ""


def test_control_groups_cannot_be_mounted(pod: Pod, hostile: Any) -> None:
    """CVE-2022-0492: a container that could mount a cgroup v1 ran programs of its own on the host by release_agent."""
    script = "mkdir /m; for o in memory rdma pids; do mount -t cgroup -o $o none /m 2>/dev/null && echo yes; done; true"
    assert pod.run("run", "--rm", hostile(), "sh", "-c", script).out == ""
    assert (
        pod.run("run", "--rm", hostile(), "sh", "-c", "unshare -Urm sh -c '" + script + "' 2>/dev/null; true").out == ""
    )


@pytest.mark.parametrize("target", ["/proc/self/attr", "/proc/sys", "/proc", "/proc/self/../sys/kernel"])
def test_nothing_of_proc_can_be_replaced(pod: Pod, hostile: Any, victim: Path, target: str) -> None:
    """CVE-2025-52881, CVE-2019-16884: writes to procfs were redirected by what was mounted there."""
    result = pod.run("run", "--rm", "-v", f"{victim}:{target}", hostile(), "true", check=False)
    assert result.code != 0, result
    assert untouched(victim)


def test_engines_own_mounts_stay_inside(pod: Pod, hostile: Any, victim: Path) -> None:
    """CVE-2024-9341: what the engine mounts by itself followed links of the image."""
    for name in ("etc", "run"):
        image = hostile(layer(entry(f".wh.{name}", b"")), layer(symlink(name, str(victim))))
        pod.run("run", "--rm", image, "true", check=False)
        assert untouched(victim)


def test_programs_of_the_image_are_not_run_by_the_engine(pod: Pod, hostile: Any, victim: Path) -> None:
    """CVE-2026-41567, CVE-2022-1227: decompressors and nsenter were taken from the image."""
    trap = f"#!/bin/sh\necho owned > {victim}/owned\n".encode()
    names = ("unpigz", "gzip", "xz", "zstd", "nsenter", "ps", "newuidmap", "rm")
    image = hostile(layer(*(entry(f"usr/bin/{name}", trap, mode=0o755) for name in names)))
    pod.run("run", "-d", "--name", "c", image, "sleep", "1000")
    pod.run("exec", "-d", "c", "true")
    pod.run("rm", "-f", "-t", "0", "c")
    assert untouched(victim)


def test_a_volume_with_content_is_not_filled_again(pod: Pod, hostile: Any) -> None:
    """CVE-2020-1726: the image's files came back into a volume that had been changed."""
    image = hostile(layer(entry("data/secret", b"from the image")))
    pod.run("run", "--rm", "-v", "kept:/data", image, "sh", "-c", "rm /data/secret; echo mine > /data/mine")
    assert pod.run("run", "--rm", "-v", "kept:/data", image, "ls", "/data").out == "mine"
    pod.run("volume", "rm", "kept")


def test_variables_of_one_process_do_not_reach_the_next(pod: Pod, hostile: Any) -> None:
    """CVE-2020-14370."""
    image = hostile()
    pod.run("run", "-d", "--name", "c", image, "sleep", "1000")
    pod.run("exec", "-e", "SECRET=1", "c", "true")
    assert "SECRET" not in pod.run("exec", "c", "env").stdout
    assert "SECRET" not in pod.run("run", "--rm", image, "env").stdout
    pod.run("rm", "-f", "-t", "0", "c")


def test_no_abstract_socket_is_open_to_containers(pod: Pod, hostile: Any) -> None:
    """CVE-2020-15257: a container in the host's network reached the engine's abstract sockets."""
    image = hostile()
    pod.run("run", "-d", "--name", "c", image, "sleep", "1000")
    sockets = pod.run("run", "--rm", "--network", "host", image, "cat", "/proc/net/unix").stdout
    abstract = [line for line in sockets.splitlines() if "@" in line]
    assert not [line for line in abstract if "pod" in line or "attach" in line]
    pod.run("rm", "-f", "-t", "0", "c")


def test_the_infra_container_of_a_pod_leads_to_no_file_of_the_host(pod: Pod, registry: Registry) -> None:
    """Who shares its process namespace reaches its root file system, in which the engine puts a program."""
    image = registry.push("small", "latest", busybox())
    victim = Path(pod.home, "victim")
    victim.write_text("precious")
    os.chown(victim, pod.user.uid, pod.user.gid)
    pod.run("pod", "create", "--name", "p", "--share", "pid,net")
    infra = pod.run("pod", "inspect", "--format", "{{.InfraContainerID}}", "p").out
    links = "for name in catatonit catatonit.tmp; do rm -f $root/$name; ln -s $victim $root/$name; done"
    inside = f"root=/proc/1/root victim={victim}; {links}; exec sleep 1000"
    pod.run("run", "-d", "--pod", "p", "--name", "evil", "--stop-signal", "KILL", image, "sh", "-c", inside)
    pod.run("pod", "stop", "p")
    # As if it had been able to.
    pod.execute(["sh", "-c", f"mkdir {pod.home}/links; root={pod.home}/links victim={victim}; {links}"])
    pod.run("cp", f"{pod.home}/links/.", f"{infra}:/")
    pod.run("pod", "start", "p")
    assert pod.run("inspect", "--format", "{{.State.Status}}", infra).out == "running"
    assert victim.read_text() == "precious"
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644
    pod.run("pod", "rm", "--force", "p")
