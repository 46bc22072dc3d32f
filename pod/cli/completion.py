"""`pod completion`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

SHELLS = {"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "ps1"}


def main(
    shell: Annotated[str, Argument(metavar="{bash|zsh|fish|powershell}")],
    file: Annotated[str, Option("--file", "-f", metavar="string", help="Output the completion to file")] = "",
    no_desc: Annotated[bool, Option("--no-desc", help="Don't include descriptions in the completion output")] = False,
) -> None:
    """Generate shell autocompletions."""
    from importlib.resources import files

    from pod.errors import PodError

    if shell not in SHELLS:
        raise PodError(f'invalid argument "{shell}" for "pod completion"', hint=f"known shells are {', '.join(SHELLS)}")
    script = files("pod.completion").joinpath(f"scripts/pod.{SHELLS[shell]}").read_text(encoding="utf-8")
    script = script.replace("@NO_DESC@ ", "--no-desc " if no_desc else "")
    if not file:
        print(script, end="")
        return
    with open(file, "w", encoding="utf-8") as output:
        output.write(script)
