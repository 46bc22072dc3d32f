"""`pod version`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

API_VERSION = "4.3.1"


def main(
    format: Annotated[
        str | None, Option("--format", "-f", metavar="string", help="Change the output format to JSON or a Go template")
    ] = None,
) -> None:
    """Display the pod version information."""
    client = describe()
    if not format:
        print(
            f"Client:       Pod Engine\nVersion:      {client['Version']}\nAPI Version:  {client['APIVersion']}\n"
            f"Python:       {client['PythonVersion']}\nOS/Arch:      {client['OsArch']}"
        )
        return
    from pod.cli.output import is_json, print_object

    # There is no server but the command itself, which is what podman tells too.
    told = {"Client": client} if is_json(format) else {**client, "Client": client, "Server": client}
    print_object(told, format, entity="version")


def describe() -> dict[str, Any]:
    """Return what is known of this program, with podman's names."""
    import sys
    from posix import uname

    from pod import __version__

    return {
        "APIVersion": API_VERSION,
        "Version": __version__,
        "PythonVersion": ".".join(map(str, sys.version_info[:3])),
        "GoVersion": "",
        "GitCommit": "",
        "BuiltTime": "Thu Jan  1 00:00:00 1970",
        "Built": 0,
        "OsArch": f"linux/{architecture(uname().machine)}",
        "Os": "linux",
    }


def architecture(machine: str) -> str:
    """Return Go's name for what uname(2) calls a machine."""
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}.get(machine, machine)
