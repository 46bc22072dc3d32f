"""The systemd cgroup manager with the real systemd: units of root, and of a user's own service manager."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.bundle import configuration
from tests.system.machine import Machine
from tests.system.project import IMAGE, ROOTFS

MIB = 1 << 20
# Waits until no unit of pod's is left; `$manager` is systemctl, for the user.
_GONE = """i=0; while $manager list-units --all --no-legend 'pod-*.scope' | grep -q .; do
    [ $((i=i+1)) -lt 40 ]; sleep 0.1
done
"""
_USER_MANAGER = "/user.slice/user-1000.slice/user@1000.service"


class Bundle:
    """`pod-runtime` with a bundle of one user's."""

    def __init__(self, machine: Machine, user: str) -> None:
        self.machine = machine
        self.user = user
        self.directory = f"/tmp/bundle-{user}"
        self.above = "" if user == "root" else _USER_MANAGER
        machine.run(user, "mkdir", "-p", self.directory)

    def spec(self, *words: str, unit: str = "one", **resources: Any) -> dict[str, Any]:
        """Return a configuration for a container in box-UNIT.scope."""
        spec = configuration(*(words or ("sleep", "1000")))
        spec["root"] = {"path": ROOTFS, "readonly": True}
        spec["linux"]["cgroupsPath"] = f"test.slice:box:{unit}"
        spec["linux"]["resources"] = resources
        if self.user != "root":
            mapping = [{"containerID": 0, "hostID": 1000, "size": 1}]
            spec["linux"]["namespaces"].append({"type": "user"})
            spec["linux"].update(uidMappings=mapping, gidMappings=mapping)
            spec["mounts"] = [mount for mount in spec["mounts"] if mount["destination"] != "/dev/pts"]
        return spec

    def configure(self, spec: dict[str, Any]) -> None:
        self.machine.put(f"{self.directory}/config.json", json.dumps(spec).encode(), user=self.user)

    def shell(self, script: str, *, check: bool = True) -> str:
        """Run a script in the bundle, where `runtime` is pod-runtime with systemd; return both of its streams."""
        prelude = f'cd {self.directory}; exec 2>&1; runtime() {{ pod-runtime --systemd-cgroup "$@"; }}\n'
        return self.machine.shell(self.user, prelude + script, check=check).stdout

    def start(self, spec: dict[str, Any]) -> None:
        self.configure(spec)
        self.shell("runtime run --detach box >log 2>&1 </dev/null || { cat log; exit 1; }")

    def delete(self) -> None:
        self.shell("runtime delete --force box")

    def systemctl(self, *words: str) -> str:
        manager = ["systemctl"] if self.user == "root" else ["systemctl", "--user"]
        return self.machine.run(self.user, *manager, *words, check=False).stdout

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        text = self.systemctl("show", unit, f"--property={','.join(names)}")
        return dict(line.split("=", 1) for line in text.splitlines())

    def await_gone(self, unit: str = "box-one.scope") -> None:
        """Wait for the unit to be forgotten: the kernel tells systemd of an empty cgroup when it likes."""
        deadline = time.monotonic() + 90
        while (found := self.properties(unit, "LoadState", "ActiveState"))["LoadState"] != "not-found":
            assert time.monotonic() < deadline, found
        path = f"/sys/fs/cgroup{self.above}/test.slice/{unit}"
        assert self.machine.run("root", "test", "-e", path, check=False).returncode == 1


@pytest.fixture
def bundle(machine: Machine, user: str) -> Iterator[Bundle]:
    made = Bundle(machine, user)
    yield made
    made.delete()
    machine.run("root", "rm", "-rf", made.directory)


@pytest.fixture
def root_bundle(machine: Machine) -> Iterator[Bundle]:
    made = Bundle(machine, "root")
    yield made
    made.delete()
    machine.run("root", "rm", "-rf", made.directory)


