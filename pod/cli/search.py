"""`pod search`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Annotated, Any

    from typer import Argument, Option

    from pod.images.search import Hit

DESCRIPTION_WIDTH = 44


def main(
    term: Annotated[str, Argument(metavar="TERM")],
    authfile: Annotated[
        str,
        Option(
            "--authfile",
            metavar="string",
            help="Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override",
        ),
    ] = "",
    cert_dir: Annotated[
        str,
        Option("--cert-dir", metavar="Pathname", help="Pathname of a directory containing TLS certificates and keys"),
    ] = "",
    compatible: Annotated[
        bool, Option("--compatible", help="List stars, official and automated columns (Docker compatibility)")
    ] = False,
    creds: Annotated[
        str,
        Option(
            "--creds",
            metavar="Credentials",
            help="Credentials (USERNAME:PASSWORD) to use for authenticating to a registry",
        ),
    ] = "",
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
    tls_verify: Annotated[
        bool | None,
        Option("--tls-verify", help="Require HTTPS and verify certificates when contacting registries"),
    ] = None,
) -> None:
    """Search registries for a given image. Can search all the default registries or a specific registry."""
    import os
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
    if authfile and not os.path.exists(authfile):
        raise PodError(f"stat {authfile}: no such file or directory")
    options = registries.options(
        configuration.load(current), authfile=authfile, creds=creds, cert_dir=cert_dir, tls_verify=tls_verify
    )
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
