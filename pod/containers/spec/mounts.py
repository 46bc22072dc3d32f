"""The mounts of a container in its runtime spec: those that every container has, and those asked for. Pure."""

from __future__ import annotations

from pod.containers.mounts.mount import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.configuration import ContainerConfig
    from pod.containers.spec.surroundings import Surroundings

_SYSTEM = ("proc", "dev", "sys")
INIT_TARGET = "/run/podman-init"


def mounts(config: ContainerConfig, surroundings: Surroundings) -> list[dict[str, Any]]:
    """Return all mounts, in the order in which they are to be made."""
    chosen = [Mount.from_document(document) for document in config["mounts"]]
    taken = {mount.target for mount in chosen}
    own = _file_mounts(config, surroundings)
    if config["read_only"] and config["storage"]["read_only_tmpfs"]:
        own += _scratch_mounts(config["storage"]["shm_size_systemd"])
    if config["systemd"]:
        taken_so_far = {mount["destination"] for mount in own}
        own += [mount for mount in _systemd_mounts(config) if mount["destination"] not in taken_so_far]
    rest = [mount for mount in own if mount["destination"] not in taken]
    rest += [_chosen_mount(mount, surroundings) for mount in chosen]
    rest.sort(key=_depth)
    return [mount for mount in _system_mounts(config, surroundings) if mount["destination"] not in taken] + rest


