"""`pod search`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Annotated, Any

    from typer import Argument, Option

    from pod.images.search import Hit

SHARED = ("pod.cli.flags.credentials", "pod.cli.flags.access")
DESCRIPTION_WIDTH = 44


class Asked:
    """What the flags of the shared groups come to."""

    def __init__(self) -> None:
        self.registry: dict[str, Any] = {}


def main(
    term: Annotated[str, Argument(metavar="TERM")],
    compatible: Annotated[
        bool, Option("--compatible", help="List stars, official and automated columns (Docker compatibility)")
    ] = False,
    filter: Annotated[
        list[str] | None,
        Option("--filter", "-f", metavar="strings", help="Filter output based on conditions provided (default [])"),
    ] = None,
    format: Annotated[
        str, Option("--format", metavar="string", help="Change the output format to JSON or a Go template")
    ] = "",
    limit: Annotated[int, Option("--limit", metavar="int", help="Limit the number of results")] = 0,
    list_tags: Annotated[bool, Option("--list-tags", help="List the tags of the input registry")] = False,
    no_trunc: Annotated[bool, Option("--no-trunc", help="Do not truncate the output")] = False,
    **flags: Any,
) -> None:
    """Search registries for a given image. Can search all the default registries or a specific registry."""
    import sys

    from pod import config as configuration
    from pod import registries
    from pod.cli import output
    from pod.errors import PodError
    from pod.images import search
    from pod.settings import current

    if list_tags and filter:
        raise PodError("filters are not applicable to list tags result")
    filters = search.parse_filters([one for text in filter or () for one in text.split(",")])
    asked = Asked()
    groups.apply(SHARED, flags, asked)
    options = registries.options(configuration.load(current), **asked.registry)
    limit = limit if limit > 0 else search.LIMIT
    if list_tags:
        hits = search.tags(term, limit, options)
    else:
        if "/" not in term and not options.configuration.searched:
            place = options.configuration.search_origin or options.configuration.places
            print(f"Warning: no unqualified-search registries are defined in {place}", file=sys.stderr)
        hits = search.search(term, filters, limit, options)
    if not hits:
        return
    width = 0 if no_trunc or output.is_json(format) else DESCRIPTION_WIDTH
    rows = [row(hit, width) for hit in hits]
    if list_tags and output.is_json(format):
        output.write(output.to_json(by_name(rows)) + "\n")
    elif format:
        output.print_rows(rows, format, entity="search")
    else:
        fields = columns(list_tags=list_tags, compatible=compatible)
        output.print_table([field.upper() for field in fields], [[str(one[field]) for field in fields] for one in rows])


def columns(*, list_tags: bool, compatible: bool) -> Sequence[str]:
    """Return the fields that are told without --format."""
    if list_tags:
        return ("Name", "Tag")
    return ("Name", "Description", *(("Stars", "Official", "Automated") if compatible else ()))


def row(hit: Hit, width: int) -> dict[str, Any]:
    """Return what templates may ask of a hit; a description that is longer than a width is cut, if there is one."""
    description = hit.found.description
    if width and len(description) > width:
        description = description[:width].strip() + "..."
    return {
        "Index": hit.index,
        "Name": hit.name,
        "Description": description,
        "Stars": hit.found.stars,
        "Official": "[OK]" if hit.found.official else "",
        "Automated": "[OK]" if hit.found.automated else "",
        "Tag": hit.tag,
    }


def by_name(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each image with all of its tags."""
    tags: dict[str, list[str]] = {}
    for one in rows:
        tags.setdefault(one["Name"], []).append(one["Tag"])
    return [{"Name": name, "Tags": listed} for name, listed in tags.items()]
