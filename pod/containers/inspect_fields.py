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


def network_settings() -> dict[str, Any]:
    """Return NetworkSettings of a container that has no network of its own but the loopback device."""
    return {
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": "",
        "Bridge": "",
        "SandboxID": "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": {},
        "SandboxKey": "",
        "Networks": {},
    }


def host_config() -> dict[str, Any]:
    """Return what HostConfig has for Docker's sake, and for what other fields do not say."""
    return {
        "VolumeDriver": "",
        "VolumesFrom": None,
        "Dns": [],
        "DnsOptions": [],
        "DnsSearch": [],
        "Links": None,
        "PublishAllPorts": False,
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
    from pod.containers.tree_size import written_by

    written = written_by(engine.config, container.id)
    return written, written + (image.size if image is not None else 0)
