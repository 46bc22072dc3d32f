from __future__ import annotations

from typing import Any

import pytest

from runtime import capabilities, identity, idmap, launch, rlimits, schema, spec, status, sysctl
from runtime.errors import SpecError
from runtime.kernel import CLONE_NEWIPC, CLONE_NEWNET, RLIM_INFINITY
from runtime.namespaces import NamespacePlan

MAPPING = [{"containerID": 0, "hostID": 0, "size": 1}]


def document(**changes: Any) -> dict[str, Any]:
    base = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "linux": {"namespaces": [{"type": "mount"}]}}
    return {**base, **changes}


def test_the_smallest_configuration_is_valid() -> None:
    spec.validate(document())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ociVersion": "2.0.0"}, "ociVersion"),
        ({"ociVersion": None}, "ociVersion"),
        ({"root": {}}, "root.path"),
        ({"root": []}, "root is not an object"),
        ({"root": "x"}, "root is not an object"),
        ({"mounts": [{}]}, "destination"),
        ({"mounts": [{"destination": "/a\0b"}]}, "null character"),
        ({"linux": {"namespaces": [{"type": "mount"}, {"type": "mount"}]}}, "twice"),
        ({"hostname": "x"}, "UTS"),
        (
            {"domainname": "x", "linux": {"namespaces": [{"type": "uts"}], "sysctl": {"kernel.domainname": "y"}}},
            "differ",
        ),
        ({"linux": {"namespaces": [{"type": "mount"}], "uidMappings": MAPPING}}, "linux.uidMappings needs a user"),
        ({"linux": {"namespaces": [{"type": "mount"}], "netDevices": {"a": {}}}}, "linux.netDevices needs a network"),
    ],
)
def test_refuses_configurations(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec.validate(document(**changes))


def test_reads_a_process() -> None:
    process = spec.Process(
        {"args": ["a", "b"], "env": ["A=1", "B=x=y", "A=2"], "user": {"uid": 5, "gid": 6, "umask": 7}}
    )
    assert process.arguments == ["a", "b"]
    assert process.environment == {"A": "2", "B": "x=y"}
    assert (process.uid, process.gid, process.umask, process.cwd) == (5, 6, 7, "/")


@pytest.mark.parametrize(
    "changes",
    [
        {"args": []},
        {"args": "sh"},
        {"args": ["a\0"]},
        {"env": ["NAME"]},
        {"env": ["=x"]},
        {"cwd": "tmp"},
        {"user": {"uid": -1}},
        {"user": {"uid": 2**32 - 1}},
        {"user": {"uid": 2**32}},
        {"user": {"gid": "0"}},
        {"user": {"additionalGids": [2**32]}},
        {"rlimits": [{"type": "RLIMIT_BOGUS", "soft": 1, "hard": 1}]},
        {"rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * 2},
    ],
)
def test_refuses_processes(changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=rf"^process\.{next(iter(changes))}"):
        read_process({"args": ["true"], **changes})


def read_process(document: dict[str, Any]) -> spec.Process:
    schema.check_process(document)
    return spec.Process(document)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", ".hidden", "x" * 2000, "é"])
def test_refuses_ids_that_are_no_plain_names(name: str) -> None:
    with pytest.raises(SpecError):
        status.check_id(name)


def test_unlimited_is_the_kernels_largest_number() -> None:
    assert rlimits.read_limits([{"type": "RLIMIT_CORE", "soft": -1, "hard": 2**64 - 1}]) == [
        ("RLIMIT_CORE", RLIM_INFINITY, RLIM_INFINITY)
    ]


def test_unknown_capabilities_are_skipped() -> None:
    assert capabilities.mask(["CAP_CHOWN", "cap_kill", "CAP_FUTURE"]) == 1 | 1 << 5


def test_capabilities_that_cannot_be_had_are_told() -> None:
    def warnings(**sets: list[str]) -> list[str]:
        return capabilities.warnings(sets, in_user_namespace=True)

    some = ["CAP_KILL", "cap_chown"]
    assert warnings(**dict.fromkeys(capabilities.SETS, some)) == []
    assert warnings(bounding=some, permitted=["CAP_FUTURE"]) == ["capability `CAP_FUTURE` is not known and is ignored"]
    assert warnings(inheritable=["CAP_KILL"], effective=["CAP_CHOWN"]) == [
        "capability `CAP_CHOWN` cannot be effective: it is not in the permitted set",
        "capability `CAP_KILL` cannot be inheritable: it is not in the bounding set",
    ]
    assert len(warnings(bounding=some, permitted=some, ambient=some)) == 2


def test_mappings() -> None:
    first = {"containerID": 0, "hostID": 1000, "size": 10}
    mappings = idmap.read_mappings([first], "x")
    assert mappings == [(0, 1000, 10)]
    assert idmap.maps(mappings, 9)
    assert not idmap.maps(mappings, 10)
    for bad, message in (
        ({**first, "size": 0}, "size"),
        ({**first, "hostID": -1}, "hostID"),
        ({**first, "containerID": 2**32}, "containerID"),
        ({"containerID": 10, "hostID": 2**32 - 5, "size": 10}, "leads beyond the last ID"),
        ({"containerID": 9, "hostID": 0, "size": 1}, r"\[1\].containerID 9 is in another entry's range"),
        ({"containerID": 10, "hostID": 999, "size": 2}, r"\[1\].hostID 999 is in another entry's range"),
    ):
        with pytest.raises(SpecError, match=message):
            read_mappings([first, bad])


def read_mappings(mappings: list[dict[str, int]]) -> None:
    spec.validate(
        document(linux={"namespaces": [{"type": "mount"}, {"type": "user"}], "uidMappings": mappings}),
    )
    idmap.read_mappings(mappings, "linux.uidMappings")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("kernel.shmmax", "kernel/shmmax"),
        ("fs.mqueue.msg_max", "fs/mqueue/msg_max"),
    ],
)
def test_kernel_parameters_of_own_namespaces(name: str, path: str) -> None:
    plan = NamespacePlan({"namespaces": [{"type": "network"}, {"type": "ipc"}]})
    assert plan.new == CLONE_NEWNET | CLONE_NEWIPC
    assert sysctl.check({name: "1"}, plan) == {path: "1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernel.core_pattern", "|/x"),
        ("vm.swappiness", "1"),
        ("net.core.somaxconn+kernel.core_pattern", "1"),
        ("net.core.somaxconn=1 kernel.core_pattern", "1"),
        ("net/../kernel/core_pattern", "1"),
        ("net./.././.kernel.core_pattern", "1"),
        ("net.core.somaxconn", "1\nkernel.core_pattern"),
        ("kernel.domainname", "x"),
        ("kernel.shm_next_id", "1"),
    ],
)
def test_kernel_parameters_of_the_host_are_refused(name: str, value: Any) -> None:
    plan = NamespacePlan({"namespaces": [{"type": "network"}, {"type": "ipc"}]})
    with pytest.raises(SpecError):
        sysctl.check({name: value}, plan)


