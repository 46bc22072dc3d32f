"""`pod image trust set`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

_TYPES = {"accept": "insecureAcceptAnything"} | {
    kind: kind for kind in ("insecureAcceptAnything", "reject", "signedBy", "sigstoreSigned")
}
_BY_KEY = ("signedBy", "sigstoreSigned")


def main(
    registry: Annotated[str, Argument(metavar="REGISTRY")],
    policypath: Annotated[
        str, Option("--policypath", metavar="string", help="Change this policy file instead of the one that counts")
    ] = "",
    pubkeysfile: Annotated[
        list[str] | None,
        Option(
            "--pubkeysfile",
            "-f",
            metavar="strings",
            help="Path of a file of public keys that must have signed; may be given several times, and all count",
        ),
    ] = None,
    type: Annotated[
        str,
        Option("--type", "-t", metavar="string", help="Trust type: signedBy, sigstoreSigned, accept or reject"),
    ] = "signedBy",
) -> None:
    """Set default trust policy (REGISTRY is `default`) or add a new trust policy for a registry."""
    from pod import config, trust
    from pod.errors import PodError
    from pod.settings import current
    from storage.trust import editing, policy

    keys = [path for one in pubkeysfile or () for path in one.split(",")]
    if not registry or "://" in registry or any(letter.isspace() or not letter.isprintable() for letter in registry):
        raise PodError(f"invalid image uri: {registry!r}", hint="a registry is written docker.io, or docker.io/library")
    if type not in _TYPES:
        raise PodError(
            f"invalid choice: {type} (choose from 'accept', 'reject', 'signedBy', 'sigstoreSigned')",
        )
    if keys and type not in _BY_KEY:
        raise PodError(f"{len(keys)} public keys unexpectedly provided for trust type {type}")
    if not keys and type in _BY_KEY:
        raise PodError(f"at least one public key must be defined for type '{type}'", hint="--pubkeysfile names it")
    for key in keys:
        policy.read(key)
    wanted = editing.requirements(_TYPES[type], keys)
    trust.change_policy(config.load(current), registry, wanted, path=policypath)
