"""IP forwarding: networks that lead outwards need the host to pass packets on. It is switched on for them, and said."""

from __future__ import annotations

import sys

from pod.networks import devices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.networks.network import Attachment


def announce(places: list[Attachment]) -> None:
    """Let this host pass packets on, if a container on these networks needs that, and tell the user if it did not."""
    done = switch_on(places)
    if done:
        names = " and ".join(f"{name}=1" for name in done)
        sys.stderr.write(f"The host passes packets on from now on, for containers on networks: {names}\n")
        sys.stderr.flush()


def switch_on(places: list[Attachment]) -> list[str]:
    """Let the host pass packets on, if these networks lead outwards; return what was switched on."""
    done = []
    outward = [place.network for place in places if place.network.is_managed and not place.network.internal]
    subnets = [subnet["subnet"] for network in outward for subnet in network.subnets]
    for name, wanted in (
        ("ipv4/ip_forward", any(":" not in subnet for subnet in subnets)),
        ("ipv6/conf/all/forwarding", any(":" in subnet for subnet in subnets)),
    ):
        if not wanted:
            continue
        try:
            with open(f"/proc/sys/net/{name}", encoding="ascii") as file:
                if file.read().strip() != "0":
                    continue
        except FileNotFoundError:
            continue
        devices.set_parameter(name, "1")
        done.append("net." + name.replace("/", "."))
    return done
