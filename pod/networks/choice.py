"""Which network a new container gets: what the flags, containers.conf and the user's privileges come to."""

from __future__ import annotations

import posix

from pod import environ
from pod.containers.inside.files import has_way_out
from pod.errors import PodError
from pod.networks import flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config
    from pod.containers.configuration import NetworkSettings
    from pod.containers.create import CreateOptions
    from pod.engine import Engine

TUN = "/dev/net/tun"
NO_PASTA = (
    "could not find pasta, the network namespace can't be configured:"
    ' exec: "pasta": executable file not found in $PATH'
)
_WITHOUT_PORTS = ("none", "host", "container", "ns")


def settle(engine: Engine, options: CreateOptions) -> str:
    """Return the mode of a new container's network, and note in `options` on which networks it is to be.

    Raises PodError for what makes no sense together.
    """
    request = options.network or flags.NetworkRequest()
    if not request.words and options.namespaces["network"]:
        request.words = [options.namespaces["network"]]
    wanted = flags.parse(request, str(engine.config.containers.get("netns") or "private"))
    mode = wanted.mode
    if mode == "private":
        if engine.config.network:
            from pod.networks.settings import check_rootless_command

            check_rootless_command(engine.config.network)
        mode = default_mode(engine.config)
        if mode != "bridge" and wanted.networks:
            raise PodError(
                "networks and static ip/mac address can only be used with Bridge mode networking: invalid argument",
                hint="say --network bridge, too",
            )
        # Who said nothing of networks may well need none.
        if mode == "pasta" and not (request.ports or request.settings) and (obstacle := pasta_obstacle()):
            options.warnings.append(f"WARNING: the container has no network but its loopback: {obstacle}")
            mode = "none"
    if mode == "bridge":
        options.networks = wanted.networks
    if mode == "pasta" and not engine.config.rootless:
        _check_nested()
    said = request.settings
    kind = mode.partition(":")[0]
    if said.get("dns_servers") and kind in ("none", "container"):
        raise PodError(f"conflicting options: dns and the network mode: {kind}")
    if wanted.pasta:
        options.network = request
        said["pasta"] = wanted.pasta
    return mode


def _check_nested() -> None:
    """Raise PodError for root of the host: pasta then becomes nobody, who cannot open root's namespaces."""
    from runtime.process import in_user_namespace

    if not in_user_namespace():
        raise PodError("pasta networking is only supported for rootless mode or when inside a nested userns")


def default_mode(config: Config) -> str:
    """Return the mode of a container that has a network of its own: as root a bridge, else pasta."""
    return "pasta" if config.rootless else "bridge"


def pasta_obstacle() -> str:
    """Return what keeps pasta(1) from connecting containers of this machine, and what mends it; empty if nothing."""
    if not program("pasta"):
        return "pasta is not installed (it is in the package passt)"
    if not posix.access(TUN, posix.R_OK | posix.W_OK):
        return f"not everybody may open {TUN} ({tun_mend(TUN)})"
    if not has_way_out():
        return "the host has no default route"
    return ""


def tun_mend(device: str) -> str:
    """Return the line by which everybody may open the device that pasta needs."""
    return f"sudo modprobe tun; sudo chmod 666 {device}"


def program(name: str) -> str:
    """Return the path of a program that the user may execute, empty if there is none."""
    directories = environ.value("PATH") or "/usr/local/bin:/usr/bin:/bin"
    paths = (f"{directory}/{name}" for directory in directories.split(":") if directory)
    return next((path for path in paths if posix.access(path, posix.X_OK)), "")


def publish(
    options: CreateOptions, mode: str, image_ports: dict[str, Any]
) -> tuple[list[dict[str, Any]], NetworkSettings]:
    """Return what the host passes on, and the settings of the network; a warning tells of what has no effect."""
    from pod.containers.configuration import DEFAULTS
    from pod.networks import publishing

    request = options.network or flags.NetworkRequest()
    settings: NetworkSettings = DEFAULTS["network"] | request.settings
    expose = [*(publishing.exposed(text) for text in image_ports), *request.expose]
    settings["expose"] = sorted(
        {f"{port}/{protocol}" for first, count, protocol in expose for port in range(first, first + count)}
    )
    if mode.partition(":")[0] in _WITHOUT_PORTS:
        if request.ports:
            options.warnings.append(
                "Port mappings have been discarded as one of the Host, Container, Pod, and None network modes are in"
                " use"
            )
        return [], settings
    if not (request.ports or settings["publish_all"]):
        return [], settings
    return publishing.settle(request.ports, expose, publish_all=settings["publish_all"]), settings
