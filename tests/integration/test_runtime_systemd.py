"""`pod-runtime --systemd-cgroup` over a real dbus-daemon; systemd itself is played (tests/system has the real one)."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.bundle import SOURCE, Runtime, configuration
from tests.fixtures.engines import is_heard
from tests.fixtures.monitor import eventually
from tests.fixtures.user import current_user

_numbers = itertools.count()
_BUS = """<busconfig><type>custom</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/>
</policy></busconfig>"""


class Systemd:
    """A played systemd on a bus of its own."""

    def __init__(self, directory: str, number: int) -> None:
        self.top = f"/podsystemd{os.getpid()}x{number}"
        self.notes = f"{directory}/notes"
        self.address = f"unix:path={directory}/bus"
        with open(f"{directory}/bus.conf", "w") as file:
            file.write(_BUS.format(path=f"{directory}/bus"))
        self.daemon = subprocess.Popen(["dbus-daemon", f"--config-file={directory}/bus.conf", "--nofork"])
        eventually(lambda: is_heard(f"{directory}/bus"))
        command = [sys.executable, "-m", "tests.fakes.systemd", self.address, self.top, self.notes]
        self.service = subprocess.Popen(command, cwd=SOURCE, stdout=subprocess.PIPE)
        assert self.service.stdout is not None
        assert self.service.stdout.readline() == b"ready\n"

    def calls(self) -> list[str]:
        with open(self.notes) as file:
            return [member for member, _body in json.load(file) if member not in ("Get", "Subscribe")]

    def close(self) -> None:
        for process in (self.service, self.daemon):
            process.terminate()
            process.wait(60)
        assert self.service.stdout is not None
        self.service.stdout.close()


@pytest.fixture
def runtime(workplace: str) -> Runtime:
    if os.getuid():
        pytest.skip("needs root")
    if not os.path.isdir("/sys/fs/cgroup/systemd"):
        pytest.skip("needs cgroup v1, where systemd can be played: tests/system has the real one")
    return Runtime(f"{workplace}/systemd{next(_numbers)}", current_user())


@pytest.fixture
def systemd(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    if not shutil.which("dbus-daemon"):
        pytest.skip("needs dbus-daemon")
    made = Systemd(runtime.directory, next(_numbers))
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
    yield made
    for name in runtime.leftovers():
        runtime("delete", "--force", name)
    made.close()
    left = [path for path, names, _ in os.walk("/sys/fs/cgroup") for name in names if name == made.top[1:]]
    assert not left, f"control groups are left in {left}"


def create(runtime: Runtime, spec: dict[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
    runtime.configure(spec)
    with open(f"{runtime.directory}/log", "w+") as log:
        done = runtime("--systemd-cgroup", *words, "box", stdout=log, stderr=log)
        log.seek(0)
        done.stderr = log.read()
    return done


def cgroups(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/cgroup") as file:
        return {line.split(":")[1]: line.strip().split(":", 2)[2] for line in file}


def test_the_life_of_a_unit(runtime: Runtime, systemd: Systemd) -> None:
    spec = configuration("sleep", "1000")
    spec["linux"]["cgroupsPath"] = "machine.slice:box:one"
    spec["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 40}}
    done = create(runtime, spec, "run", "--detach")
    assert done.returncode == 0, done.stderr
    pid = json.loads(runtime("state", "box").stdout)["pid"]
    path = f"{systemd.top}/machine.slice/box-one.scope"
    found = cgroups(pid)
    assert {found[name] for name in ("name=systemd", "memory", "pids", "freezer", "devices")} == {path}
    with open(f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes") as file:
        assert int(file.read()) == 64 << 20
    executed = runtime("exec", "box", "cat", "/proc/self/cgroup")
    assert f"memory:{path}" in executed.stdout
    assert systemd.calls() == ["StartTransientUnit"]
    assert runtime("pause", "box").returncode == 0
    assert json.loads(runtime("state", "box").stdout)["status"] == "paused"
    assert runtime("resume", "box").returncode == 0
    assert runtime("delete", "--force", "box").returncode == 0
    assert systemd.calls() == ["StartTransientUnit", "StopUnit", "ResetFailedUnit"]


def test_a_unit_of_a_container_that_runs_to_its_end(runtime: Runtime, systemd: Systemd) -> None:
    runtime.configure(configuration("cat", "/proc/self/cgroup"))
    done = runtime("--cgroup-manager", "systemd", "run", "box")
    assert done.returncode == 0, done.stderr
    assert f"{systemd.top}/system.slice/pod-runtime-box-" in done.stdout
    assert systemd.calls()[-2:] == ["StopUnit", "ResetFailedUnit"]


def test_a_namespace_that_needs_a_second_fork(runtime: Runtime, systemd: Systemd) -> None:
    spec = configuration("cat", "/proc/self/cgroup")
    spec["linux"]["namespaces"] = [each for each in spec["linux"]["namespaces"] if each["type"] != "pid"]
    spec["linux"]["namespaces"].append({"type": "pid", "path": f"/proc/{os.getpid()}/ns/pid"})
    runtime.configure(spec)
    done = runtime("--systemd-cgroup", "run", "box")
    assert done.returncode == 0, done.stderr
    assert "/system.slice/pod-runtime-box-" in done.stdout


def test_what_fails_leaves_nothing(runtime: Runtime, systemd: Systemd) -> None:
    for change, message in (
        ({"cgroupsPath": "/not/a/unit"}, "is not slice:prefix:name"),
        ({"resources": {"memory": {"limit": "much"}}}, "limit"),
        ({"resources": {"unified": {"nonsense.max": "1"}}}, "nonsense"),
    ):
        spec = configuration("true")
        spec["linux"].update(change)
        runtime.configure(spec)
        done = runtime("--systemd-cgroup", "run", "box")
        assert done.returncode == 1
        assert message in done.stderr
        assert runtime.leftovers() == []


def test_the_name_of_a_living_unit_is_refused_and_the_unit_lives(runtime: Runtime, systemd: Systemd) -> None:
    spec = configuration("sleep", "1000")
    spec["linux"]["cgroupsPath"] = "machine.slice:box:one"
    assert create(runtime, spec, "run", "--detach").returncode == 0
    second = runtime("--systemd-cgroup", "run", "other")
    assert second.returncode == 1
    assert "start unit box-one.scope: it exists already" in second.stderr
    assert json.loads(runtime("state", "box").stdout)["status"] == "running"
    assert "StopUnit" not in systemd.calls()


def test_systemd_has_gone_when_the_container_is_deleted(runtime: Runtime, systemd: Systemd) -> None:
    assert create(runtime, configuration("sleep", "1000"), "run", "--detach").returncode == 0
    systemd.service.terminate()
    systemd.service.wait(60)
    assert runtime("delete", "--force", "box").returncode == 0
    # Nobody removes slices for systemd but systemd.
    for name in ("/system.slice", ""):
        os.rmdir(f"/sys/fs/cgroup/systemd{systemd.top}{name}")


def test_no_bus(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={runtime.directory}/nothing")
    runtime.configure(configuration("true"))
    done = runtime("--systemd-cgroup", "run", "box")
    assert done.returncode == 1
    assert "connect to the bus at unix:path=" in done.stderr
    assert "hint: the systemd cgroup manager needs systemd" in done.stderr
    assert runtime.leftovers() == []
