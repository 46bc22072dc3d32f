"""`pod system df`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

    from pod.disk_usage import ContainerUsage, ImageUsage, Summary, Usage

TITLES = (("TYPE", "Type"), ("TOTAL", "Total"), ("ACTIVE", "Active"), ("SIZE", "Size"), ("RECLAIMABLE", "Reclaimable"))


def main(
    format: Annotated[
        str, Option("--format", metavar="string", help="Pretty-print the usage using a Go template, or json")
    ] = "",
    verbose: Annotated[bool, Option("--verbose", "-v", help="Show detailed information on disk usage")] = False,
) -> None:
    """Show pod disk usage."""
    from pod import disk_usage
    from pod.cli import output
    from pod.engine import open_engine
    from pod.errors import PodError

    if format and verbose:
        raise PodError("cannot combine --format and --verbose flags")
    usage = disk_usage.measure(open_engine(write=True))
    if verbose:
        show_details(usage)
        return
    rows = [row_of(one) for one in usage.summaries()]
    if format:
        output.print_rows(rows, format, entity="df", objects=rows)
    else:
        output.print_table([title for title, _ in TITLES], [[str(row[field]) for _, field in TITLES] for row in rows])


def row_of(summary: Summary) -> dict[str, Any]:
    """Return one kind of object, with podman's names."""
    from pod.cli.output import human_size

    percent = round(100 * summary.reclaimable / summary.size) if summary.size else 0
    return {
        "Type": summary.kind,
        "Total": summary.total,
        "Active": summary.active,
        "RawSize": summary.size,
        "RawReclaimable": summary.reclaimable,
        "TotalCount": summary.total,
        "Size": human_size(summary.size),
        "Reclaimable": f"{human_size(summary.reclaimable)} ({percent}%)",
    }


def show_details(usage: Usage) -> None:
    """Print every image, container and volume."""
    from pod.cli.output import human_size, print_table, write

    write("Images space usage:\n\n")
    header = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"]
    print_table(header, [row for one in usage.images for row in image_rows(one)])
    write("\nContainers space usage:\n\n")
    header = ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"]
    print_table(header, [container_row(one) for one in usage.containers])
    write("\nLocal Volumes space usage:\n\n")
    rows = [[one.volume.name, str(one.links), human_size(one.size)] for one in usage.volumes]
    print_table(["VOLUME NAME", "LINKS", "SIZE"], rows)


def image_rows(usage: ImageUsage) -> list[list[str]]:
    """Return a line for each name of an image."""
    from time import time

    from pod.cli.output import duration, human_size

    image = usage.image
    rest = [
        image.id[:12],
        duration(time() - image.created),
        human_size(usage.size),
        human_size(usage.shared),
        human_size(usage.unique),
        str(usage.containers),
    ]
    names = [name.rpartition(":") for name in image.names if "@" not in name]
    return [[repository, tag, *rest] for repository, _, tag in names] or [["<none>", "<none>", *rest]]


def container_row(usage: ContainerUsage) -> list[str]:
    """Return the line of a container."""
    from time import time

    from pod.cli.output import duration, human_size

    container = usage.container
    command = " ".join(container.config["entrypoint"] + container.config["command"])
    return [
        container.id[:12],
        container.image[:12],
        command,
        str(usage.volumes),
        human_size(usage.size),
        duration(time() - container.created),
        usage.status.state,
        container.name,
    ]
