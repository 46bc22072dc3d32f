"""`pod completion`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

SHELLS = ("bash", "zsh", "fish", "powershell")


def main(
    shell: Annotated[str, Argument(metavar="{bash|zsh|fish|powershell}")],
    file: Annotated[str, Option("--file", "-f", metavar="string", help="Output the completion to file")] = "",
    no_desc: Annotated[bool, Option("--no-desc", help="Don't include descriptions in the completion output")] = False,
) -> None:
    """Generate shell autocompletions."""
    from pod.cli.app import COMPLETE_VARIABLE
    from pod.errors import PodError

    if shell not in SHELLS:
        raise PodError(f'invalid argument "{shell}" for "pod completion"', hint=f"known shells are {', '.join(SHELLS)}")
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(prog_name="pod", complete_var=COMPLETE_VARIABLE, shell=shell)
    if not file:
        print(script)
        return
    with open(file, "w", encoding="utf-8") as output:
        output.write(script + "\n")
