"""`pod image trust show`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

# What holds where nobody has written a policy (pod/trust.py).
_NO_POLICY = b'{\n    "default": [\n        {\n            "type": "insecureAcceptAnything"\n        }\n    ]\n}\n'


def main(
    registry: Annotated[str, Argument(metavar="[REGISTRY]")] = "",
    json: Annotated[bool, Option("--json", "-j", help="Output as json")] = False,
    noheading: Annotated[bool, Option("--noheading", "-n", help="Do not print column headings")] = False,
    policypath: Annotated[
        str, Option("--policypath", metavar="string", help="Show this policy file instead of the one that counts")
    ] = "",
    raw: Annotated[bool, Option("--raw", help="Output raw policy file")] = False,
    registrypath: Annotated[
        str, Option("--registrypath", metavar="string", help="Directory of the configuration of signatures to read")
    ] = "",
) -> None:
    """Display trust policy for the system; of one registry, what decides on it."""
    import os

    from pod import config, trust
    from pod.cli import output
    from pod.settings import current
    from storage.trust import description, policy, registries_d

    settings = config.load(current)
    path = policypath or policy.find(trust.policy_files(settings)) or ""
    content = policy.read(path) if path else _NO_POLICY
    if raw:
        output.write(content.decode("utf-8", "replace").removesuffix("\n") + "\n")
        return
    directories = (registrypath,) if registrypath else trust.registries_d(settings)
    registries = registries_d.load(directories, trust.signatures(settings))
    rows = description.rows(content, path, registries, search_path=os.environ.get("PATH", os.defpath))
    if registry:
        rows = description.deciding(rows, registry)
    if json:
        output.write(output.to_json(rows, indent="  ") + "\n")
        return
    names = ("transport", "repo_name", "type", "gpg_id", "sigstore")
    header = ("TRANSPORT", "NAME", "TYPE", "ID", "STORE")
    output.print_table(header, [[row.get(name, "") for name in names] for row in rows], noheading=noheading)
