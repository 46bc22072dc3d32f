"""Which cgroup is meant, and what is done to its files: the kernel is played by a directory."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from runtime import cgroups
from runtime.cgroups import CgroupError, CgroupUnavailableError, delegation, files, mounts
from runtime.errors import SpecError

HYBRID = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
33 31 0:31 /docker/abc /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 22 0:38 / /mnt/other\\040place rw,relatime - cgroup2 cgroup2 rw
"""
OWN = "4:memory:/docker/abc/x\n3:name=systemd:/user\n2:cpu,cpuacct:/\n0::/init\n"


def test_hierarchies_of_a_hybrid_layout() -> None:
    found = {each.mountpoint: each for each in mounts.read(HYBRID, OWN, "/sys/fs/cgroup")}
    assert list(found) == [f"/sys/fs/cgroup/{name}" for name in ("cpu,cpuacct", "memory", "systemd", "unified")]
    assert found["/sys/fs/cgroup/cpu,cpuacct"].controllers == ("cpu", "cpuacct")
    assert found["/sys/fs/cgroup/systemd"].controllers == ("name=systemd",)
    assert [each.own for each in found.values()] == ["/", "/x", "/user", "/init"]
    assert [each.is_v2 for each in found.values()] == [False, False, False, True]
    (other,) = mounts.read(HYBRID, OWN, "/mnt")
    assert other.mountpoint == "/mnt/other place"


def test_hierarchies_under_another_mount_are_none() -> None:
    over_all = HYBRID + "50 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
    (found,) = mounts.read(over_all, OWN, "/sys/fs/cgroup")
    assert (found.mountpoint, found.is_v2) == ("/sys/fs/cgroup", True)
    sysfs = "23 22 0:20 / /sys rw - sysfs sysfs rw\n"
    assert len(mounts.read(sysfs + HYBRID, OWN, "/sys/fs/cgroup")) == 4
    over_sys = sysfs + HYBRID + "51 23 0:9 / /sys rw - tmpfs tmpfs rw\n"
    assert mounts.read(over_sys, OWN, "/sys/fs/cgroup") == []


def test_a_hierarchy_that_went_away_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.make(str(tmp_path / "missing"), "/pod/abc")


def play(tmp_path: Path, mountinfo: str) -> dict[str, Any]:
    """Return the arguments of `plan` for a layout below a directory."""
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "mountinfo").write_text(mountinfo.replace("/sys/fs/cgroup", str(tmp_path / "cgroup")))
    (proc / "cgroup").write_text(OWN)
    return {"mountpoint": str(tmp_path / "cgroup"), "proc": str(proc)}


def test_paths(tmp_path: Path) -> None:
    layout = play(tmp_path, HYBRID)
    root = tmp_path / "cgroup"
    assert cgroups.plan("/pod/abc", **layout).paths == [
        f"{root}/{name}/pod/abc" for name in ("cpu,cpuacct", "memory", "systemd", "unified")
    ]
    assert cgroups.plan("abc", **layout).paths == [
        f"{root}/{name}" for name in ("cpu,cpuacct/abc", "memory/x/abc", "systemd/user/abc", "unified/init/abc")
    ]


def test_no_cgroup_is_meant(tmp_path: Path) -> None:
    layout = play(tmp_path, HYBRID)
    for path in ("", "/", "/..", "/pod/../../etc", "//./", "/a\0b"):
        with pytest.raises(SpecError, match=r"linux\.cgroupsPath"):
            cgroups.plan(path, **layout)


def test_nothing_is_mounted(tmp_path: Path) -> None:
    with pytest.raises(CgroupUnavailableError, match="no cgroup hierarchy is mounted"):
        cgroups.plan("/pod/abc", **play(tmp_path, "22 1 254:0 / / rw - ext4 /dev/vda rw\n"))


