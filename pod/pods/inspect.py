"""A pod as `inspect` tells it, with podman's names and types."""

from __future__ import annotations

from pod import state
from pod.containers import restart
from pod.containers.inspect.document import moment
from pod.containers.inspect.fields import bindings
from pod.pods import cgroup
from pod.pods.status import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.engine import Engine
    from pod.pods.rows import Pod


def inspect_pod(engine: Engine, pod: Pod) -> dict[str, Any]:
    """Return all that is known of a pod."""
    seen, config = observe(engine, pod), pod.config
    infra = state.container(engine.connection, pod.infra) if pod.infra else None
    described: dict[str, Any] = {
        "Id": pod.id,
        "Name": pod.name,
        "Created": moment(pod.created),
        "CreateCommand": config["create_command"],
        "ExitPolicy": config["exit_policy"],
        "State": seen.word,
        "Hostname": config["hostname"],
        "Labels": config["labels"],
        "CreateCgroup": config["share_parent"],
        "CgroupParent": cgroup.parent(engine.config, pod),
        "CgroupPath": cgroup.of(engine.config, pod),
        "CreateInfra": infra is not None,
        "InfraContainerID": pod.infra,
        "InfraConfig": None if infra is None else _infra(engine, infra),
        "SharedNamespaces": config["share"],
        "NumContainers": len(seen.members),
        "Containers": [
            {"Id": one.container.id, "Name": one.container.name, "State": one.status.state} for one in seen.members
        ],
        **_limits(config["resources"]),
        "SecurityOpts": config["security_options"],
    }
    if config["restart"]:
        described["RestartPolicy"] = restart.described(config["restart"])["Name"]
    if infra is not None:
        described["Mounts"] = [one["target"] for one in infra.config["mounts"]]
        described["Devices"] = [one["target"] for one in infra.config["devices"]["host"]]
    # What there is nothing of is left out, as podman does.
    always = ("CreateInfra", "CreateCgroup", "Hostname", "NumContainers", "InfraContainerID")
    return {key: value for key, value in described.items() if value or key in always}


def _infra(engine: Engine, infra: state.Container) -> dict[str, Any]:
    config = infra.config
    network, identity, modes = config["network"], config["identity"], config["namespaces"]
    return {
        "PortBindings": bindings(config["ports"]),
        "HostNetwork": modes["network"] == "host",
        "StaticIP": "",
        "StaticMAC": "",
        "NoManageResolvConf": not network["resolv_conf"],
        "DNSServer": network["dns_servers"] or None,
        "DNSSearch": network["dns_search"] or None,
        "DNSOption": network["dns_options"] or None,
        "NoManageHostname": not identity["hostname_file"],
        "NoManageHosts": not identity["hosts"],
        "HostAdd": identity["add_hosts"] or None,
        "HostsFile": identity["hosts_file"],
        "Networks": networks_of(engine, infra) or None,
        "NetworkOptions": None,
        "pid_ns": modes["pid"],
        "userns": modes["user"],
        "uts_ns": modes["uts"],
    }


def networks_of(engine: Engine, infra: state.Container) -> list[str]:
    """Return the names of the networks that an infra container is on."""
    if infra.config["namespaces"]["network"] != "bridge":
        return []
    from pod.networks.inspect import names_by_container

    return names_by_container(engine.connection).get(infra.id, [])


def _limits(resources: dict[str, Any]) -> dict[str, Any]:
    cpu, memory = resources.get("cpu") or {}, resources.get("memory") or {}
    block_io = resources.get("blockIO") or {}
    return {
        "cpu_period": cpu.get("period"),
        "cpu_quota": cpu.get("quota"),
        "cpuset_cpus": cpu.get("cpus"),
        "cpuset_mems": cpu.get("mems"),
        "cpu_shares": cpu.get("shares"),
        "memory_limit": memory.get("limit"),
        "memory_swap": memory.get("swap"),
        "blkio_weight": block_io.get("weight"),
    }
