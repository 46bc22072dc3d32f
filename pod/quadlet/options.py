"""Keys that several kinds have, and the flags that they become."""

from __future__ import annotations

from pod.quadlet.references import missing, require, storage_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.command import Command
    from pod.quadlet.unitfile import Entry
    from pod.quadlet.units import Unit


def add_networks(unit: Unit, command: Command) -> None:
    """Add Network=, which may name a .network or .container file."""
    for entry in unit.entries("Network"):
        command.add("--network", _network(unit, entry))


def add_volumes(unit: Unit, command: Command) -> None:
    """Add Volume=, whose source may be a .volume file or relative to the file's directory."""
    for entry in unit.entries("Volume"):
        source, colon, rest = entry.value.partition(":")
        if colon and source:
            source = storage_source(unit, source, entry=entry)
            command.add("-v", f"{source}:{rest}")
        else:
            command.add("-v", rest if colon else source)


def add_published_ports(unit: Unit, command: Command) -> None:
    """Add PublishPort=."""
    command.add_all_strings({"PublishPort": "--publish"})


def add_log(unit: Unit, command: Command) -> None:
    """Add LogDriver= and LogOpt=."""
    command.add_strings({"LogDriver": "--log-driver"})
    for option in unit.items("LogOpt"):
        command.add("--log-opt", option)


def add_podman_args(unit: Unit, command: Command) -> None:
    """Add PodmanArgs=, words for the command itself."""
    command.add(*unit.words("PodmanArgs"))


def add_user_mappings(unit: Unit, command: Command, *, manual: bool) -> None:
    """Add UserNS=, UIDMap=, GIDMap=, SubUIDMap=, SubGIDMap=, or what RemapUsers= and its like say in their place."""
    before = len(command.words)
    command.add_strings({"UserNS": "--userns"})
    for key, flag in (("UIDMap", "--uidmap"), ("GIDMap", "--gidmap")):
        for mapping in unit.items(key):
            command.add(flag, mapping)
    command.add_strings({"SubUIDMap": "--subuidname", "SubGIDMap": "--subgidname"})
    if len(command.words) == before:
        _add_remapping(unit, command, manual=manual)
        return
    for key in ("RemapUid", "RemapGid", "RemapUsers"):
        if unit.has(key):
            unit.error("deprecated Remap keys are set along with explicit mapping keys", key, hint=f"leave out {key}=")
            return


def _network(unit: Unit, entry: Entry) -> str:
    name, colon, options = entry.value.partition(":")
    if not name.endswith((".network", ".container")):
        return entry.value
    other = unit.units.find(name)
    if other is None:
        unit.error(f"requested Quadlet unit {name} was not found", entry=entry, hint=missing(unit, name))
        return entry.value
    if not other.resource_name:
        hint = "give it a ContainerName= without specifiers"
        unit.error(f"cannot get the resource name of {name}", entry=entry, hint=hint)
    require(unit, other)
    if name.endswith(".network"):
        return other.resource_name + colon + options
    if colon:
        unit.error("extra options are not supported when joining another container's network", entry=entry)
    return f"container:{other.resource_name}"


def _add_remapping(unit: Unit, command: Command, *, manual: bool) -> None:
    users, groups, how = unit.items("RemapUid"), unit.items("RemapGid"), unit.string("RemapUsers")
    if how == "manual" and manual:
        for flag, mappings in (("--uidmap", users), ("--gidmap", groups)):
            for mapping in mappings:
                command.add(flag, mapping)
    elif how == "auto":
        size = unit.string("RemapUidSize")
        options = [*(f"uidmapping={one}" for one in users), *(f"gidmapping={one}" for one in groups)]
        if size.isdecimal() and int(size):
            options.append(f"size={size}")
        elif size:
            unit.error(f"invalid RemapUidSize '{size}'", "RemapUidSize", hint="write a number")
        command.add("--userns", "auto" + (":" + ",".join(options) if options else ""))
    elif how == "keep-id":
        for key, name, mappings in (("RemapUid", "UID", users), ("RemapGid", "GID", groups)):
            if len(mappings) > 1:
                unit.error(f"RemapUsers=keep-id supports only a single value for {name} mapping", key)
        options = [*(f"uid={one}" for one in users[:1]), *(f"gid={one}" for one in groups[:1])]
        command.add("--userns", "keep-id" + (":" + ",".join(options) if options else ""))
    elif how == "manual":
        unit.error("RemapUsers=manual is not supported", "RemapUsers", hint="write auto or keep-id")
    elif how:
        hint = "write manual, auto or keep-id" if manual else "write auto or keep-id"
        unit.error(f"unsupported RemapUsers option '{how}'", "RemapUsers", hint=hint)
    else:
        for key, name in (("RemapUid", "UidMap"), ("RemapGid", "GidMap")):
            if unit.items(key):
                unit.error(f"{name} set without RemapUsers", key, hint="write RemapUsers=manual")