class Unified:
    """A directory that plays a pure cgroup2, with a container's cgroup whose files exist."""

    def __init__(self, tmp_path: Path, controllers: str = "cpu memory pids io hugetlb") -> None:
        self.root = tmp_path / "cgroup"
        self.directory = self.root / "pod" / "abc"
        self.directory.mkdir(parents=True)
        for directory in (self.root, self.directory.parent, self.directory):
            (directory / "cgroup.controllers").write_text(controllers + "\n")
            (directory / "cgroup.subtree_control").write_text("cpu\n")
            (directory / "cgroup.procs").write_text("")
        self.layout = play(tmp_path, "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n")
        self.cgroup = cgroups.plan("/pod/abc", **self.layout)

    def file(self, name: str, content: str = "") -> Path:
        (self.directory / name).write_text(content)
        return self.directory / name


@pytest.fixture
def unified(tmp_path: Path) -> Unified:
    return Unified(tmp_path)


def test_v2_switches_controllers_on_above_the_container(unified: Unified) -> None:
    unified.cgroup.create()
    missing = "+memory +pids +io +hugetlb"
    for directory, content in (
        (unified.root, missing),
        (unified.directory.parent, missing),
        (unified.directory, "cpu\n"),
    ):
        assert (directory / "cgroup.subtree_control").read_text() == content
    assert unified.cgroup.paths == [str(unified.directory)]


def test_v2_limits(unified: Unified) -> None:
    names = ("pids.max", "memory.max", "memory.swap.max", "cpu.weight", "cpu.max", "io.weight", "memory.high")
    written = {name: unified.file(name) for name in names}
    unified.cgroup.create()
    unified.cgroup.apply(
        {
            "pids": {"limit": 50},
            "memory": {"limit": 4096, "swap": 8192},
            "cpu": {"shares": 262144, "quota": 5000},
            "blockIO": {"weight": 1000},
            "unified": {"memory.high": "9"},
        }
    )
    assert [written[name].read_text() for name in names] == ["50", "4096", "4096", "10000", "5000 100000", "10000", "9"]


def test_v2_controller_that_is_not_there(unified: Unified) -> None:
    with pytest.raises(CgroupUnavailableError, match=r"set cpuset\.cpus to 0-1: the cgroup controller cpuset") as error:
        unified.cgroup.apply({"cpu": {"cpus": "0-1"}})
    assert "delegated" in error.value.hint


def test_v2_setting_that_the_kernel_does_not_have(unified: Unified) -> None:
    with pytest.raises(CgroupUnavailableError, match=r"write 7 to .*/pod/abc/cpu.max.burst: No such file"):
        unified.cgroup.apply({"cpu": {"burst": 7}})


def test_v2_counters_and_processes(unified: Unified) -> None:
    assert unified.cgroup.oom_count() == 0
    unified.file("memory.events", "low 0\noom 3\noom_kill 2\n")
    unified.file("cgroup.procs", "12\n13\n")
    nested = unified.directory / "nested"
    nested.mkdir()
    (nested / "cgroup.procs").write_text("14\n")
    assert unified.cgroup.oom_count() == 2
    assert unified.cgroup.pids() == [12, 13, 14]
    unified.cgroup.enter(4711)
    assert (unified.directory / "cgroup.procs").read_text().startswith("4711")


def test_v2_freezing_waits_for_the_kernel(unified: Unified) -> None:
    freeze = unified.file("cgroup.freeze")
    unified.file("cgroup.events", "populated 1\nfrozen 1\n")
    unified.cgroup.freeze(True)
    assert freeze.read_text() == "1"


def test_v2_cgroup_in_use_is_refused(unified: Unified) -> None:
    unified.file("cgroup.procs", "1\n")
    with pytest.raises(CgroupError, match="it exists and has processes"):
        unified.cgroup.create()


def test_v2_kill_asks_the_kernel(unified: Unified) -> None:
    kill = unified.file("cgroup.kill")
    unified.cgroup.kill()
    assert kill.read_text() == "1"


