"""The fields of `inspect` that are the same for all containers of pod, or that follow from the image and the state.

Podman has them, scripts ask for them, and a template that asks for a missing field fails.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.status import Status
    from pod.engine import Engine
    from pod.state import Container
    from storage.images import Image


_ENDPOINT: dict[str, Any] = {
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "MacAddress": "",
}


def network_settings(engine: Engine, container: Container, *, pid: int) -> dict[str, Any]:
    """Return NetworkSettings of a container whose process has this number, 0 if it does not run."""
    found: dict[str, Any] = {
        **_ENDPOINT,
        "Bridge": "",
        "SandboxID": "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": {},
        "SandboxKey": "",
        "Networks": {},
    }
    config = container.config
    mode = config["namespaces"]["network"]
    if mode in ("bridge", "pasta") or config["ports"] or config["network"]["expose"]:
        from pod.networks import inspect

        return found | inspect.settings(engine, container, pid=pid)
    if config["pod"]["id"]:
        from pod.containers import ports

        found["Ports"] = bindings(ports.published(engine.connection, container))
    return {**found, "Networks": {mode: endpoint(mode)}}


def endpoint(name: str) -> dict[str, Any]:
    """Return an entry of NetworkSettings.Networks: of a network, or of a mode, which is all that there is of it."""
    return {
        **_ENDPOINT,
        "NetworkID": name,
        "DriverOpts": None,
        "IPAMConfig": None,
        "Links": None,
    }


def exposed(config: dict[str, Any]) -> dict[str, Any]:
    """Return the field of Config for the ports that are exposed, if any are."""
    ports: dict[str, Any] = {port: {} for port in bindings(config["ports"])}
    ports |= {port: {} for port in config["network"]["expose"]}
    return {"ExposedPorts": ports} if ports else {}


def bindings(ports: list[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Return where each port of a container is published."""
    found: dict[str, list[dict[str, str]]] = {}
    for one in ports:
        for number in range(one["range"]):
            entry = {"HostIp": one["host_ip"] or "0.0.0.0", "HostPort": str(one["host_port"] + number)}
            found.setdefault(f"{one['container_port'] + number}/{one['protocol']}", []).append(entry)
    return found


def host_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return what HostConfig has of the network, for Docker's sake, and for what other fields do not say."""
    network = config["network"]
    return {
        "VolumeDriver": "",
        "VolumesFrom": None,
        "Dns": network["dns_servers"],
        "DnsOptions": network["dns_options"],
        "DnsSearch": network["dns_search"],
        "PortBindings": bindings(config["ports"]),
        "Links": None,
        "PublishAllPorts": network["publish_all"],
        "ConsoleSize": [0, 0],
        "Isolation": "",
        "Devices": [],
        "DiskQuota": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }


def image_of(engine: Engine, container: Container) -> Image | None:
    """Return the container's image; None if it has none, or it is not in the store any more."""
    if not container.image:
        return None
    from storage.errors import StorageError
    from storage.images import load

    try:
        return load(engine.store, container.image)
    except StorageError:
        return None


def graph_driver(engine: Engine, container: Container, image: Image | None, seen: Status) -> dict[str, Any]:
    """Return GraphDriver: the directories of the overlay; MergedDir is where a running container's tree is seen."""
    directory = engine.config.container_dir(container.id)
    data = {"UpperDir": f"{directory}/upper", "WorkDir": f"{directory}/work"}
    if image is not None:
        from storage.errors import StorageError
        from storage.rootfs import lowers

        try:
            data["LowerDir"] = ":".join(lowers(engine.store, image))
        except StorageError:
            pass  # what is damaged is told by `system check`; a container must be told of nevertheless
    if seen.pid:
        data["MergedDir"] = f"/proc/{seen.pid}/root"
    return {"Name": "overlay", "Data": dict(sorted(data.items()))}


def sizes(engine: Engine, container: Container, image: Image | None) -> tuple[int, int]:
    """Return the bytes that the container has written, and those together with its image's."""
    from pod.containers.tree.size import written_by

    written = written_by(engine.config, container.id)
    return written, written + (image.size if image is not None else 0)
