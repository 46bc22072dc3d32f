"""The configuration of a container's process and namespaces, field by field, on the real kernel."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.bundle import COMMAND, Runtime, configuration, with_python, with_user_namespace
from tests.fixtures.user import current_user

_numbers = itertools.count()


@pytest.fixture
def as_root(workplace: str) -> Iterator[Runtime]:
    if os.getuid():
        pytest.skip("needs root")
    made = Runtime(f"{workplace}/config{next(_numbers)}", current_user())
    yield made
    assert made.leftovers() == []


@contextlib.contextmanager
def running(runtime: Runtime, name: str, spec: dict[str, Any]) -> Iterator[int]:
    """Keep a container while something is done with it."""
    try:
        yield runtime.start(name, spec)
    finally:
        runtime("delete", "--force", name)


def execute(runtime: Runtime, document: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run a process of a configuration of its own in the container `box`."""
    with open(f"{runtime.bundle}/process.json", "w") as file:
        json.dump({"cwd": "/", "env": ["PATH=/bin"], **document}, file)
    return runtime("exec", "--process", "process.json", "box")


# When and where it runs


@pytest.mark.parametrize(("policy", "number"), [("SCHED_BATCH", os.SCHED_BATCH), ("SCHED_OTHER", os.SCHED_OTHER)])
def test_the_scheduler_and_nice(runtime: Runtime, policy: str, number: int) -> None:
    spec = configuration("sleep", "600", scheduler={"policy": policy, "nice": 7})
    with running(runtime, "box", spec) as pid:
        assert os.sched_getscheduler(pid) == number
        assert os.getpriority(os.PRIO_PROCESS, pid) == 7


def test_the_scheduler_of_an_executed_process(as_root: Runtime) -> None:
    with running(as_root, "box", configuration("sleep", "600")):
        done = execute(as_root, {"args": ["cat", "/proc/self/sched"], "scheduler": {"policy": "SCHED_IDLE"}})
        assert [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("policy")] == ["5"]


