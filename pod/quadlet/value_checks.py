"""The parsers of the engine by what a value is; each raises PodError or StorageError for what is none of it.

They are imported when the first value of their kind is checked.
"""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

YES = ("1", "yes", "true", "on")
NO = ("0", "no", "false", "off")


def one_of(*known: str) -> Callable[[str], None]:
    """Return a check whether a value is one of some words."""

    def check(text: str) -> None:
        if text.lower() not in known:
            from pod.names import nearest

            near = nearest(text, list(known))
            hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
            raise PodError(f'invalid value "{text}"', hint=hint)

    return check


def boolean(text: str) -> None:
    """Check a boolean as systemd has them: what is none counts as a no without a word."""
    if text.lower() not in (*YES, *NO):
        raise PodError(f'invalid boolean "{text}"', hint="write true or false")


def integer(text: str) -> None:
    """Check a whole number."""
    if not text.removeprefix("-").isdecimal():
        raise PodError(f'invalid number "{text}"', hint="write a whole number")


def number(text: str) -> None:
    """Check a whole number that is not negative."""
    if not text.isdecimal():
        raise PodError(f'invalid number "{text}"', hint="write a whole number")


def duration(text: str) -> None:
    """Check a duration in Go's notation."""
    from pod.times import parse_duration

    try:
        parse_duration(text)
    except ValueError as error:
        raise PodError(str(error), hint="write a number and its unit: 30s, 1m30s") from None


def interval(text: str) -> None:
    """Check the time between health checks."""
    if text != "disable":
        duration(text)


def size(text: str) -> None:
    """Check a number of bytes."""
    from pod.values import parse_size

    parse_size(text)


def signal(text: str) -> None:
    """Check the name or number of a signal."""
    from pod.values import parse_signal

    parse_signal(text)


def ulimit(text: str) -> None:
    """Check a limit of processes; `host` takes over the host's."""
    from pod.values import parse_ulimit

    if text != "host":
        parse_ulimit(text)


def name(text: str) -> None:
    """Check the name of a container, pod, network or volume."""
    from pod.names import check_name

    check_name(text)


def image(text: str) -> None:
    """Check the name of an image, unless it is that of a unit, an ID, or one with a transport."""
    from storage import reference

    is_id = len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)
    if not (text.endswith((".image", ".build")) or is_id or text.startswith(("/", ".")) or _has_transport(text)):
        reference.parse(text)


def _has_transport(text: str) -> bool:
    transport = text.partition(":")[0]
    known = ("docker", "docker-archive", "docker-daemon", "oci", "oci-archive", "dir", "containers-storage", "sha256")
    return transport in known and ":" in text


def pull_policy(text: str) -> None:
    """Check when an image is pulled."""
    from pod.images.pulls import check_policy

    check_policy(text)


def auto_update_of_kube(text: str) -> None:
    """Check a policy of auto-update, of all containers or of one: `web/registry`."""
    for item in text.split():
        one_of("registry", "local")(item.rpartition("/")[2])


def published_port(text: str) -> None:
    """Check a port of the host and of the container."""
    from pod.networks import publishing

    publishing.parse(text)


def address(text: str) -> None:
    """Check an IP address."""
    from pod.networks import subnets

    try:
        subnets.normal(text)
    except ValueError:
        raise PodError(f'invalid IP address "{text}"') from None


def subnet(text: str) -> None:
    """Check a range of addresses as a subnet has it."""
    from pod.networks import subnets

    try:
        subnets.parse(text)
    except ValueError:
        raise PodError(f'invalid subnet "{text}"', hint="write ADDRESS/PREFIX: 10.89.5.0/24") from None


def address_range(text: str) -> None:
    """Check a part of a subnet: as a subnet, or from its first address to its last."""
    first, dash, last = text.partition("-")
    if not dash:
        subnet(text)
        return
    address(first)
    address(last)


def name_server(text: str) -> None:
    """Check the address of a name server."""
    from pod.networks import dns_flags

    dns_flags.parse([text], [], [])


def search_domain(text: str) -> None:
    """Check a domain in which names are looked for."""
    from pod.networks import dns_flags

    dns_flags.parse([], [text], [])


def host(text: str) -> None:
    """Check a line of /etc/hosts."""
    from pod.containers.inside.identities import add_hosts

    add_hosts([text])


def tmpfs(text: str) -> None:
    """Check a tmpfs."""
    from pod.containers.mounts.mount import parse_tmpfs

    parse_tmpfs(text)


def volume(text: str) -> None:
    """Check a mount; its source may be a unit."""
    from pod.containers.mounts.mount import parse_volume

    source, colon, rest = text.partition(":")
    parse_volume(f"unit:{rest}" if colon and source.endswith((".volume", ".artifact")) else text)


def mount(text: str) -> None:
    """Check a mount with its type; one of several paths, or of an artifact, is for the engine to judge."""
    from pod.containers.mounts.flag import parse_mount

    fields = [field for field in text.split(",") if field.partition("=")[0] not in ("source", "src")]
    if "type=glob" in fields or "type=artifact" in fields:
        return
    named = [field for field in text.split(",") if field not in fields]
    is_path = any(field.partition("=")[2].startswith(("/", ".")) for field in named)
    parse_mount(",".join([*fields, *(["source=/path" if is_path else "source=unit"] if named else [])]))


def sysctl(text: str) -> None:
    """Check a parameter of the kernel."""
    from pod.containers.namespaces import sysctls

    sysctls.parse([text])


def user_namespace(text: str) -> None:
    """Check the mode of a user namespace."""
    from pod.containers.namespaces import userns

    userns.check(text)


def id_map(text: str) -> None:
    """Check a mapping of users or groups by its form."""
    from pod.containers.namespaces import id_maps

    id_maps.read([text], "ID", None)


def capability(text: str) -> None:
    """Check the name of a capability."""
    from pod.containers.security import privileges

    privileges.capability(text)


def device(text: str) -> None:
    """Check a device, with what may be done to it; `-` in front has a missing one left out."""
    from pod.containers.devices import cdi, nodes

    if not cdi.is_name(text):
        nodes.parse(text.removeprefix("-"))


def secret(text: str) -> None:
    """Check what of a secret is wanted."""
    from pod.secrets import parse_request

    parse_request(text)


def log_driver(text: str) -> None:
    """Check the driver of logs."""
    from pod.containers.logs import options

    if text != "passthrough-tty":
        options.driver(text)


def log_option(text: str) -> None:
    """Check an option of the driver of logs."""
    from pod.containers.logs import options

    options.parse([text])
