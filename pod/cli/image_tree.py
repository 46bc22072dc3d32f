"""`pod image tree`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Annotated

    from typer import Argument, Option

    from pod.images.tree import Node


def main(
    image: Annotated[str, Argument(metavar="IMAGE")],
    whatrequires: Annotated[
        bool, Option("--whatrequires", help="Show all child images and layers of the specified image")
    ] = False,
) -> None:
    """Prints layer hierarchy of an image in a tree format."""
    from pod.cli import output
    from pod.engine import open_engine
    from pod.images import tree
    from storage import images

    store = open_engine(write=False).store
    found = images.resolve(store, image)
    lines = [f"Image ID: {found.id[:12]}", f"Tags:     [{' '.join(found.names)}]"]
    lines += [f"Size:     {output.human_size(found.size)}"]
    if not found.layers:
        lines.append("No Image Layers")
    elif whatrequires:
        lines += ["Image Layers", *branches(tree.requiring(store, found))]
    else:
        lines += ["Image Layers", *branches(tree.layers(store, found))]
    output.write("".join(f"{line}\n" for line in lines))


def branches(nodes: Sequence[Node], indent: str = "") -> Iterator[str]:
    """Yield a line for each layer: one alone above another follows it, several are under it."""
    from pod.cli.output import human_size

    pending = list(nodes)
    while pending:
        node = pending.pop(0)
        if len(node.above) == 1:
            pending.insert(0, node.above[0])
        tags = f" Top Layer of: [{' '.join(node.tags)}]" if node.tags else ""
        yield f"{indent}{'├── ' if pending else '└── '}ID: {node.id[:12]} Size: {human_size(node.size)}{tags}"
        if len(node.above) > 1:
            yield from branches(node.above, indent + ("│   " if pending else "    "))
