"""`pod secret create`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    name: Annotated[str, Argument(metavar="NAME", help="The name")],
    file: Annotated[str, Argument(metavar="FILE|-", help="The file that holds the data, or - for stdin")],
    driver: Annotated[str, Option("--driver", "-d", metavar="string", help="Specify secret driver")] = "file",
    driver_opts: Annotated[
        list[str] | None,
        Option("--driver-opts", metavar="stringToString", help="Specify driver specific options"),
    ] = None,
    env: Annotated[bool, Option("--env", help="Read secret data from environment variable")] = False,
    ignore: Annotated[
        bool, Option("--ignore", help="If a secret with the same name exists, ignore and do not create a new secret")
    ] = False,
    label: Annotated[
        list[str] | None, Option("--label", "-l", metavar="stringArray", help="Specify labels on the secret")
    ] = None,
    replace: Annotated[bool, Option("--replace", help="If a secret with the same name exists, replace it")] = False,
) -> None:
    """Create a new secret."""
    from pod import events, secrets
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.values import parse_pair

    if ignore and replace:
        raise PodError("ignore and replace cannot be used together")
    options = dict(parse_pair(pair, "driver option") for item in driver_opts or [] for pair in item.split(","))
    labels = dict(parse_pair(item, "label") for item in label or [])
    data = _from_environment(file) if env else _read(file)
    engine = open_engine(write=True)
    made = secrets.create(
        engine, name, data, driver=driver, options=options, labels=labels, replace=replace, ignore=ignore
    )
    events.record(engine.config, "secret", "create", id=made.id, name=made.name)
    print(made.id)


def _from_environment(name: str) -> bytes:
    import os

    from pod.errors import PodError

    data = os.environb.get(os.fsencode(name))
    if data is None:
        raise PodError(f"cannot create store secret data: environment variable {name} is not set")
    return data


def _read(path: str) -> bytes:
    """Read a file, or stdin, no further than to see that it is too long."""
    import os
    import sys

    from pod.errors import PodError
    from pod.secrets import MOST_BYTES

    if path == "-":
        if os.isatty(0):
            raise PodError("if `-` is used, data must be passed into stdin")
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        with open(path, "rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PodError(f"open {path}: {(error.strerror or '').lower()}") from error
