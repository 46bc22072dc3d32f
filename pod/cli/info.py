"""`pod info`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

    from pod.engine import Engine
    from storage.registry.configuration import Configuration


def main(
    debug: Annotated[bool, Option("--debug", "-D", hidden=True, help="Accepted, without effect")] = False,
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Change the output format to JSON or a Go template")
    ] = "",
) -> None:
    """Display information pertaining to the host, current storage stats, and build of pod."""
    from pod.cli import output
    from pod.engine import open_engine

    told = describe(open_engine(write=False))
    if format:
        output.print_object(told, format, entity="info")
    else:
        output.write(output.to_yaml(told))


def describe(engine: Engine) -> dict[str, Any]:
    """Return what is known of host, store and program, with podman's names where they are true of pod."""
    from pod import host, registries_conf
    from pod.cli.version import describe as version
    from pod.containers.logs import options as log_options
    from pod.networks.create import DRIVERS

    return {
        "host": describe_host(engine, host),
        "plugins": {
            "authorization": None,
            "log": list(log_options.DRIVERS),
            "network": list(DRIVERS),
            "volume": ["local"],
        },
        "registries": describe_registries(registries_conf.load(engine.config)),
        "store": describe_store(engine, host),
        "version": version(),
    }


def describe_host(engine: Engine, host: Any) -> dict[str, Any]:
    """Return what is known of the machine."""
    import os

    from pod import events, systemd
    from pod.cli.version import architecture
    from pod.config import DEFAULT_CAPABILITIES
    from pod.containers import runtimes
    from pod.containers.logs import options as log_options

    machine = os.uname()
    return {
        "arch": architecture(machine.machine),
        "cgroupControllers": host.cgroup_controllers(),
        "cgroupManager": systemd.name(engine.config),
        "cgroupVersion": host.cgroup_version(),
        "conmon": monitor(),
        "cpuUtilization": host.cpu_utilization(),
        "cpus": os.cpu_count() or 1,
        "distribution": host.distribution(),
        "eventLogger": events.backend(engine.config),
        "hostname": machine.nodename,
        "idMappings": host.id_mappings(),
        "kernel": machine.release,
        "linkmode": "dynamic",
        "logDriver": log_options.default_driver(engine.config),
        **host.memory(),
        "networkBackend": "pod",
        "networkBackendInfo": network_backend(),
        "ociRuntime": runtimes.describe(engine.config),
        "os": "linux",
        "pasta": pasta(),
        "remoteSocket": {"exists": False, "path": ""},
        "security": host.security(rootless=engine.config.rootless, capabilities=list(DEFAULT_CAPABILITIES)),
        "serviceIsRemote": False,
        "uptime": host.uptime(),
    }


def describe_registries(configuration: Configuration) -> dict[str, Any]:
    """Return what registries.conf says."""
    told: dict[str, Any] = {
        one.prefix: {
            "Blocked": one.blocked,
            "Insecure": one.insecure,
            "Location": one.location,
            "MirrorByDigestOnly": one.mirror_by_digest_only,
            "Mirrors": [
                {"Insecure": mirror.insecure, "Location": mirror.location, "PullFromMirror": mirror.pull_from}
                for mirror in one.mirrors
            ]
            or None,
            "Prefix": one.prefix,
            "PullFromMirror": "",
        }
        for one in configuration.registries
    }
    if configuration.search:
        told["search"] = list(configuration.search)
    return dict(sorted(told.items()))


def monitor() -> dict[str, str]:
    """Return what watches containers: pod itself, where podman has conmon."""
    import sys

    from pod import __version__

    return {"package": "", "path": sys.executable, "version": f"pod version {__version__}"}


def network_backend() -> dict[str, Any]:
    """Return what makes networks and answers names: pod itself, where podman has netavark and aardvark-dns."""
    itself = monitor()
    return {"backend": "pod", **itself, "dns": itself}


def pasta() -> dict[str, str]:
    """Return what is known of the program that connects containers of ordinary users; empty texts if it is missing."""
    import subprocess

    from pod.networks.choice import program

    path = program("pasta")
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout if path else ""
    except OSError:
        told = ""
    return {"executable": path, "package": "", "version": told}


def describe_store(engine: Engine, host: Any) -> dict[str, Any]:
    """Return what is known of the store."""
    from pod.containers.listing import listed
    from pod.images import transports
    from storage.images import list_images

    config = engine.config
    states = [one.status.state for one in listed(engine)]
    running, paused = states.count("running"), states.count("paused")
    allocated, used = host.space(config.graphroot)
    return {
        "configFile": "",
        "containerStore": {
            "number": len(states),
            "paused": paused,
            "running": running,
            "stopped": len(states) - running - paused,
        },
        "graphDriverName": "overlay",
        "graphOptions": {},
        "graphRoot": config.graphroot,
        "graphRootAllocated": allocated,
        "graphRootUsed": used,
        "graphStatus": {
            "Backing Filesystem": host.backing_filesystem(config.graphroot),
            "Native Overlay Diff": "true",
            "Supports d_type": "true",
            "Using metacopy": "false",
        },
        "imageCopyTmpDir": transports.temporary_directory(config),
        "imageStore": {"number": len(list_images(engine.store))},
        "runRoot": config.runroot,
        "volumePath": f"{config.graphroot}/volumes",
    }
