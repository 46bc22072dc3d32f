"""Pods where systemd makes control groups: a slice for each, with the pod's limits; and cgroup v2 without systemd."""

from __future__ import annotations

import pytest

from tests.system.machine import Machine
from tests.system.project import IMAGE

_MANAGED = """
set -e
pod pod create --name one --memory 64m --cpus 0.5 >/dev/null
pod run -d --pod one --name a {image} sleep 1000 >/dev/null
id=$(pod pod inspect --format '{{{{.Id}}}}' one)
place=$(sed -n s/0:://p /proc/$(pod inspect --format '{{{{.State.Pid}}}}' a)/cgroup)
echo "$place" | grep -o "{slice}-pod_$id.slice/pod-"
above=/sys/fs/cgroup${{place%/*}}
cat $above/memory.max $above/cpu.max
test -d $above/pod-$(pod pod inspect --format '{{{{.InfraContainerID}}}}' one).scope
{manager} show --property=MemoryMax --value {slice}-pod_$id.slice
pod pod stop -t 0 one >/dev/null
pod pod start one >/dev/null
cat $above/memory.max
pod pod rm -f -t 0 one >/dev/null
test ! -e $above
{manager} show --property=ActiveState --value {slice}-pod_$id.slice
"""
_FILES = """
set -e
pod="pod --cgroup-manager cgroupfs"
$pod pod create --name one --memory 64m >/dev/null
$pod run -d --pod one --name a {image} sleep 1000 >/dev/null
id=$($pod pod inspect --format '{{{{.Id}}}}' one)
sed -n s/0:://p /proc/$($pod inspect --format '{{{{.State.Pid}}}}' a)/cgroup | grep -o "/pod_$id/pod-"
cat /sys/fs/cgroup/pod_$id/memory.max
$pod pod rm -f -t 0 one >/dev/null
test ! -e /sys/fs/cgroup/pod_$id
"""
# A port of a pod; what is told of it and done to it as a whole; and a member that takes the memory of all.
_COMMANDS = """
set -e
pod pod create --name two --network {network} -p {port}:80 --memory 64m >/dev/null
pod run -d --pod two --name web {image} sh -c 'mkdir /w; echo hello >/w/index.html; exec httpd -f -h /w' >/dev/null
pod run -d --pod two --name idle {image} sleep 1000 >/dev/null
ask() {{ busybox wget -q -T 5 -O - http://127.0.0.1:{port}/; }}
until ask 2>/dev/null; do sleep 0.3; done
pod pod ps --format '{{{{.Name}}}} {{{{.Status}}}} {{{{.NumberOfContainers}}}}'
pod ps --format '{{{{.Names}}}} {{{{.Ports}}}}' --filter name=idle
pod pod stats --no-stream --format '{{{{.Name}}}} {{{{.PIDS}}}} {{{{.MemUsage}}}}' two | grep idle
pod pod top two comm | grep -c -e httpd -e sleep
pod pod pause two >/dev/null
pod pod ps --format '{{{{.Status}}}}'
frozen=/sys/fs/cgroup$(sed -n s/0:://p /proc/$(pod inspect --format '{{{{.State.Pid}}}}' web)/cgroup)
cat $frozen/cgroup.freeze
pod pod unpause two >/dev/null
ask
pod run --pod two --name greedy {image} sh -c 'text=0123456789; while :; do text=$text$text; done' || echo killed $?
pod inspect --format '{{{{.State.OOMKilled}}}}' greedy
ask
pod pod stop -t 0 two >/dev/null
! ask 2>/dev/null
pod pod rm two >/dev/null
"""


@pytest.mark.slow
def test_commands_for_a_pod_as_a_whole(machine: Machine, user: str) -> None:
    network, port = ("bridge", 8280) if user == "root" else ("pasta", 8281)
    script = _COMMANDS.format(image=IMAGE, network=network, port=port)
    lines = machine.shell(user, script, timeout=300).stdout.splitlines()
    assert lines[:3] == ["hello", "two Running 3", f"idle 0.0.0.0:{port}->80/tcp"]
    name, processes, usage = lines[3].split(maxsplit=2)
    assert (name, processes) == ("idle", "1")
    assert "kB /" in usage or "MB /" in usage
    assert lines[4:] == ["2", "Paused", "1", "hello", "killed 137", "true", "hello"]


@pytest.mark.slow
def test_a_pod_is_a_slice(machine: Machine, user: str) -> None:
    slice, manager = ("machine", "systemctl") if user == "root" else ("user", "systemctl --user")
    lines = machine.shell(user, _MANAGED.format(image=IMAGE, slice=slice, manager=manager), timeout=300).stdout.split(
        "\n"
    )
    assert lines[0].startswith(f"{slice}-pod_")
    assert lines[1:6] == ["67108864", "50000 100000", "67108864", "67108864", "inactive"]


@pytest.mark.slow
@pytest.mark.parametrize("user", ["root"])
def test_limits_by_files(machine: Machine, user: str) -> None:
    lines = machine.shell(user, _FILES.format(image=IMAGE), timeout=300).stdout.split("\n")
    assert lines[1] == "67108864"