def test_kernel_parameters_need_the_namespace() -> None:
    with pytest.raises(SpecError, match="host's namespace"):
        sysctl.check({"net.core.somaxconn": "1"}, NamespacePlan({"namespaces": []}))


@pytest.mark.parametrize(
    ("profile", "allowed"),
    [
        ({"defaultAction": "SCMP_ACT_ALLOW"}, True),
        ({"defaultAction": "SCMP_ACT_ERRNO"}, False),
        ({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["execveat"], "action": "SCMP_ACT_ALLOW"}]}, True),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["execveat"], "action": "SCMP_ACT_KILL"}]}, False),
    ],
)
def test_whether_a_profile_lets_the_trampoline_be_executed(profile: dict[str, object], allowed: bool) -> None:
    assert identity.allows(profile, "execveat") is allowed


@pytest.mark.parametrize(
    ("resources", "limited"),
    [
        ({}, False),
        ({"devices": [{"allow": False}]}, False),
        ({"memory": {}, "pids": {"limit": 0}, "unified": {}}, False),
        ({"memory": {"limit": 5}}, True),
        ({"pids": {"limit": 7}}, True),
        ({"unified": {"memory.high": "1"}}, True),
    ],
)
def test_whether_limits_are_asked_for(resources: dict[str, Any], limited: bool) -> None:
    assert launch.asks_for_limits(resources) is limited


def test_notification_by_seccomp_needs_somebody_who_listens(tmp_path: Any) -> None:
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}
    with pytest.raises(SpecError, match="needs a listenerPath"):
        launch.read_filter({"linux": {"seccomp": profile}}, str(tmp_path), {})


def test_namespace_paths_must_be_namespaces_of_that_type(tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    for path in (str(tmp_path / "file"), "/proc/self/ns/uts"):
        with pytest.raises(SpecError, match="is not a network namespace"):
            NamespacePlan({"namespaces": [{"type": "network", "path": path}]})
    plan = NamespacePlan({"namespaces": [{"type": "network", "path": "/proc/self/ns/net"}]})
    assert plan.joined(CLONE_NEWNET)
    plan.close()


def test_unknown_namespaces_are_refused() -> None:
    with pytest.raises(SpecError, match=r"linux.namespaces\[1\].type `solaris` is not known"):
        spec.validate(document(linux={"namespaces": [{"type": "mount"}, {"type": "solaris"}]}))


def test_namespace_paths_must_be_absolute() -> None:
    with pytest.raises(SpecError, match=r"linux.namespaces\[0\].path is not an absolute path"):
        NamespacePlan({"namespaces": [{"type": "network", "path": "self/ns/net"}]})
