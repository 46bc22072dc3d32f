from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pod.containers.configuration import DEFAULTS
from pod.containers.create import CreateOptions
from pod.containers.inside import environment
from pod.containers.mounts.mount import Mount, parse_tmpfs, parse_volume
from pod.containers.security import options as security_options
from pod.containers.security import privileges
from pod.containers.spec import document as spec
from pod.containers.spec.surroundings import Surroundings
from pod.errors import PodError

if TYPE_CHECKING:
    from pod.containers.configuration import ContainerConfig


def config(**changes: Any) -> ContainerConfig:
    options = CreateOptions()
    base: dict[str, Any] = {
        "image": "i",
        "image_name": "localhost/i:latest",
        "layers": [],
        "rootfs": "",
        "entrypoint": [],
        "command": ["true"],
        "env": {},
        "user": "",
        "group_add": [],
        "workdir": "/",
        "hostname": "box",
        "tty": False,
        "stdin": False,
        "mounts": [],
        "storage": options.storage,
        "secrets": [],
        "read_only": False,
        "init_path": "",
        "namespaces": dict.fromkeys(("network", "pid", "ipc", "uts", "cgroup"), "private") | {"user": "host"},
        "id_map": None,
        "identity": DEFAULTS["identity"],
        "network": DEFAULTS["network"],
        "confinement": DEFAULTS["confinement"],
        "security": security_options.settle({}, options),
        "ulimits": [],
        "oom_score_adj": None,
        "resources": {},
        "pids_limit": 2048,
        "shm_size": 65536,
        "labels": {},
        "annotations": {},
        "stop_signal": 15,
        "stop_timeout": 10,
        "systemd": False,
        "log_driver": "none",
        "cgroups": "default",
        "cgroup_parent": "",
        "devices": {"host": [], "rules": [], "cdi": [], "gpus": [], "cdi_dirs": []},
        "detach_keys": "",
        "create_command": [],
    }
    return base | changes  # type: ignore[return-value]


def surroundings(**changes: Any) -> Surroundings:
    base: dict[str, Any] = {
        "rootfs": "/r",
        "files": "/f",
        "volumes": "/v",
        "rootless": False,
        "cgroups_path": "/pod-x",
        "id_mappings": None,
        "default_capabilities": ["CAP_CHOWN", "CAP_KILL"],
        "default_sysctls": {"net.ipv4.ping_group_range": "0 0"},
    }
    return Surroundings(**base | changes)


def security(**changes: Any) -> Any:
    options = CreateOptions()
    for name, value in changes.items():
        setattr(options, name, value)
    return security_options.settle({}, options)


def build(**changes: Any) -> dict[str, Any]:
    changes.setdefault("security", security(security_options=["seccomp=unconfined"]))
    return spec.build(config(**changes), "x", surroundings())


def types(document: dict[str, Any]) -> set[str]:
    return {entry["type"] for entry in document["linux"]["namespaces"]}


def test_namespaces() -> None:
    assert types(build()) == {"mount", "cgroup", "pid", "ipc", "uts", "network"}
    host = {"network": "host", "pid": "host", "ipc": "host", "uts": "host", "user": "host"}
    assert types(build(namespaces=host)) == {"mount", "cgroup"}


def test_sysctls_only_with_the_namespace_that_they_belong_to() -> None:
    assert build()["linux"]["sysctl"] == {"net.ipv4.ping_group_range": "0 0"}
    namespaces = {**CreateOptions().namespaces, "network": "host"}
    assert build(namespaces=namespaces)["linux"]["sysctl"] == {}


def test_user_namespace_has_maps() -> None:
    mappings = ([(0, 1, 1000), (1000, 0, 1)], [(0, 0, 1)])
    document = spec.build(
        config(security=security(security_options=["seccomp=unconfined"])), "x", surroundings(id_mappings=mappings)
    )
    assert document["linux"]["uidMappings"] == [
        {"containerID": 0, "hostID": 1, "size": 1000},
        {"containerID": 1000, "hostID": 0, "size": 1},
    ]
    assert "user" in types(document)


def test_capabilities() -> None:
    def bounding(**changes: Any) -> list[str]:
        return privileges.bounding(config(security=security(**changes)), ["CAP_CHOWN", "CAP_KILL"])

    assert bounding() == ["CAP_CHOWN", "CAP_KILL"]
    assert bounding(cap_add=["net_admin"], cap_drop=["CHOWN"]) == ["CAP_KILL", "CAP_NET_ADMIN"]
    assert bounding(cap_drop=["all"], cap_add=["SYS_TIME"]) == ["CAP_SYS_TIME"]
    assert bounding(cap_add=["ALL"], cap_drop=["CHOWN"]) == privileges.ALL_CAPABILITIES[1:]
    assert bounding(privileged=True) == privileges.ALL_CAPABILITIES
    with pytest.raises(PodError, match="unknown capability"):
        bounding(cap_add=["FLY"])


def test_inheritable_is_empty_for_root() -> None:
    sets = privileges.capabilities(["CAP_CHOWN"], [], uid=0)
    assert sets["inheritable"] == sets["ambient"] == []
    assert sets["effective"] == ["CAP_CHOWN"]


