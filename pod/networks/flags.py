"""What --network, --ip, --ip6, --mac-address and --network-alias say, with podman's words for what makes no sense.

Source: podman-run(1), --network.
"""

from __future__ import annotations

from pod.errors import PodError
from pod.networks import subnets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.networks.network import Place

_INVALID = "invalid argument"
_MODES = ("none", "host", "private", "default", "pasta", "bridge", "container", "ns")


class NetworkRequest:
    """What a command line says of networks, as far as it has been read."""

    def __init__(self) -> None:
        self.words: list[str] = []  # of --network
        self.addresses: list[tuple[str, str]] = []  # the flag, the address
        self.mac = ""
        self.aliases: list[str] = []
        self.ports: list[dict[str, Any]] = []  # see pod.networks.publishing
        self.expose: list[tuple[int, int, str]] = []  # first, how many, protocol
        self.settings: dict[str, Any] = {}  # keys of configuration.NetworkSettings


class Wanted:
    """What it comes to: the mode, the networks of a bridge (empty for the default one), the options of pasta."""

    __slots__ = ("mode", "networks", "pasta")

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.networks: list[tuple[str, Place]] = []
        self.pasta: list[str] = []


def parse(request: NetworkRequest, default: str = "private") -> Wanted:
    """Return what a request comes to; `default` is what holds without --network."""
    words = request.words or [default]
    found = _first(words[0])
    if words[1:] and found.mode != "bridge":
        raise PodError(
            f"cannot set multiple networks without bridge network mode, selected mode {found.mode.partition(':')[0]}:"
            f" {_INVALID}"
        )
    for word in words[1:]:
        name = word.partition(":")[0]
        if not name:
            raise PodError(f"network name cannot be empty: {_INVALID}")
        if name in _MODES and name != "bridge":
            raise PodError(f"can only set extra network names, selected mode {name} conflicts with bridge: {_INVALID}")
        found.networks.append(_network(word))
    _place(found, request)
    return found


def _first(word: str) -> Wanted:
    mode, colon, value = word.partition(":")
    if mode in ("", "private", "default") and not colon:
        return Wanted("private")
    if mode in ("none", "host") and not colon:
        return Wanted(mode)
    if mode == "slirp4netns":
        raise PodError(
            "slirp4netns is not supported: it has been removed: invalid argument",
            hint="pasta takes its place: --network pasta",
        )
    if mode == "pasta":
        found = Wanted("pasta")
        found.pasta = [option for option in value.split(",") if option]
        return found
    if mode == "container":
        if not value:
            raise PodError("must provide name or ID of a container when specifying container network mode: " + _INVALID)
        return Wanted(word)
    if mode == "ns":
        if not value:
            raise PodError("invalid config provided: namespace mode path requires a value")
        return Wanted(word)
    found = Wanted("bridge")
    found.networks = [_network(word)] if colon else [_network(name) for name in word.split(",")]
    return found


def _network(word: str) -> tuple[str, Place]:
    """Return name and place of NAME[:OPTION=VALUE,…]; the name is empty for the default network."""
    name, _, text = word.partition(":")
    try:
        return "" if name == "bridge" else name, _place_of(text)
    except PodError as error:
        if name == "bridge":
            raise
        raise PodError(f"invalid option for network {name}: {error}", hint=error.hint) from None


def _place_of(text: str) -> Place:
    place: Place = {"interface": "", "aliases": [], "addresses": [], "mac": ""}
    for option in text.split(",") if text else ():
        key, _, value = option.partition("=")
        if key in ("ip", "ip6"):
            place["addresses"].append(_address(value, f'invalid ip address "{value}"'))
        elif key == "mac":
            place["mac"] = mac(value)
        elif key in ("alias", "interface_name"):
            if not value:
                raise PodError(f"{key} cannot be empty")
            if key == "alias":
                place["aliases"].append(value)
            else:
                place["interface"] = interface(value)
        else:
            raise PodError(f"unknown bridge network option: {key}")
    return place


def interface(name: str) -> str:
    """Return the name of an interface. Raises PodError for one that the kernel would not take."""
    if len(name.encode()) > 15 or name in (".", "..", "lo") or "/" in name or any(map(str.isspace, name)):
        raise PodError(f"invalid interface name {name!r}", hint="at most 15 bytes, without blanks and slashes")
    return name


def _address(text: str, message: str) -> str:
    try:
        return subnets.normal(text)
    except ValueError:
        raise PodError(message) from None


def mac(text: str) -> str:
    """Return an Ethernet address as usually written. Raises PodError."""
    digits = text.replace("-", ":").split(":")
    if len(digits) != 6 or any(len(one) != 2 or one.strip("0123456789abcdefABCDEF") for one in digits):
        raise PodError(f"address {text}: invalid MAC address")
    if int(digits[0], 16) & 1:
        raise PodError(f"address {text}: invalid MAC address", hint="its first byte must be even: this is a group's")
    return ":".join(digits).lower()


def _place(found: Wanted, request: NetworkRequest) -> None:
    """Note what --ip and the like say of the one network, or of all."""
    said = [flag for flag, _ in request.addresses]
    said += ["--mac-address"] if request.mac else []
    said += ["--network-alias"] if request.aliases else []
    for flag in said:
        if found.mode not in ("bridge", "private"):
            raise PodError(f"{flag} can only be set when the network mode is bridge: {_INVALID}")
        if flag != "--network-alias" and len(found.networks) > 1:
            raise PodError(f"{flag} can only be set for a single network: {_INVALID}")
    if said and not found.networks:
        found.networks.append(_network(""))
    for _, place in found.networks:
        place["addresses"] += [_address(text, f'"{text}" is not an ip address') for _, text in request.addresses]
        place["mac"] = mac(request.mac) if request.mac else place["mac"]
        place["aliases"] = [*place["aliases"], *request.aliases]


def place(*, aliases: list[str], addresses: dict[str, str], mac_address: str) -> Place:
    """Return the place of a container that `network connect` asks for; `addresses` by flag, empty for none."""
    found: Place = {"interface": "", "aliases": [], "addresses": [], "mac": mac(mac_address) if mac_address else ""}
    found["aliases"] = [alias for text in aliases for alias in text.split(",") if alias]
    for flag, text in addresses.items():
        if text:
            message = f'invalid argument "{text}" for "{flag}" flag: failed to parse IP: "{text}"'
            found["addresses"].append(_address(text, message))
    return found
