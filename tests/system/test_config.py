"""What of a configuration only a machine like this one can honour: AppArmor, real time, whatever root may lower."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.system.bundles import NAME, Runtime, spec
from tests.system.machine import Machine

# profile pod-test flags=(attach_disconnected) {
#   file, network, capability, mount, signal, ptrace, unix, umount, deny /tmp/denied w,
# }
# by `apparmor_parser --skip-kernel-load --ofile=…`, `gzip -9` and `base64`.
_PROFILE = (
    "H4sICEXACGsCA3AuYmluAO1TwUrEMBB9TZMm3Vpdb4LfIHgQb4L4IUpwW10o27Ktsjev+hHiv/hjOpOmLl1yWFzY077wOikzncm8TqTBa7Fs5/"
    "UCQgGQBs2yLudVAa1SNPXsoivaDjJBWdmnFlpQFNYPIzM0tnt+6N1CsuOHsBEnNR5t015fUYaA21ABa2elRfLB5zi/X92QOQPUO7Cou7IqVhwY"
    "gSswTjHg6/vNcdgPVuLyzxfi590LdCDfPxHdKu4mlC/yfbKN/X6I43YTomYZiClxQsyJGUWJUb7YfR9TZM/x4gw+PspdjdBa194Fwp0a/rT7Qk"
    "Y8crsTUmyKY6eYcmodsD3i0ZwIelekZ0r/MiN9c9J16jTeHXxj+0lJ99jfxM8KqBNFfeTuhgk/OwdsCfMLK3aiKiEGAAA="
)
_LOAD = "/sys/kernel/security/apparmor/.load"
_REMOVE = "/sys/kernel/security/apparmor/.remove"


@pytest.fixture
def runtime(machine: Machine) -> Iterator[Runtime]:
    made = Runtime(machine)
    yield made
    made("delete", "--force", NAME)


@pytest.fixture
def profile(machine: Machine) -> Iterator[str]:
    """The name of an AppArmor profile that the kernel has."""
    machine.shell("root", f"base64 -d | gzip -d > {_LOAD}", input=_PROFILE)
    yield "pod-test"
    machine.shell("root", f"printf pod-test > {_REMOVE}")


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_the_processes_have_the_apparmor_profile(runtime: Runtime, profile: str, no_new_privileges: bool) -> None:
    script = "cat /proc/self/attr/current; echo x > /tmp/denied || echo denied; echo x > /tmp/allowed; rm /tmp/allowed"
    document = spec("sh", "-c", script)
    document["process"].update(apparmorProfile=profile, noNewPrivileges=no_new_privileges)
    assert runtime.run(document).stdout.splitlines() == [f"{profile} (enforce)", "denied"]
    document["process"]["args"] = ["sleep", "1000"]
    runtime.start(document)
    assert runtime("exec", NAME, "cat", "/proc/self/attr/current").stdout == f"{profile} (enforce)\n"
    other = runtime("exec", "--apparmor", "unconfined", NAME, "cat", "/proc/self/attr/current", check=False)
    # An executed process is what the runtime is, unless it is asked for more.
    assert other.stdout == "unconfined\n"


def test_an_apparmor_profile_that_the_kernel_does_not_have_is_named(runtime: Runtime) -> None:
    document = spec("true")
    document["process"]["apparmorProfile"] = "no-such-profile"
    done = runtime.run(document, check=False)
    assert done.returncode == 1
    assert "enter the AppArmor profile `no-such-profile`: No such file or directory" in done.stderr


def test_real_time_in_a_control_group(machine: Machine, runtime: Runtime) -> None:
    document = spec("sleep", "1000")
    document["process"]["scheduler"] = {"policy": "SCHED_FIFO", "priority": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    document["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_RT", "priority": 2}
    document["process"]["oomScoreAdj"] = -500
    pid = runtime.start(document)
    shown = machine.shell("root", f"chrt -p {pid}; ionice -p {pid}; cat /proc/{pid}/oom_score_adj").stdout.splitlines()
    assert shown[0].endswith("SCHED_FIFO|SCHED_RESET_ON_FORK")
    assert shown[1].endswith("priority: 5")
    assert shown[2:] == ["realtime: prio 2", "-500"]
    assert json.loads(runtime("state", NAME).stdout)["status"] == "running"