def test_v1_makes_all_directories_and_inherits_the_cpuset(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    layout = play(
        tmp_path,
        "1 0 0:1 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "2 0 0:1 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
    )
    for name in ("cpuset", "cpuset/pod", "cpuset/pod/abc", "pids"):
        (root / name).mkdir(parents=True)
    for name, content in (("cpuset", "0-3"), ("cpuset/pod", ""), ("cpuset/pod/abc", "")):
        (root / name / "cpuset.cpus").write_text(content)
        (root / name / "cpuset.mems").write_text(content and "0")
    cgroup = cgroups.plan("/pod/abc", **layout)
    cgroup.create()
    assert (root / "cpuset/pod/abc/cpuset.cpus").read_text() == (root / "cpuset/pod/cpuset.cpus").read_text() == "0-3"
    assert (root / "cpuset/pod/abc/cpuset.mems").read_text() == "0"
    assert cgroup.paths == [f"{root}/cpuset/pod/abc", f"{root}/pids/pod/abc", f"{root}/pids/pod"]
    assert files.remove(cgroup.paths[1:]) == []
    assert not (root / "pids/pod").exists()


def test_v1_without_a_controller(tmp_path: Path) -> None:
    layout = play(tmp_path, "2 0 0:1 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n")
    cgroup = cgroups.plan("/abc", **layout)
    for resources, setting in (
        ({"memory": {"limit": 5}}, "memory.limit_in_bytes to 5: the cgroup controller memory"),
        ({"network": {"classID": 1}}, "net_cls.classid to 1: the cgroup controller net_cls"),
        ({"unified": {"memory.high": "5"}}, "memory.high to 5: cgroup v2 is not mounted"),
    ):
        with pytest.raises(CgroupUnavailableError, match=setting):
            cgroup.apply(resources)
    with pytest.raises(CgroupUnavailableError, match="freezer is not available"):
        cgroup.freeze(True)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_without_the_right_to_write(tmp_path: Path) -> None:
    unified = Unified(tmp_path)
    unified.directory.parent.chmod(0o555)
    with pytest.raises(CgroupUnavailableError, match="Permission denied"):
        cgroups.plan("/pod/other", **unified.layout).create()
    unified.directory.parent.chmod(0o755)


class TestDirectories:
    def test_those_on_the_way_go_with_the_last(self, tmp_path: Path) -> None:
        first = files.make(str(tmp_path), "/a/b/one")
        second = files.make(str(tmp_path), "a//b/./two")
        assert first == [f"{tmp_path}/a/b/one", f"{tmp_path}/a/b", f"{tmp_path}/a"]
        assert files.remove(first) == []
        assert sorted(os.listdir(tmp_path / "a/b")) == ["two"]
        assert files.remove(second) == []
        assert os.listdir(tmp_path) == []

    def test_what_others_take_away_meanwhile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Docker deletes containers side by side, all of them below one group."""
        own, other = files.make(str(tmp_path), "/docker/own"), files.make(str(tmp_path), "/docker/other")
        look = os.stat

        def seen_and_then_gone(path: str) -> os.stat_result:
            found = look(path)
            if path == own[1] and not os.path.isdir(own[0]):
                for directory in other:
                    os.rmdir(directory)
            return found

        monkeypatch.setattr("runtime.cgroups.files.posix.stat", seen_and_then_gone)
        assert files.remove(own, seconds=0.05) == []

    def test_what_others_make_anew_meanwhile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A runtime that marks nothing may be among them."""
        own, other = files.make(str(tmp_path), "/docker/own"), files.make(str(tmp_path), "/docker/other")
        rmdir = os.rmdir

        def in_use_and_then_anew(path: str) -> None:
            if path != own[1] or not os.path.isdir(other[0]):
                return rmdir(path)
            for directory in other:
                rmdir(directory)
            os.makedirs(f"{own[1]}/third")
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

        monkeypatch.setattr("runtime.cgroups.files.posix.rmdir", in_use_and_then_anew)
        assert files.remove(own, seconds=0.05) == []
        assert os.path.isdir(f"{own[1]}/third")

    def test_those_of_others_stay(self, tmp_path: Path) -> None:
        (tmp_path / "machine").mkdir()
        paths = files.make(str(tmp_path), "/machine/one")
        assert paths == [f"{tmp_path}/machine/one"]
        assert files.remove([*paths, *paths]) == []
        assert os.listdir(tmp_path) == ["machine"]

    def test_nested_ones_are_removed_too(self, tmp_path: Path) -> None:
        paths = files.make(str(tmp_path), "/one")
        (tmp_path / "one/init.scope/deep").mkdir(parents=True)
        (tmp_path / "one/system.slice").mkdir()
        assert files.remove(paths) == []
        assert os.listdir(tmp_path) == []

    def test_what_is_busy_is_told(self, tmp_path: Path) -> None:
        paths = files.make(str(tmp_path), "/one")
        (tmp_path / "one/file").write_text("")  # keeps it from being removed, as a process does
        assert files.remove(paths, seconds=0.01) == paths


def test_v2_refuses_less_memory_than_is_used_if_asked_to_look(unified: Unified) -> None:
    limit = unified.file("memory.max")
    unified.file("memory.swap.max")
    unified.file("memory.current", "4096\n")
    with pytest.raises(CgroupError, match=r"linux.resources.memory.limit: 4096 is not more than the 4096 bytes in use"):
        unified.cgroup.apply({"memory": {"limit": 4096, "checkBeforeUpdate": True}})
    assert limit.read_text() == ""
    unified.cgroup.apply({"memory": {"limit": 4096}})
    unified.cgroup.apply({"memory": {"limit": 4097, "checkBeforeUpdate": True}})
    unified.cgroup.apply({"memory": {"limit": -1, "checkBeforeUpdate": True}})


CGROUP_MOUNT = {"type": "cgroup", "options": ["nosuid"]}


@pytest.mark.parametrize(
    ("spec", "uid"),
    [
        ({}, -1),
        ({"mounts": [{"type": "cgroup", "options": ["ro"]}]}, -1),
        ({"mounts": [{"type": "proc"}, CGROUP_MOUNT]}, 0),
        ({"mounts": [{"type": "cgroup"}], "process": {"user": {"uid": 7}}}, 7),
        (
            {
                "mounts": [CGROUP_MOUNT],
                "process": {"user": {"uid": 1001}},
                "linux": {
                    "uidMappings": [
                        {"containerID": 0, "hostID": 5, "size": 1},
                        {"containerID": 1000, "hostID": 70000, "size": 2},
                    ]
                },
            },
            70001,
        ),
        (
            {
                "mounts": [CGROUP_MOUNT],
                "process": {"user": {"uid": 1}},
                "linux": {"uidMappings": [{"containerID": 0, "hostID": 5, "size": 1}]},
            },
            -1,
        ),
    ],
)
def test_to_whom_a_cgroup_is_given(spec: dict[str, Any], uid: int) -> None:
    assert delegation.owner(spec) == uid


def test_v2_relative_paths_are_beside_the_caller(tmp_path: Path) -> None:
    layout = play(tmp_path, "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n")
    (tmp_path / "proc" / "cgroup").write_text("0::/user.slice/session-1.scope\n")
    made = cgroups.plan("a/b", **layout)
    assert made.paths == [f"{tmp_path}/cgroup/user.slice/a/b"]
    (tmp_path / "proc" / "cgroup").write_text("0::/elsewhere/deep\n")
    assert cgroups.plan("a/b", made.paths, **layout).paths == made.paths
    (tmp_path / "proc" / "cgroup").write_text("0::/\n")
    assert cgroups.plan("a/b", **layout).paths == [f"{tmp_path}/cgroup/a/b"]


def test_v2_switches_nothing_on_where_processes_are(unified: Unified) -> None:
    (unified.directory.parent / "cgroup.type").write_text("domain\n")
    (unified.directory.parent / "cgroup.procs").write_text("1\n")
    unified.cgroup.create()
    assert (unified.directory.parent / "cgroup.subtree_control").read_text() == "cpu\n"
    with pytest.raises(CgroupUnavailableError, match="there are processes in"):
        unified.cgroup.apply({"pids": {"limit": 5}})
    (unified.directory.parent / "cgroup.procs").write_text("")
    unified.file("pids.max")
    unified.cgroup.create()
    unified.cgroup.apply({"pids": {"limit": 5}})