def test_other_users_hold_only_what_was_added() -> None:
    sets = privileges.capabilities(["CAP_CHOWN", "CAP_NET_ADMIN"], ["CAP_NET_ADMIN"], uid=5)
    assert sets["effective"] == ["CAP_NET_ADMIN"]
    assert sets["bounding"] == ["CAP_CHOWN", "CAP_NET_ADMIN"]


def test_deeper_mounts_come_later_whatever_the_order() -> None:
    mounts = [parse_volume("/a:/data/sub/deep"), parse_tmpfs("/data"), parse_volume("/b:/data/sub")]
    document = build(mounts=[mount.to_document() for mount in mounts])
    targets = [mount["destination"] for mount in document["mounts"]]
    assert targets.index("/data") < targets.index("/data/sub") < targets.index("/data/sub/deep")


def test_own_files_give_way_to_the_users() -> None:
    document = build(mounts=[parse_volume("/mine:/etc/hosts").to_document()])
    hosts = [mount for mount in document["mounts"] if mount["destination"] == "/etc/hosts"]
    assert [mount["source"] for mount in hosts] == ["/mine"]


def test_scratch_directories_of_a_read_only_container_lie_below_the_environment_file() -> None:
    targets = [mount["destination"] for mount in build(read_only=True)["mounts"]]
    assert targets.index("/run") < targets.index("/run/.containerenv")


def test_volumes_lie_in_the_store() -> None:
    document = build(mounts=[Mount("volume", "data", "/data", ["ro"]).to_document()])
    found = next(mount for mount in document["mounts"] if mount["destination"] == "/data")
    assert found["source"] == "/v/data/_data"
    assert set(found["options"]) == {"rbind", "ro", "nosuid", "nodev"}


def test_masks() -> None:
    linux = build()["linux"]
    assert "/proc/kcore" in linux["maskedPaths"]
    assert "/proc/sys" in linux["readonlyPaths"]
    options = ["seccomp=unconfined", "unmask=/proc/kcore", "mask=/x:/y"]
    linux = build(security=security(security_options=options))["linux"]
    assert "/proc/kcore" not in linux["maskedPaths"]
    assert linux["maskedPaths"][-2:] == ["/x", "/y"]
    linux = build(security=security(security_options=["seccomp=unconfined", "systempaths=unconfined"]))["linux"]
    assert linux["maskedPaths"] == linux["readonlyPaths"] == []


def test_unlimited_values_are_the_kernels_infinity() -> None:
    limits = build(ulimits=[("core", 0, -1)])["process"]["rlimits"]
    assert limits == [{"type": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1}]


def test_init_goes_before_the_program() -> None:
    document = build(init_path="/usr/bin/catatonit")
    assert document["process"]["args"] == ["/run/podman-init", "--", "true"]
    assert any(mount["destination"] == "/run/podman-init" for mount in document["mounts"])


def test_without_a_cgroup_nothing_is_limited() -> None:
    document = spec.build(
        config(security=security(security_options=["seccomp=unconfined"])), "x", surroundings(cgroups_path="")
    )
    assert document["linux"]["resources"] == {}


@pytest.mark.parametrize("option", ["bogus", "seccomp", "seccomp=/no/such/file", "mask", "unknown=1"])
def test_nonsense_security_options(option: str) -> None:
    with pytest.raises(PodError):
        security(security_options=[option])


def test_image_environment_never_takes_from_the_host() -> None:
    image = {"Env": ["A=1", "HOME", "*", "=x", "PATH=/bin", 7, "B=c=d"]}
    assert environment.of_image(image) == {"A": "1", "PATH": "/bin", "B": "c=d"}


def test_systemd_gives_a_container_its_time_to_stop() -> None:
    unit = surroundings(cgroups_path="user.slice:pod:x")
    name = "org.systemd.property.TimeoutStopUSec"
    assert spec.build(config(stop_timeout=7), "x", unit)["annotations"][name] == "uint64 7000000"
    assert spec.build(config(stop_timeout=0), "x", unit)["annotations"][name] == "uint64 1000000"
    asked = config(annotations={name: "uint64 5"})
    assert spec.build(asked, "x", unit)["annotations"] == {name: "uint64 5"}
    assert spec.build(config(), "x", surroundings())["annotations"] == {}


def test_systemd_gets_what_it_expects_of_a_container() -> None:
    document = build(systemd=True)
    tmpfs = [mount["destination"] for mount in document["mounts"] if mount["type"] == "tmpfs"]
    assert tmpfs == ["/dev", "/dev/shm", "/run", "/tmp", "/run/lock", "/var/log/journal"]
    assert "container_uuid=x" in document["process"]["env"]
    groups = {mount["destination"]: mount for mount in document["mounts"]}["/sys/fs/cgroup"]
    assert (groups["type"], groups["options"][-1]) == ("cgroup", "rw")


def test_systemd_changes_no_hierarchy_but_its_own() -> None:
    around = surroundings(kept_hierarchies=["/sys/fs/cgroup/memory"])
    document = spec.build(config(systemd=True), "x", around)
    assert document["linux"]["readonlyPaths"][-1] == "/sys/fs/cgroup/memory"
