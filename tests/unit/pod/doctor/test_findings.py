"""What each check says of machines that are not as they should be."""

from __future__ import annotations

from typing import Any

import pytest

from pod.doctor import finding, identities, machine
from pod.doctor.finding import FAIL, OK, WARN, Patient
from pod.rootless import IdRange

ALICE = Patient(1000, "alice", True, "/home/alice/.local/share/pod", "/run/user/1000/pod")


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What small files hold, instead of the machine's own."""
    held: dict[str, str] = {}
    for module in (identities, machine):
        monkeypatch.setattr(module, "read", lambda path: held.get(path, ""))
    return held


def test_no_user_namespaces(files: dict[str, str]) -> None:
    files["/proc/sys/user/max_user_namespaces"] = "0"
    found = identities.user_namespaces(ALICE)
    assert (found.status, found.fix) == (FAIL, "sudo sysctl -w user.max_user_namespaces=28633")
    files["/proc/sys/user/max_user_namespaces"] = "9"
    files["/proc/sys/kernel/unprivileged_userns_clone"] = "0"
    assert identities.user_namespaces(ALICE).fix == "sudo sysctl -w kernel.unprivileged_userns_clone=1"


def test_apparmor_restricts(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    files["/proc/sys/kernel/apparmor_restrict_unprivileged_userns"] = "1"
    monkeypatch.setattr(identities, "_may_make", lambda: False)
    found = identities.user_namespaces(ALICE)
    assert (found.status, found.fix) == (FAIL, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
    monkeypatch.setattr(identities, "_may_make", lambda: True)
    assert identities.user_namespaces(ALICE).status == OK


def test_the_range_that_is_proposed_is_free(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    files["/etc/subuid"] = "bob:100000:65536\ncarol:300000:1000"
    monkeypatch.setattr("pod.rootless.subordinate_ids", lambda *given: [])
    uid, gid = identities.subordinate_ids(ALICE)
    assert (uid.status, uid.fix) == (FAIL, "sudo usermod --add-subuids 301000-366535 alice")
    assert gid.fix == "sudo usermod --add-subgids 100000-165535 alice"
    monkeypatch.setattr("pod.rootless.subordinate_ids", lambda *given: [IdRange(1, 1000)])
    assert identities.subordinate_ids(ALICE)[0].status == WARN


def test_missing_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (identities, machine):
        monkeypatch.setattr(module, "find_program", lambda name: None)
    monkeypatch.setattr(finding, "find_program", lambda name: "/usr/bin/dnf" if name == "dnf" else None)
    assert [one.status for one in identities.mapping_programs(ALICE)] == [FAIL, FAIL]
    assert identities.mapping_programs(ALICE)[0].fix == "sudo dnf install shadow-utils"
    nft, pasta, criu = machine.programs(ALICE)
    assert (nft.status, nft.fix) == (WARN, "sudo dnf install nftables")
    assert machine.programs(Patient(0, "root", False, "/var/lib/pod", "/run/pod"))[0].status == FAIL
    assert (pasta.status, pasta.fix) == (WARN, "sudo dnf install passt")
    assert criu.name == "criu"


def test_pasta_and_its_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    program = tmp_path / "pasta"
    program.write_bytes(b"\0--no-map-gw\0")
    monkeypatch.setattr(machine, "find_program", lambda name: str(program))
    monkeypatch.setattr(machine, "TUN", str(program))
    assert machine.pasta().status == WARN
    assert "older than 2024" in machine.pasta().message
    program.write_bytes(b"\0--map-guest-addr\0")
    assert (machine.pasta().status, machine.pasta().message) == (OK, str(program))
    monkeypatch.setattr(machine, "TUN", str(tmp_path / "tun"))
    assert machine.pasta().fix == f"sudo modprobe tun; sudo chmod 666 {tmp_path}/tun"


def test_a_mapping_program_without_privilege(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    program = tmp_path / "newuidmap"
    program.write_text("")
    monkeypatch.setattr(identities, "find_program", lambda name: str(program))
    found = identities.mapping_programs(ALICE)[0]
    assert (found.status, found.fix) == (FAIL, f"sudo chmod u+s {program}")


def test_controllers_that_are_not_delegated(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pod.host.cgroup_version", lambda: "v2")
    service = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers"
    files[service] = "memory pids"
    found = machine.cgroups(ALICE)
    assert (found.status, found.message) == (WARN, "v2, but cpu not delegated to alice")
    assert "Delegate=cpu" in found.fix
    files[service] = "cpu memory pids"
    assert machine.cgroups(ALICE).status == OK


def test_a_network_file_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr("pod.host.backing_filesystem", lambda path: "nfs4")
    found = machine.graphroot(Patient(1000, "alice", True, str(tmp_path), ""))
    assert found[0].status == FAIL
    assert "nfs4" in found[0].message


def test_few_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda which: (256, 4096))
    assert machine.open_files().fix == "ulimit -n 1024"
    monkeypatch.setattr("resource.getrlimit", lambda which: (256, 512))
    assert "limits.d" in machine.open_files().fix


def test_an_old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        release = "4.19.0-27-amd64"

    monkeypatch.setattr("os.uname", lambda: Old)
    assert machine.kernel().status == FAIL


def test_no_runtime_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    found = identities.runtime_directory(ALICE)
    assert (found.status, found.fix) == (WARN, "export XDG_RUNTIME_DIR=/run/user/1000")