def test_the_life_of_a_unit(bundle: Bundle) -> None:
    limits: dict[str, Any] = {
        "memory": {"limit": 64 * MIB, "swap": 64 * MIB, "reservation": 32 * MIB},
        "cpu": {"shares": 512, "quota": 25_500, "period": 100_000},
        "pids": {"limit": 40},
        "unified": {"memory.high": str(60 * MIB), "memory.oom.group": "1"},
    }
    bundle.start(bundle.spec(**limits))
    path = f"{bundle.above}/test.slice/box-one.scope"
    names = (
        "Slice Delegate CollectMode ActiveState ControlGroup Description MemoryMax MemorySwapMax MemoryLow MemoryHigh"
    )
    found = bundle.properties("box-one.scope", *names.split(), "CPUWeight", "CPUQuotaPerSecUSec", "TasksMax")
    assert found == {
        "Slice": "test.slice",
        "Delegate": "yes",
        "CollectMode": "inactive-or-failed",
        "ActiveState": "active",
        "ControlGroup": path,
        "Description": "container box",
        "MemoryMax": str(64 * MIB),
        "MemorySwapMax": "0",
        "MemoryLow": str(32 * MIB),
        "MemoryHigh": str(60 * MIB),
        "CPUWeight": "59",
        "CPUQuotaPerSecUSec": "260ms",
        "TasksMax": "40",
    }
    files = "memory.max memory.swap.max memory.oom.group cpu.max cpu.weight pids.max".split()
    values = bundle.shell(f"cd /sys/fs/cgroup{path}; cat {' '.join(files)}").splitlines()
    assert values == [str(64 * MIB), "0", "1", "25500 100000", "59", "40"]
    # The process of `exec` too: for alice the kernel lets only systemd put it there.
    bundle.shell("runtime exec --detach --pid-file exec.pid box sleep 77 </dev/null >log 2>&1; cat log")
    assert bundle.shell("cat /proc/$(cat exec.pid)/cgroup") == f"0::{path}\n"
    state = bundle.shell("runtime pause box; runtime state box; runtime resume box; runtime ps box")
    assert '"status": "paused"' in state
    assert state.count("sleep") == 2
    bundle.shell("runtime update --memory 83886080 --memory-swap 83886080 --pids-limit 50 box")
    found = bundle.properties("box-one.scope", "MemoryMax", "TasksMax", "CPUQuotaPerSecUSec")
    assert found == {"MemoryMax": str(80 * MIB), "TasksMax": "50", "CPUQuotaPerSecUSec": "260ms"}
    bundle.systemctl("daemon-reload")
    assert bundle.shell(f"cat /sys/fs/cgroup{path}/memory.max").strip() == str(80 * MIB)
    bundle.shell(
        "runtime kill box KILL; while runtime state box | grep -q running; do sleep 0.1; done; runtime delete box"
    )
    bundle.await_gone()


def test_defaults_and_nested_slices(bundle: Bundle) -> None:
    own = "system.slice" if bundle.user == "root" else "user.slice"
    for path, expected in (
        ("", f"/{own}/pod-runtime-box[^/]*.scope"),
        (":box:a_b", f"/{own}/box-a_b.scope"),
        ("test-a-b.slice:box:1", "/test.slice/test-a.slice/test-a-b.slice/box-1.scope"),
    ):
        spec = bundle.spec("sh", "-c", "cat /proc/self/cgroup")
        spec["linux"]["cgroupsPath"] = path
        bundle.configure(spec)
        found = bundle.shell("runtime run box").strip()
        assert re.fullmatch(f"0::{bundle.above}{expected}", found)
        bundle.await_gone(found.rpartition("/")[2])
    bundle.systemctl("stop", "test-a-b.slice", "test-a.slice")


def test_annotations_become_properties(bundle: Bundle) -> None:
    spec = bundle.spec()
    spec["annotations"] = {
        "org.systemd.property.RuntimeMaxSec": "3600",
        "org.systemd.property.MemoryHigh": "uint64 50000000",
        "org.systemd.property.Documentation": "['man:bash(1)']",
    }
    bundle.start(spec)
    found = bundle.properties("box-one.scope", "RuntimeMaxUSec", "MemoryHigh", "Documentation")
    assert found == {"RuntimeMaxUSec": "1h", "MemoryHigh": "50000000", "Documentation": '"man:bash(1)"'}
    bundle.delete()
    spec["annotations"] = {"org.systemd.property.Nonsense": "true"}
    bundle.configure(spec)
    said = bundle.shell("runtime run box", check=False)
    assert "start unit box-one.scope" in said
    assert "Nonsense" in said
    bundle.await_gone()


