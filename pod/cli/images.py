"""`pod images`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Annotated, Any

    from typer import Argument, Option

    from storage.images import Image
    from storage.store import Store

SORT_FIELDS = ("created", "id", "repository", "size", "tag")
NONE = "<none>"
HEADERS = {"ID": "IMAGE ID", "Id": "IMAGE ID"}


def main(
    image: Annotated[str, Argument(metavar="[IMAGE]")] = "",
    all: Annotated[bool, Option("--all", "-a", help="Show all images (default hides intermediate images)")] = False,
    digests: Annotated[bool, Option("--digests", help="Show digests")] = False,
    filter: Annotated[
        list[str] | None,
        Option("--filter", "-f", metavar="strings", help="Filter output based on conditions provided"),
    ] = None,
    format: Annotated[
        str, Option("--format", metavar="string", help="Change the output format to JSON or a Go template")
    ] = "",
    history: Annotated[bool, Option("--history", help="Display the image name history")] = False,
    no_trunc: Annotated[bool, Option("--no-trunc", "--notruncate", help="Do not truncate output")] = False,
    noheading: Annotated[bool, Option("--noheading", "-n", help="Do not print column headings")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Display only image IDs")] = False,
    sort: Annotated[
        str, Option("--sort", metavar="string", help="Sort by id, repository, size, tag, created")
    ] = "created",
) -> None:
    """Lists images previously pulled to the system or created on the system."""
    from pod.cli import output
    from pod.engine import open_engine
    from pod.errors import PodError
    from storage import images, lists

    if image and filter:
        raise PodError("cannot specify an image and a filter(s)")
    if sort not in SORT_FIELDS:
        raise PodError(f'"{sort}" is not a valid field for sorting. Choose from: {", ".join(SORT_FIELDS)}')
    store = open_engine(write=False).store
    stored = images.list_images(store)
    found = stored + lists.as_images(store)
    if filter:
        from pod.images.filters import chosen

        found = chosen(store, found, filter)
    rows = [row for one in found for row in named_rows(store, one, no_trunc=no_trunc)]
    if image:
        rows = wanted_rows(store, rows, image)
    rows.sort(key=sort_key(sort))
    if quiet and not output.is_json(format):
        output.write("".join(f"{line}\n" for line in dict.fromkeys(row["ID"] for row in rows)))
    elif format:
        tell_parents(rows, stored)
        output.print_rows(
            rows,
            format,
            entity="images",
            headers=HEADERS,
            noheading=noheading,
            objects=[json_object(row) for row in rows] if output.is_json(format) else None,
        )
    else:
        titles = [("REPOSITORY", "Repository"), ("TAG", "Tag"), *([("DIGEST", "Digest")] if digests else [])]
        titles += [("IMAGE ID", "ID"), ("CREATED", "Created"), ("SIZE", "Size")]
        titles += [("HISTORY", "History")] if history else []
        titles += [("R/O", "ReadOnly")] if any(row.image.readonly for row in rows) else []
        output.print_table(
            [title for title, _ in titles],
            [[_cell(row[field]) for _, field in titles] for row in rows],
            noheading=noheading,
        )


def _cell(value: Any) -> str:
    if callable(value):
        return str(value())
    return str(value).lower() if isinstance(value, bool) else str(value)


class Row(dict[str, "Any"]):
    """A line of the list: the fields that templates may ask for, and the image itself."""

    def __init__(self, image: Image) -> None:
        super().__init__()
        self.image = image


def named_rows(store: Store, image: Image, *, no_trunc: bool) -> list[Row]:
    """Return a row for each name of an image, or one for an image without a name."""
    return [row(store, image, name, no_trunc=no_trunc) for name in image.names or ("",)]


def row(store: Store, image: Image, name: str, *, no_trunc: bool) -> Row:
    """Return what templates may ask of one name of an image; what costs time is made when asked for."""
    from pod.cli import output

    repository, tag = split(name)
    result = Row(image)
    result |= {
        "ID": f"sha256:{image.id}" if no_trunc else image.id[:12],
        "Id": image.id,
        "Repository": repository,
        "Tag": tag,
        "Digest": image.digest,
        "Names": list(image.names),
        "RepoTags": list(image.names),
        "RepoDigests": lambda: list(image.repo_digests),
        "Created": lambda: output.age(image.created),
        "CreatedSince": lambda: output.age(image.created),
        "CreatedAt": lambda: moment(image.created),
        "CreatedTime": lambda: moment(image.created),
        "Size": output.size(image.size),
        "VirtualSize": image.size,
        "SharedSize": 0,
        "Labels": lambda: labels(image),
        "Containers": lambda: used(store, image),
        "Dangling": not image.names,
        "ReadOnly": image.readonly,
        "History": ", ".join(reversed(image.names)),
    }
    return result


def tell_parents(rows: list[Row], stored: list[Image]) -> None:
    """Have the rows tell which images theirs were made of."""
    from functools import partial

    from pod.images.ancestry import Ancestry

    ancestry = Ancestry.among(stored)
    for one in rows:
        one["ParentId"] = partial(ancestry.parent, one.image)


def json_object(row: Row) -> dict[str, Any]:
    """Return what `--format json` prints for a row."""
    from pod.template.values import Time

    image = row.image
    return {
        "Id": image.id,
        "ParentId": row["ParentId"](),
        "RepoTags": None,
        "RepoDigests": list(image.repo_digests),
        "Size": image.size,
        "SharedSize": 0,
        "VirtualSize": image.size,
        "Labels": labels(image) or None,
        "Containers": row["Containers"](),
        **({"ReadOnly": True} if image.readonly else {}),
        **({} if image.names else {"Dangling": True}),
        "Names": list(image.names),
        "Digest": image.digest,
        "History": list(reversed(image.names)),
        "Created": int(image.created),
        "CreatedAt": Time(int(image.created)),
    }


def split(name: str) -> tuple[str, str]:
    """Return repository and tag as the columns show them."""
    from storage.images import repository

    if not name:
        return NONE, NONE
    base = repository(name)
    tag = name[len(base) + 1 :]
    return base, NONE if "@" in name else tag


def moment(seconds: float) -> str:
    """Return a time as Go prints it, to the second."""
    from pod.template.values import Time

    return str(Time(int(seconds)))


def labels(image: Image) -> dict[str, Any]:
    """Return the labels of an image."""
    from pod.template.values import Map, NilMap
    from runtime.jsontext import loads

    found = (loads(image.config).get("config") or {}).get("Labels")
    return Map(found) if found else NilMap()


def used(store: Store, image: Image) -> int:
    """Return how many containers have the image."""
    from storage.images import pins

    return len(pins(store, image.id))


def wanted_rows(store: Store, rows: list[Row], text: str) -> list[Row]:
    """Return the rows of a repository, of a name, or of the image that a text stands for."""
    from pod.images.filters import matches
    from storage import images, lists
    from storage.errors import ImageNotFoundError

    named = [row for row in rows if row["Repository"] != NONE and matches(full_name(row), text)]
    if named:
        return named
    try:
        known = lists.known(store, text)
        image_id, name = (known[0].id, known[1]) if known is not None else images.find(store, text)
    except ImageNotFoundError:
        return []
    return [row for row in rows if row["Id"] == image_id and name in (None, full_name(row))]


def full_name(row: Row) -> str:
    """Return the name that a row is about."""
    return f"{row['Repository']}:{row['Tag']}" if row["Tag"] != NONE else str(row["Repository"])


def sort_key(field: str) -> Callable[[Row], Any]:
    """Return how rows are sorted: the newest first, the rest from the smallest."""
    keys: dict[str, Callable[[Row], Any]] = {
        "created": lambda row: -row.image.created,
        "id": lambda row: row["Id"],
        "repository": lambda row: row["Repository"],
        "size": lambda row: row.image.size,
        "tag": lambda row: row["Tag"],
    }
    return keys[field]
