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