def test_a_subgroup_and_a_place_of_its_own(bundle: Bundle) -> None:
    spec = bundle.spec(
        "sh", "-c", "cat /proc/self/cgroup; mkdir /sys/fs/cgroup/mine/a && echo made", pids={"limit": 30}
    )
    spec["linux"]["namespaces"].append({"type": "cgroup"})
    spec["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]})
    spec["annotations"] = {"run.oci.systemd.subgroup": "container", "run.oci.delegate-cgroup": "mine"}
    bundle.configure(spec)
    assert bundle.shell("runtime run box") == "0::/mine\nmade\n"
    bundle.await_gone()
    spec["process"]["args"] = ["sleep", "1000"]
    bundle.start(spec)
    group = f"/sys/fs/cgroup{bundle.above}/test.slice/box-one.scope/container"
    values = bundle.shell(
        f"cat {group}/pids.max {group}/cgroup.procs; stat -c %u {group}/mine; wc -l <{group}/mine/cgroup.procs"
    )
    assert values.split() == ["30", "0" if bundle.user == "root" else "1000", "1"]
    bundle.delete()
    bundle.await_gone()


def test_killed_containers_and_commands_leave_no_unit(bundle: Bundle) -> None:
    bundle.start(bundle.spec())
    bundle.shell("kill -9 \"$(runtime ps box | awk '/sleep/ {print $2}')\"; runtime delete --force box")
    bundle.await_gone()
    for after in ("0.3", "0.6", "0.9"):
        bundle.configure(bundle.spec())
        bundle.shell(
            f"timeout -s KILL {after} sh -c 'exec pod-runtime --systemd-cgroup create box' >log 2>&1 </dev/null || :"
        )
        bundle.delete()
        bundle.await_gone()


def test_the_name_of_a_living_unit_is_refused(bundle: Bundle) -> None:
    bundle.start(bundle.spec())
    said = bundle.shell("runtime create other", check=False)
    assert "start unit box-one.scope: it exists already" in said
    assert bundle.properties("box-one.scope", "ActiveState") == {"ActiveState": "active"}
    assert "other" not in bundle.shell("runtime list")


def test_limits_are_enforced(bundle: Bundle) -> None:
    fork = "i=0; while [ $i -lt 40 ]; do sleep 60 & i=$((i+1)); done"
    bundle.configure(bundle.spec("sh", "-c", fork, pids={"limit": 10}))
    assert "can't fork" in bundle.shell("runtime run box", check=False)
    fill = "dd if=/dev/zero of=/dev/shm/x bs=1M count=60 2>/dev/null; echo code $?"
    bundle.configure(bundle.spec("sh", "-c", fill, memory={"limit": 24 * MIB, "swap": 24 * MIB}))
    assert "code 137" in bundle.shell("runtime run box", check=False)
    spin = "read now _ </proc/uptime; echo $now; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
    ratios = []
    for _ in range(4):  # what the host does meanwhile is no limit of ours
        taken = []
        for cpu in ({}, {"quota": 10_000, "period": 100_000}):
            bundle.configure(bundle.spec("sh", "-c", f"{spin}; read now _ </proc/uptime; echo $now", cpu=cpu))
            before, after = (float(line) for line in bundle.shell("runtime run box").splitlines())
            taken.append(after - before)
        ratios.append(taken[1] / taken[0])
        if ratios[-1] > 3:
            break
    assert ratios[-1] > 3, ratios
    bundle.await_gone()


def test_what_is_not_delegated_is_refused_by_name(machine: Machine) -> None:
    bundle = Bundle(machine, "alice")
    bundle.configure(bundle.spec(cpu={"cpus": "0"}))
    said = bundle.shell("runtime run box", check=False)
    assert "cpuset.cpus" in said
    assert "the cgroup controller cpuset is not available" in said
    bundle.await_gone()
    assert "box" not in bundle.shell("runtime list")


def test_devices_stay_guarded_when_systemd_reloads(root_bundle: Bundle) -> None:
    bundle = root_bundle
    allowed = {"allow": True, "type": "c", "major": 10, "minor": 235, "access": "rw"}
    spec = bundle.spec(devices=[{"allow": False, "access": "rwm"}, allowed], cpu={"cpus": "1", "mems": "0"})
    spec["linux"]["devices"] = [
        {"path": "/dev/vda", "type": "b", "major": 254, "minor": 0},
        {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11},
    ]
    bundle.start(spec)
    attempt = "head -c 1 /dev/vda; head -c 1 /dev/kmsg; head -c 1 /dev/zero | wc -c; nproc"
    try_all = f"runtime exec box sh -c {shlex.quote(attempt)}"
    first = bundle.shell(try_all)
    assert first.count("Operation not permitted") == 2
    assert first.splitlines()[-2:] == ["1", "1"]
    assert "/dev/char/10:235 rw" in bundle.systemctl("show", "box-one.scope", "--property=DeviceAllow")
    bundle.systemctl("daemon-reload")
    assert bundle.shell(try_all) == first
    bundle.shell("runtime update --memory 50000000 --memory-swap -1 box")
    assert bundle.shell(try_all) == first
    assert bundle.properties("box-one.scope", "DevicePolicy", "AllowedCPUs") == {
        "DevicePolicy": "strict",
        "AllowedCPUs": "1",
    }


def pod_shell(machine: Machine, user: str, *lines: str) -> str:
    """Run a script, at whose end no unit of pod's may be left; return what it printed."""
    manager = "manager=systemctl" if user == "root" else "manager='systemctl --user'"
    return machine.shell(user, "\n".join((manager, *lines, _GONE))).stdout


def test_pod_uses_systemd_where_it_runs(machine: Machine, user: str) -> None:
    slices = "/machine.slice" if user == "root" else f"{_USER_MANAGER}/user.slice"
    assert machine.run(user, "pod", "info", "--format", "{{.Host.CgroupManager}}").stdout == "systemd\n"
    said = pod_shell(
        machine,
        user,
        f"id=$(pod run -d --name box --memory 64m --pids-limit 30 {IMAGE} sleep 1000)",
        "echo $id; $manager show pod-$id.scope -p ControlGroup -p MemoryMax -p TasksMax",
        "pod stop -t 0 box >/dev/null",
        _GONE,
        "pod start box >/dev/null; pod rm -f -t 0 box >/dev/null",
    )
    container_id, *found = said.split()
    expected = {f"ControlGroup={slices}/pod-{container_id}.scope", f"MemoryMax={64 * MIB}", "TasksMax=30"}
    assert set(found) == expected
    said = pod_shell(
        machine, user, f"pod run --rm {IMAGE} id -u", _GONE, f"pod --cgroup-manager cgroupfs run --rm {IMAGE} id -u"
    )
    assert said == "0\n0\n"


def test_a_killed_monitor_leaves_no_unit(machine: Machine, user: str) -> None:
    pod_shell(
        machine, user, f"pod run -d --name box {IMAGE} sleep 1000", "pkill -9 -x pod-monitor", "pod rm -f -t 0 box"
    )


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_other_runtimes_use_systemd_too(machine: Machine, user: str, runtime: str) -> None:
    start = f"id=$(pod --runtime {runtime} run -d --name box --memory 64m {IMAGE} sleep 1000)"
    show = "$manager show pod-$id.scope -p MemoryMax"
    # A user's login session is outside of what his systemd manages: crun would fail there, runc miss the cgroup.
    enter = "pod exec -d box sleep 77 >/dev/null; sleep 1; grep -c pod-$id.scope /proc/$(pgrep -x -f 'sleep 77')/cgroup"
    said = pod_shell(machine, user, start, show, enter, "pod rm -f -t 0 box >/dev/null")
    assert said == f"MemoryMax={64 * MIB}\n1\n"


def test_podman_uses_our_runtime_with_systemd(machine: Machine, user: str) -> None:
    podman = "podman --runtime /usr/local/bin/pod-runtime"
    said = pod_shell(
        machine,
        user,
        f"tar -C {ROOTFS} -c . | podman import --quiet - box >/dev/null 2>&1",
        f"id=$({podman} run -d --name box --network none --memory 64m localhost/box sleep 1000)",
        "$manager show libpod-$id.scope -p MemoryMax",
        f"{podman} exec -d box sleep 77 >/dev/null; sleep 1",
        "grep -c libpod-$id.scope /proc/$(pgrep -x -f 'sleep 77')/cgroup",
        f"{podman} update --memory 80m box >/dev/null; $manager show libpod-$id.scope -p MemoryMax",
        f"{podman} rm -f -t 0 box >/dev/null; podman rmi -f box >/dev/null",
        "podman system migrate",  # ends what holds the user's namespace
        "$manager list-units --all --no-legend libpod-$id.scope",
    )
    assert said == f"MemoryMax={64 * MIB}\n1\nMemoryMax={80 * MIB}\n"