def test_a_scheduler_for_real_time(as_root: Runtime) -> None:
    # Outside of the cgroups: those of version 1 have no share of real time unless they are given one.
    if subprocess.run(["chrt", "--fifo", "1", "true"], capture_output=True, check=False).returncode:
        pytest.skip("the tests themselves run where there is no real time to be had")
    for scheduler, policy in (
        ({"policy": "SCHED_RR", "priority": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, os.SCHED_RR),
        ({"policy": "SCHED_FIFO", "priority": 99}, os.SCHED_FIFO),
        ({"policy": "SCHED_DEADLINE", "runtime": 10**6, "deadline": 10**8, "period": 10**8}, 6),
    ):
        as_root.configure(configuration("cat", "/proc/self/sched", scheduler=scheduler))
        done = as_root("--cgroup-manager", "disabled", "run", "box")
        assert done.returncode == 0, done.stderr
        assert f"policy{policy:>53}" in done.stdout.replace(" :", "  ") or f" {policy}\n" in done.stdout


@pytest.mark.parametrize(
    ("process", "message"),
    [
        ({"scheduler": {"policy": "SCHED_OTHER", "priority": 5}}, "process.scheduler.priority is for SCHED_FIFO and"),
        ({"scheduler": {"policy": "SCHED_FIFO", "nice": 5}}, "process.scheduler.nice is for SCHED_OTHER and"),
        ({"scheduler": {"policy": "SCHED_RR", "deadline": 5}}, "process.scheduler.deadline is for SCHED_DEADLINE"),
        ({"scheduler": {"policy": "SCHED_ISO"}}, "set the scheduler SCHED_ISO (process.scheduler): Invalid argument"),
        ({"scheduler": {}}, "process.scheduler.policy is missing"),
        ({"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}, "process.ioPriority.priority 8 is not between"),
        ({"execCPUAffinity": {"initial": "0-x"}}, "process.execCPUAffinity.initial is not a list of numbers"),
        ({"execCPUAffinity": {"final": "3-1"}}, "process.execCPUAffinity.final has a range that ends before"),
    ],
)
def test_what_cannot_be_scheduled(runtime: Runtime, process: dict[str, Any], message: str) -> None:
    if process.get("scheduler") == {}:
        process["scheduler"] = {"nice": 0}
    done = runtime.run(configuration("true", **process))
    assert done.returncode == 1
    assert message in done.stderr


def test_the_priority_of_input_and_output(runtime: Runtime) -> None:
    io_priority = {"class": "IOPRIO_CLASS_BE", "priority": 6}
    with running(runtime, "box", configuration("sleep", "600", ioPriority=io_priority)) as pid:
        seen = subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
        assert seen.strip() == "best-effort: prio 6"
    idle = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}
    with running(runtime, "box", configuration("sleep", "600", ioPriority=idle)) as pid:
        seen = subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
        assert seen.strip() == "idle"


def test_the_cpus_of_an_executed_process(as_root: Runtime) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
    first, second = str(cpus[0]), str(cpus[1])
    show = {"args": ["grep", "Cpus_allowed_list", "/proc/self/status"]}
    with running(as_root, "box", configuration("sleep", "600")):
        for affinity, expected in (
            ({"initial": first, "final": second}, second),
            ({"final": f"{second}"}, second),
            ({"initial": first, "final": f"{first},{second}"}, f"{first}-{second}"),
        ):
            done = execute(as_root, {**show, "execCPUAffinity": affinity})
            assert done.stdout.split()[-1:] == [expected], done.stderr
        refused = execute(as_root, {**show, "execCPUAffinity": {"final": "8191"}})
        assert "process.execCPUAffinity.final" in refused.stderr


def test_the_execution_domain(runtime: Runtime) -> None:
    spec = configuration("busybox", "uname", "-m")
    native = runtime.output(spec=spec).strip()
    spec["linux"]["personality"] = {"domain": "LINUX32"}
    assert runtime.output(spec=spec).strip() == {"x86_64": "i686", "aarch64": "armv8l"}[native]
    spec["linux"]["personality"] = {"domain": "LINUX"}
    assert runtime.output(spec=spec).strip() == native
    spec["linux"]["personality"] = {"domain": "LINUX32", "flags": ["ADDR_NO_RANDOMIZE"]}
    assert "linux.personality.flags has `ADDR_NO_RANDOMIZE`" in runtime.run(spec).stderr


def test_an_executed_process_has_what_the_first_one_has(as_root: Runtime) -> None:
    spec = configuration("sleep", "600")
    spec["linux"]["personality"] = {"domain": "LINUX32"}
    spec["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
    with running(as_root, "box", spec):
        assert as_root("exec", "box", "busybox", "uname", "-m").stdout.strip() in ("i686", "armv8l")
        if os.path.exists("/proc/self/numa_maps"):
            seen = as_root("exec", "box", "head", "-n", "1", "/proc/self/numa_maps").stdout
            assert seen.split()[1] == "bind:0"


def test_the_memory_policy(runtime: Runtime) -> None:
    if not os.path.exists("/proc/self/numa_maps"):
        pytest.skip("the kernel has no memory policies")
    for policy, shown in (
        ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
        ({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "interleave=static:0"),
        ({"mode": "MPOL_LOCAL"}, "local"),
        ({"mode": "MPOL_DEFAULT"}, "default"),
    ):
        spec = configuration("head", "-n", "1", "/proc/self/numa_maps")
        spec["linux"]["memoryPolicy"] = policy
        assert runtime.output(spec=spec).split()[1] == shown
    for policy, message in (
        ({"mode": "MPOL_BIND"}, "set the memory policy (linux.memoryPolicy): Invalid argument"),
        ({"mode": "MPOL_BIND", "nodes": "1024"}, "linux.memoryPolicy.nodes is not a list of numbers below 1024"),
    ):
        spec["linux"]["memoryPolicy"] = policy
        assert message in runtime.run(spec).stderr


# Who it is


def test_names(runtime: Runtime) -> None:
    spec = configuration("sh", "-c", "hostname; cat /proc/sys/kernel/domainname")
    spec["domainname"] = "example.org"
    assert runtime.output(spec=spec).split() == ["box", "example.org"]


def test_unknown_and_ungrantable_capabilities_are_warned_of(as_root: Runtime) -> None:
    names = ["CAP_KILL", "CAP_FUTURE", "CAP_SYS_RESOURCE"]
    sets = dict.fromkeys(("bounding", "effective", "permitted", "inheritable", "ambient"), names)
    as_root.configure(configuration("grep", "CapEff", "/proc/self/status", capabilities=sets))
    log = f"{as_root.directory}/log"
    done = as_root("--log", log, "run", "box")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    with open(log) as file:
        lines = file.read().splitlines()
    assert "level=warning" in lines[0]
    assert "capability `CAP_FUTURE` is not known" in lines[0]
    if int(done.stdout.split()[1], 16) == 1 << 5:
        assert "capability `CAP_SYS_RESOURCE` cannot be granted" in lines[1]
    assert "warning: capability `CAP_FUTURE`" in as_root("run", "box").stderr


def test_sets_of_capabilities_that_do_not_fit_are_cut(runtime: Runtime) -> None:
    """What the kernel would refuse as a whole is granted as far as it can be."""
    sets = {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL", "CAP_CHOWN"], "inheritable": ["CAP_KILL", "CAP_CHOWN"]}
    sets |= {"effective": ["CAP_KILL", "CAP_FOWNER"], "ambient": ["CAP_KILL", "CAP_CHOWN", "CAP_FOWNER"]}
    runtime.configure(configuration("grep", "Cap", "/proc/self/status", capabilities=sets))
    done = runtime("run", "box")
    assert done.returncode == 0, done.stderr
    seen = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert {key: int(value, 16) for key, value in seen.items()}["CapBnd"] == 1 << 5
    assert int(seen["CapInh"], 16) == int(seen["CapAmb"], 16) == 1 << 5
    assert "warning: capability `CAP_CHOWN` cannot be inheritable: it is not in the bounding set" in done.stderr


def test_groups_of_the_caller_can_be_kept(as_root: Runtime) -> None:
    as_root.configure(configuration("id", "-G"))
    command = [*COMMAND, "--root", as_root.state, "run", "box"]
    options: dict[str, Any] = {"cwd": as_root.bundle, "capture_output": True, "text": True, "extra_groups": [4242]}
    assert subprocess.run(command, check=True, **options).stdout.split() == ["0"]
    spec = configuration("id", "-G")
    spec["annotations"] = {"run.oci.keep_original_groups": "1"}
    as_root.configure(spec)
    assert "4242" in subprocess.run(command, check=True, **options).stdout.split()


KEYRING = """
import ctypes, time
libc = ctypes.CDLL(None)
number = {"x86_64": 250, "aarch64": 219}[__import__("os").uname().machine]
text = ctypes.create_string_buffer(200)
libc.syscall(number, 6, -3, text, 200, 0)  # keyctl(KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, ...)
print(libc.syscall(number, 0, -3, 0), text.value.decode(), flush=True)
"""


def session_keyring(text: str) -> tuple[str, int, str]:
    """Return the number, the permissions and the name that KEYRING printed."""
    number, description = text.split(" ", 1)
    _type, _uid, _gid, permissions, name = description.strip().split(";")
    return number, int(permissions, 16), name


def test_the_session_keyring(runtime: Runtime) -> None:
    if not os.path.exists("/proc/keys"):
        pytest.skip("the kernel has no keys")
    runtime.configure(with_python(runtime, configuration("/usr/bin/python3", "-I", "-S", "-c", KEYRING)))
    _number, permissions, name = session_keyring(runtime("run", "box").stdout)
    assert name.startswith("_ses.box.")
    # Its user may search it: so a process that is executed later finds it.
    assert permissions & 0x080000
    # Another container of this ID does not.
    assert session_keyring(runtime("run", "box").stdout)[2] != name
    assert not session_keyring(runtime("run", "--no-new-keyring", "box").stdout)[2].startswith("_ses.box")


@pytest.mark.parametrize("option", [[], ["--no-new-keyring"]], ids=["new", "none"])
def test_an_executed_process_has_the_containers_keyring(as_root: Runtime, option: list[str]) -> None:
    show = ["/usr/bin/python3", "-I", "-S", "-c", KEYRING]
    as_root.configure(with_python(as_root, configuration("sh", "-c", f"{shlex.join(show)}; sleep 600")))
    log = f"{as_root.directory}/log"
    with open(log, "w") as file:
        as_root("run", "-d", *option, "box", stdout=file, stderr=file)
    try:
        seen = as_root("exec", "box", *show).stdout
        with open(log) as file:
            assert session_keyring(seen) == session_keyring(file.read())
        assert session_keyring(seen)[2].startswith("_ses.box.") == (not option)
    finally:
        as_root("delete", "--force", "box")


# Namespaces


def test_a_cgroup_namespace(as_root: Runtime) -> None:
    spec = configuration("cat", "/proc/self/cgroup")
    spec["linux"]["namespaces"].append({"type": "cgroup"})
    assert {line.split(":")[2] for line in as_root.output(spec=spec).splitlines()} == {"/"}


def test_a_time_namespace_without_offsets_and_in_a_user_namespace(as_root: Runtime) -> None:
    for offsets in ({}, {"boottime": {"secs": 2_000_000}, "monotonic": {"secs": 5, "nanosecs": 7}}):
        spec = with_user_namespace(configuration("sh", "-c", "readlink /proc/self/ns/time; cat /proc/uptime"))
        spec["linux"]["namespaces"].append({"type": "time"})
        spec["linux"]["timeOffsets"] = offsets
        seen = as_root.output(spec=spec).split()
        assert seen[0] != os.readlink("/proc/self/ns/time")
        assert (float(seen[1]) > 2_000_000) == bool(offsets)


NAMES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "user": "user", "cgroup": "cgroup", "time": "time"}


@pytest.mark.parametrize(
    "joined",
    [["pid"], ["network"], ["ipc", "uts"], ["user"], ["user", "network"], ["user", "pid", "ipc"], ["time"], ["cgroup"]],
    ids="+".join,
)
@pytest.mark.parametrize("with_user", [True, False], ids=["user", "no-user"])
def test_some_namespaces_are_joined_and_others_made(as_root: Runtime, joined: list[str], with_user: bool) -> None:
    if "user" in joined and not with_user:
        pytest.skip("there is none to join")
    first = configuration("sleep", "600")
    first["linux"]["namespaces"] += [{"type": "cgroup"}, {"type": "time"}]
    if with_user:
        with_user_namespace(first)
    with running(as_root, "first", first) as pid:
        script = "; ".join(f"readlink /proc/self/ns/{name}" for name in NAMES.values())
        spec = configuration("sh", "-c", f"{script}; id -u; echo > /dev/null; mount | wc -l")
        spec["linux"]["namespaces"] += [{"type": "cgroup"}, {"type": "time"}]
        if with_user:
            with_user_namespace(spec)
        if "uts" in joined:
            del spec["hostname"]
        if "user" in joined:
            del spec["linux"]["uidMappings"], spec["linux"]["gidMappings"]
        for namespace in spec["linux"]["namespaces"]:
            if namespace["type"] in joined:
                namespace["path"] = f"/proc/{pid}/ns/{NAMES[namespace['type']]}"
        seen = as_root.output(spec=spec).splitlines()
        for (kind, name), link in zip(NAMES.items(), seen, strict=False):
            there = os.readlink(f"/proc/{pid}/ns/{name}")
            here = os.readlink(f"/proc/self/ns/{name}")
            if kind in joined:
                assert link == there, kind
            elif kind != "user" or with_user:
                assert link not in (there, here), kind
        assert seen[len(NAMES)] == "0"


def test_a_mount_namespace_is_joined(as_root: Runtime) -> None:
    reading, writing = os.pipe()
    holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", "echo; exec sleep 600"], stdout=writing)
    try:
        os.read(reading, 1)
        spec = configuration("readlink", "/proc/self/ns/mnt")
        path = f"/proc/{holder.pid}/ns/mnt"
        spec["linux"]["namespaces"][-1]["path"] = path
        assert as_root.output(spec=spec).strip() == os.readlink(path)
    finally:
        holder.kill()
        holder.wait()
        os.close(reading)
        os.close(writing)


def test_an_ordinary_user_without_any_namespace_around_him(runtime: Runtime) -> None:
    """What `runc spec --rootless` makes: a user namespace with one ID, made by the runtime itself."""
    if os.getuid() == 0 and not runtime.user.uid:
        pytest.skip("is for an ordinary user")
    spec = configuration("sh", "-c", "id -u; cat /proc/self/uid_map; hostname; cat /proc/self/setgroups")
    spec["linux"]["namespaces"] = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "user", "network")]
    for key, number in (("uidMappings", runtime.user.uid), ("gidMappings", runtime.user.gid)):
        spec["linux"][key] = [{"containerID": 0, "hostID": number, "size": 1}]
    runtime.configure(spec)
    ids = ["setpriv", f"--reuid={runtime.user.uid}", f"--regid={runtime.user.gid}", "--clear-groups"]
    command = [*(ids if os.getuid() == 0 else []), *COMMAND, "--root", runtime.state, "run", "box"]
    done = subprocess.run(command, cwd=runtime.bundle, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "0", str(runtime.user.uid), "1", "box", "deny"]


# Network devices


@pytest.fixture
def veth(as_root: Runtime) -> Iterator[str]:
    """The name of a network device with addresses, whose peer stays outside."""
    name = f"podt{os.getpid() % 100000}"
    commands = (
        f"ip link add {name} type veth peer name {name}p",
        f"ip addr add 192.0.2.5/24 brd + dev {name}",
        f"ip addr add 2001:db8::5/64 dev {name} nodad",
        f"ip link set {name} up",
        f"ip link set {name}p up",
    )
    for command in commands:
        subprocess.run(command.split(), check=True)
    yield name
    subprocess.run(["ip", "link", "del", f"{name}p"], check=False, capture_output=True)


@pytest.mark.parametrize(("wanted", "found"), [("eth7", "eth7"), ("", ""), ("net%d", "net0")])
@pytest.mark.parametrize("with_user", [True, False], ids=["user", "no-user"])
def test_a_network_device_moves(as_root: Runtime, veth: str, wanted: str, found: str, with_user: bool) -> None:
    spec = configuration("ip", "addr")
    if with_user:
        with_user_namespace(spec)
    spec["linux"]["netDevices"] = {veth: {"name": wanted} if wanted else {}}
    seen = as_root.output(spec=spec)
    assert f" {found or veth}@" in seen
    assert "inet 192.0.2.5/24 brd 192.0.2.255" in seen
    assert "inet6 2001:db8::5/64 scope global" in seen
    assert ",UP," in seen.partition(f" {found or veth}@")[2]


def test_a_network_device_that_cannot_move_stays(as_root: Runtime, veth: str) -> None:
    for devices, message in (
        ({"nosuch0": {}}, "there is no network device `nosuch0`"),
        ({veth: {"name": "lo"}}, "the container already has a network device `lo`"),
        ({veth: {"name": "a/b"}}, f"linux.netDevices['{veth}'].name is not the name of a network device: `a/b`"),
        ({veth: {"name": "x" * 16}}, "is not the name of a network device"),
    ):
        spec = configuration("true")
        spec["linux"]["netDevices"] = devices
        done = as_root.run(spec)
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert os.path.exists(f"/sys/class/net/{veth}")


def test_devices_in_a_user_namespace_are_those_of_the_host(as_root: Runtime) -> None:
    spec = with_user_namespace(
        configuration("sh", "-c", "stat -c '%F %t:%T' /dev/null /dev/fuse /dev/pipe; echo > /dev/null")
    )
    spec["linux"]["devices"] = [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o600},
    ]
    if not os.path.exists("/dev/fuse"):
        pytest.skip("needs /dev/fuse")
    seen = as_root.output(spec=spec).splitlines()
    assert seen == ["character special file 1:3", "character special file a:e5", "fifo 0:0"]


def test_what_is_not_supported_is_refused_by_name(runtime: Runtime) -> None:
    for change, name in (
        ({"vm": {"kernel": {"path": "/vmlinuz"}}}, "vm is not supported"),
        ({"windows": {}}, "windows is not supported"),
        ({"linux": {**configuration()["linux"], "intelRdt": {"closID": "x"}}}, "linux.intelRdt is not supported"),
    ):
        done = runtime.run({**configuration(), **change})
        assert (done.returncode, name in done.stderr) == (1, True), done.stderr
