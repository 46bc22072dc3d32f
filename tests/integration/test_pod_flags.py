"""The flags of `pod create`: what the infra container, the containers of a pod, and its control group come to."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.nethost import HOST, OnHost, TestHost, eventually_equal

CGROUPS = "/sys/fs/cgroup"
MINE = f"/mine-{os.getpid()}"
SERVE = ("sh", "-c", "hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp")


def inspected(box: Pod, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.run("pod", "inspect", name).stdout)[0]
    return found


def infra(box: Pod, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.run("inspect", inspected(box, name)["InfraContainerID"]).stdout)[0]
    return found


def create(box: Pod, *flags: str) -> None:
    box.run("pod", "create", "--name", "one", *flags)


def inside(box: Pod, image: str, script: str, *options: str) -> str:
    return box.run("run", "--rm", "--pod", "one", *options, image, "sh", "-c", script).out


def test_identity(box: Pod, busybox: str) -> None:
    create(box, "--hostname", "web.example", "--add-host", "db:192.0.2.7", "--no-hostname", "--uts", "private")
    found = inside(
        box, busybox, "hostname; grep db /etc/hosts; test -s /etc/hostname && echo there; env | grep HOSTNAME"
    )
    assert found.split("\n")[0] == "web.example"
    assert "192.0.2.7\tdb" in found
    assert "HOSTNAME=web.example" in found
    assert inspected(box, "one")["Hostname"] == "web.example"
    assert inspected(box, "one")["InfraConfig"]["HostAdd"] == ["db:192.0.2.7"]
    box.run("pod", "rm", "-f", "-t", "0", "one")
    path = os.path.join(box.home, "hosts")
    box.execute(["sh", "-c", f"echo 192.0.2.8 base > {path}"])
    create(box, "--hosts-file", path)
    assert "192.0.2.8\tbase" in inside(box, busybox, "cat /etc/hosts")
    box.run("pod", "rm", "-f", "-t", "0", "one")
    create(box, "--no-hosts")
    assert inspected(box, "one")["InfraConfig"]["NoManageHosts"]
    box.run("pod", "rm", "one")


def test_labels(box: Pod) -> None:
    path = os.path.join(box.home, "labels")
    box.execute(["sh", "-c", f"printf 'a=1\\nb=2\\n' > {path}"])
    create(box, "--label-file", path, "--label", "c=3")
    assert inspected(box, "one")["Labels"] == {"a": "1", "b": "2", "c": "3"}
    assert not infra(box, "one")["Config"]["Labels"]
    box.run("pod", "rm", "one")


def test_volumes_and_memory(box: Pod, busybox: str) -> None:
    box.run("run", "--name", "donor", "-v", "given:/given", busybox, "true")
    create(box, "--volume", "data:/data", "--volumes-from", "donor", "--shm-size", "3m", "--shm-size-systemd", "5m")
    box.run("run", "--rm", "--pod", "one", busybox, "sh", "-c", "echo 1 > /data/f; echo 2 > /given/f")
    assert inside(box, busybox, "cat /data/f /given/f; df -k /dev/shm | tail -1").split()[:4] == [
        "1",
        "2",
        "shm",
        "3072",
    ]
    assert inside(box, busybox, "ls /data", "-v", "own:/data") == ""
    box.run("pod", "rm", "-f", "-t", "0", "one")
    box.run("rm", "donor")
    box.run("volume", "rm", "data", "given", "own")


def test_users(box: Pod, busybox: str) -> None:
    create(box, "--uidmap", "0:1:100", "--gidmap", "0:1:100")
    maps = inside(box, busybox, "cat /proc/self/uid_map")
    assert maps.split()[0::2] == ["0", "100"]
    box.run("run", "-d", "--pod", "one", "--name", "a", busybox, "sleep", "1000")
    script = "readlink /proc/self/ns/user"
    assert inside(box, busybox, script) == box.run("exec", "a", "sh", "-c", script).out
    assert inside(box, busybox, "touch /f; stat -c %u /f") == "0"
    box.run("pod", "rm", "-f", "-t", "0", "one")
    for flags in (("--userns", "nonsense"), ("--subuidname", "nobody-has-this"), ("--subgidname", "nobody-has-this")):
        assert box.run("pod", "create", *flags, check=False).code == 125
    assert box.run("pod", "ps", "-q").out == ""


def test_confinement(box: Pod, busybox: str) -> None:
    create(box, "--sysctl", "kernel.shm_rmid_forced=1", "--security-opt", "no-new-privileges")
    found = inside(box, busybox, "cat /proc/sys/kernel/shm_rmid_forced; grep NoNewPrivs /proc/self/status")
    assert found.split() == ["1", "NoNewPrivs:", "1"]
    assert inspected(box, "one")["SecurityOpts"] == ["no-new-privileges"]
    box.run("pod", "rm", "-f", "-t", "0", "one")


def test_devices(box: Pod, busybox: str) -> None:
    create(box, "--device", "/dev/null:/dev/nothing")
    assert inside(box, busybox, "test -c /dev/nothing && echo there") == "there"
    assert inspected(box, "one")["Devices"] == ["/dev/nothing"]
    box.run("pod", "rm", "-f", "-t", "0", "one")
    done = box.run("pod", "create", "--name", "one", "--gpus", "all", check=False)
    if done.code == 0:
        box.run("pod", "rm", "one")


def test_process_namespace_of_the_host(box: Pod, busybox: str) -> None:
    create(box, "--pid", "host", "--share", "pid,uts")
    assert infra(box, "one")["HostConfig"]["PidMode"] == "host"
    assert inside(box, busybox, "readlink /proc/self/ns/pid") == os.readlink("/proc/self/ns/pid")
    box.run("pod", "rm", "-f", "-t", "0", "one")


def test_restart_policy(box: Pod, busybox: str) -> None:
    create(box, "--restart", "on-failure:2")
    box.run("create", "--pod", "one", "--name", "a", busybox, "true")
    box.run("create", "--pod", "one", "--name", "b", "--restart", "no", busybox, "true")
    policy = "{{.HostConfig.RestartPolicy.Name}}"
    assert box.run("inspect", "--format", policy, "a").out == "on-failure"
    assert infra(box, "one")["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert inspected(box, "one")["RestartPolicy"] == "on-failure"
    box.run("pod", "rm", "one")


def test_the_infra_container_is_as_asked_for(box: Pod, busybox: str) -> None:
    pidfile = os.path.join(box.home, "pid")
    create(
        *(box, "--infra-name", "holder", "--infra-image", busybox, "--infra-command", "sleep 1000"),
        *("--infra-conmon-pidfile", pidfile),
    )
    box.run("pod", "start", "one")
    found = infra(box, "one")
    assert (found["Name"], found["Path"], found["Args"]) == ("holder", "sleep", ["1000"])
    assert found["ImageName"] == busybox
    with open(pidfile) as file:
        assert int(file.read()) == found["State"]["ConmonPid"]
    assert inside(box, busybox, "hostname") == "one"
    box.run("pod", "rm", "-f", "-t", "0", "one")
    assert box.run("pod", "create", "--name", "two", "--infra-name", "holder").code == 0
    done = box.run("pod", "create", "--name", "three", "--infra-name", "holder", check=False)
    assert done.code == 125
    assert box.run("pod", "exists", "three", check=False).code == 1
    box.run("pod", "rm", "two")


LIMITS = (
    ("memory", "memory.limit_in_bytes", ["--memory", "64m", "--memory-swap", "128m"], str(64 << 20)),
    ("cpu", "cpu.cfs_quota_us", ["--cpus", "0.5"], "50000"),
    ("cpu", "cpu.shares", ["--cpu-shares", "512"], "512"),
    ("cpuset", "cpuset.cpus", ["--cpuset-cpus", "0", "--cpuset-mems", "0"], "0"),
)


@pytest.mark.skipif(not os.path.isdir(f"{CGROUPS}/memory"), reason="reads the files of cgroup v1")
def test_limits_are_of_the_pods_control_group(root_box: Pod, busybox: str) -> None:
    box = root_box
    create(box, *(word for _, _, flags, _ in LIMITS for word in flags), "--cgroup-parent", f"{MINE}/pods")
    identity = inspected(box, "one")["Id"]
    place = inside(box, busybox, "grep :memory: /proc/self/cgroup", "--cgroupns", "host").split(":")[2]
    assert place.startswith(f"{MINE}/pods/pod_{identity}/pod-")
    for controller, name, _, value in LIMITS:
        with open(f"{CGROUPS}/{controller}{MINE}/pods/pod_{identity}/{name}") as file:
            assert file.read().strip() == value, name
    found = inspected(box, "one")
    assert (found["memory_limit"], found["memory_swap"], found["cpu_quota"]) == (64 << 20, 128 << 20, 50000)
    box.run("pod", "stop", "one")
    assert os.path.isdir(f"{CGROUPS}/memory{MINE}/pods/pod_{identity}")
    box.run("pod", "rm", "one")
    assert not os.path.exists(f"{CGROUPS}/memory{MINE}")
    assert os.listdir(f"{box.runroot}/pods") == []
    script = "grep :memory: /proc/self/cgroup"
    create(box, "--share-parent=false")
    assert f"pod_{inspected(box, 'one')['Id']}" not in inside(box, busybox, script, "--cgroupns", "host")
    box.run("pod", "rm", "-f", "one")


def test_limits_that_make_no_sense(box: Pod) -> None:
    for words, message in (
        (("--memory-swap", "1g"), "you should always set a memory limit when using a memoryswap limit, see usage"),
        (("--cpuset-cpus", "999"), "requested CPUs are not available - requested 999"),
        (("--blkio-weight", "5"), "range of blkio weight is from 10 to 1000"),
        (("--blkio-weight-device", "/x:5"), "bad format for device path: /x:5"),
        (("--device-read-bps", "x"), "bad format: x"),
        (("--device-write-bps", "x"), "bad format: x"),
        (("--cgroup-parent", "x.slice"), "systemd slice received as cgroup parent when using cgroupfs"),
    ):
        done = box.run("pod", "create", *words, check=False)
        assert done.code == 125, words
        assert message in done.stderr
    assert box.run("pod", "ps", "-q").out == ""


def test_the_end_of_one_leaves_the_others_of_its_new_parent(root_box: Pod, busybox: str) -> None:
    box = root_box
    for name in ("a", "b"):
        box.run("run", "-d", "--name", name, "--cgroup-parent", f"{MINE}/both", busybox, "sleep", "1000")
    box.run("stop", "-t", "0", "a")
    assert box.run("inspect", "--format", "{{.State.Status}}", "b").out == "running"
    box.run("rm", "-f", "-t", "0", "b")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("mode", ["root"], indirect=True)
def test_networks(net: OnHost, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "--subnet", "10.97.0.0/24", "--subnet", "fd97::/64", "front")
    net.run(
        *("pod", "create", "--name", "one", "--network", "front", "--network-alias", "site", "--publish", "8080:80"),
        *("--ip", "10.97.0.7", "--ip6", "fd97::7", "--mac-address", "02:00:00:00:00:09"),
        *("--dns", "192.0.2.53", "--dns-option", "ndots:3", "--dns-search", "example.org"),
    )
    net.run("run", "-d", "--pod", "one", "--name", "web", busybox, *SERVE)
    fetched = eventually_equal(lambda: fetch(host), "one")
    assert fetched == "one"
    shown = net.run("exec", "web", "ip", "address").out
    assert "10.97.0.7/24" in shown
    assert "fd97::7/64" in shown
    assert "02:00:00:00:00:09" in shown
    resolv = net.run("exec", "web", "cat", "/etc/resolv.conf").out
    assert "options ndots:3" in resolv
    assert "example.org" in resolv
    net.run("run", "-d", "--name", "client", "--network", "front", busybox, "sleep", "1000")
    assert eventually_equal(lambda: net.run("exec", "client", "nslookup", "site", check=False).code, 0) == 0
    assert net.run("exec", "client", "wget", "-q", "-O", "-", "http://site/").out == "one"
    assert net.run("port", "web").out == "80/tcp -> 0.0.0.0:8080"
    assert net.run("ps", "--filter", "name=web", "--format", "{{.Ports}}").out == "0.0.0.0:8080->80/tcp"
    shown = net.run("inspect", "--format", "{{json .NetworkSettings.Ports}}", "web").out
    assert json.loads(shown) == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
    config = inspected(net, "one")["InfraConfig"]
    assert config["Networks"] == ["front"]
    assert config["DNSServer"] == ["192.0.2.53"]
    assert config["PortBindings"] == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
    assert net.run("pod", "ps", "--filter", "network=front", "--format", "{{.Name}} {{.Networks}}").out == "one front"
    net.run("pod", "rm", "-f", "-t", "0", "one")
    net.run("rm", "-f", "-t", "0", "client")
    net.run("network", "rm", "front")


def fetch(host: TestHost) -> str:
    try:
        return host.run("busybox", "wget", "-q", "-O", "-", f"http://{HOST}:8080/").strip()
    except AssertionError:
        return ""
