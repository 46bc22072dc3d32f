"""`pod doctor`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option


def main(
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Change the output format to JSON or a Go template")
    ] = "",
) -> int:
    """Check whether this machine is fit for containers; say how to mend what is not."""
    from pod import config
    from pod.cli import output
    from pod.doctor.examination import examine
    from pod.doctor.finding import FAIL
    from pod.settings import current

    found = examine(config.load(current))
    if format:
        rows = [{"Name": one.name, "Status": one.status, "Message": one.message, "Fix": one.fix} for one in found]
        output.print_rows(rows, format, entity="doctor")
    else:
        width = max(len(one.name) for one in found)
        for one in found:
            print(f"{one.status:<4}  {one.name:<{width}}  {one.message}")
            if one.fix:
                print(f"{'':{width + 8}}mend: {one.fix}")
        failed = sum(one.status == FAIL for one in found)
        print(f"{failed} to mend before containers work" if failed else "fit for containers")
    return 1 if any(one.status == FAIL for one in found) else 0
