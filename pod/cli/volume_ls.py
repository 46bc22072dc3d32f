"""`pod volume ls`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Annotated

    from typer import Option

    from pod.engine import Engine
    from pod.state import Volume


def main(
    filter: Annotated[
        list[str] | None, Option("--filter", "-f", metavar="stringArray", help="Filter volume output")
    ] = None,
    format: Annotated[
        str, Option("--format", metavar="string", help="Format volume output using JSON or a Go template")
    ] = "",
    noheading: Annotated[bool, Option("--noheading", "-n", help="Do not print headers")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print volume output in quiet mode")] = False,
) -> None:
    """List volumes."""
    from pod import state
    from pod.cli import output
    from pod.containers.inspect import inspect_volume
    from pod.engine import open_engine

    engine = open_engine(write=False)
    found = state.volumes(engine.connection)
    for text in filter or []:
        test = _test(engine, text)
        found = [volume for volume in found if test(volume)]
    if quiet:
        output.write("".join(f"{volume.name}\n" for volume in found))
    elif format:
        rows = [inspect_volume(engine, volume) for volume in found]
        output.print_rows(rows, format, entity="ls", headers={"Name": "VOLUME NAME"}, noheading=noheading)
    elif found:
        rows_of_text = [["local", volume.name] for volume in found]
        output.print_table(("DRIVER", "VOLUME NAME"), rows_of_text, noheading=noheading)


def _test(engine: Engine, text: str) -> Callable[[Volume], bool]:
    from pod import state
    from pod.errors import PodError
    from pod.values import parse_bool

    key, equals, value = text.partition("=")
    if equals and key == "name":
        return lambda volume: value in volume.name
    if equals and key == "driver":
        return lambda volume: value == "local"
    if equals and key == "label":
        name, has_value, wanted = value.partition("=")
        return lambda volume: name in volume.labels and (not has_value or volume.labels[name] == wanted)
    if equals and key in ("anonymous", "dangling"):
        expected = parse_bool(value)
        if key == "anonymous":
            return lambda volume: volume.anonymous == expected
        return lambda volume: (not state.volume_users(engine.connection, volume.name)) == expected
    raise PodError(f'"{text}" is an invalid volume filter', hint="known are anonymous, dangling, driver, label, name")