def beside_system(mounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of all mounts that come after /proc, /dev, /sys and what is below these."""
    first = 0
    while first < len(mounts) and mounts[first]["destination"].split("/")[1] in _SYSTEM:
        first += 1
    return mounts[first:]


def arranged(mounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all mounts in the order in which they are to be made, when more have been appended."""
    rest = beside_system(mounts)
    return mounts[: len(mounts) - len(rest)] + sorted(rest, key=_depth)


def _depth(mount: dict[str, Any]) -> int:
    """Return what to sort by: a mount below another must come after it, whatever the order on the command line."""
    return len([name for name in mount["destination"].split("/") if name])


def _chosen_mount(mount: Mount, surroundings: Surroundings) -> dict[str, Any]:
    if mount.type in ("tmpfs", "ramfs", "devpts"):
        return {"destination": mount.target, "type": mount.type, "source": mount.type, "options": mount.options}
    # Where a source is still to be made or mounted, the monitor puts another here (mounts.sources).
    source = f"{surroundings.volumes}/{mount.source}/_data" if mount.type == "volume" else mount.source
    options = mount.options
    if "bind" not in options and "rbind" not in options:
        options = ["rbind", *options]
    if mount.type == "image":
        options = ["bind", "rprivate", "nosuid", "nodev", "rw" if mount.more["writable"] else "ro"]
    if mount.type == "volume":
        options = [*options, *(option for option in ("nosuid", "nodev") if option[2:] not in options)]
    return {"destination": mount.target, "type": "bind", "source": source, "options": options}


def _system_mounts(config: ContainerConfig, surroundings: Surroundings) -> list[dict[str, Any]]:
    namespaces = config["namespaces"]
    access = "rw" if config["security"]["privileged"] else "ro"
    mounts = [
        _mount("/proc", "proc", "proc", "nosuid,noexec,nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
        _mount("/sys", "sysfs", "sysfs", f"nosuid,noexec,nodev,{access}"),
        _mount("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
        *_cgroup_mounts(config, surroundings),
    ]
    if config["confinement"]["proc_options"]:
        mounts[0]["options"] += config["confinement"]["proc_options"]
    nested = surroundings.rootless or surroundings.id_mappings is not None
    if namespaces["pid"] == "host" and nested:
        # A fresh procfs needs a process namespace that belongs to our user namespace.
        mounts[0] = _mount("/proc", "bind", "/proc", "rbind,nosuid,noexec,nodev")
    if namespaces["network"] == "host" and nested:
        mounts[2] = _mount("/sys", "bind", "/sys", f"rbind,nosuid,noexec,nodev,{access}")
    if namespaces["ipc"] == "host":
        if surroundings.host_has_mqueue:
            mounts.append(_mount("/dev/mqueue", "bind", "/dev/mqueue", "bind,nosuid,noexec,nodev"))
        mounts.append(_mount("/dev/shm", "bind", "/dev/shm", "bind,nosuid,noexec,nodev"))
    else:
        mounts.append(_mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"))
        if surroundings.shared_memory:
            mounts.append(_mount("/dev/shm", "bind", surroundings.shared_memory, "bind,nosuid,noexec,nodev"))
        elif namespaces["ipc"] != "none":
            mounts.append(
                _mount("/dev/shm", "tmpfs", "shm", f"nosuid,noexec,nodev,mode=1777,size={config['shm_size']}")
            )
    return mounts


def _cgroup_mounts(config: ContainerConfig, surroundings: Surroundings) -> list[dict[str, Any]]:
    options = "rprivate,nosuid,noexec,nodev,relatime"
    if config["systemd"] and config["namespaces"]["cgroup"] == "host":
        # Its own part alone would not do: systemd looks where /proc/self/cgroup says that it is.
        place = surroundings.systemd_hierarchy
        whole = _mount(place, "bind", place, f"rbind,{options},rw")
        return [whole] if place == "/sys/fs/cgroup" else [_own_cgroups(f"{options},ro"), whole]
    access = "rw" if config["security"]["privileged"] or config["systemd"] else "ro"
    return [_own_cgroups(f"{options},{access}")]


def _own_cgroups(options: str) -> dict[str, Any]:
    return _mount("/sys/fs/cgroup", "cgroup", "cgroup", options)


def _file_mounts(config: ContainerConfig, surroundings: Surroundings) -> list[dict[str, Any]]:
    identity, directory = config["identity"], surroundings.files
    network = directory
    if config["namespaces"]["network"].startswith("container:"):
        # What is known of the network belongs to the container that has it.
        network = f"{directory.rpartition('/')[0].rpartition('/')[0]}/{config['namespaces']['network'][10:]}/files"
    names = {"/run/.containerenv": f"{directory}/containerenv"}
    if config["network"]["resolv_conf"] and config["namespaces"]["network"] != "none":
        names["/etc/resolv.conf"] = f"{network}/resolv.conf"
    if identity["hosts"]:
        names["/etc/hosts"] = f"{network}/hosts"
    if identity["hostname_file"]:
        names["/etc/hostname"] = f"{directory}/hostname"
    if identity["timezone"]:
        names["/etc/localtime"] = f"{directory}/localtime"
    mounts = [_mount(target, "bind", source, "bind,rprivate") for target, source in names.items()]
    for chroot in config["storage"]["chrootdirs"]:
        mounts += [
            {**mount, "destination": chroot.rstrip("/") + mount["destination"]} for mount in mounts[: len(names)]
        ]
    if config["init_path"]:
        mounts.append(_mount(INIT_TARGET, "bind", config["init_path"], "bind,ro,rprivate"))
    return mounts


def _scratch_mounts(size: int) -> list[dict[str, Any]]:
    options = "rprivate,nosuid,nodev,tmpcopyup" + (f",size={size}" if size else "")
    return [_mount(target, "tmpfs", "tmpfs", options) for target in ("/tmp", "/var/tmp", "/run")]


def _systemd_mounts(config: ContainerConfig) -> list[dict[str, Any]]:
    """Return what systemd wants to find mounted (https://systemd.io/CONTAINER_INTERFACE), and what it keeps logs in."""
    size = config["storage"]["shm_size_systemd"]
    options = "rw,rprivate,nosuid,nodev,tmpcopyup" + (f",size={size}" if size else "")
    return [_mount(target, "tmpfs", "tmpfs", options) for target in ("/run", "/run/lock", "/tmp", "/var/log/journal")]


def _mount(destination: str, kind: str, source: str, options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": options.split(",")}
