"""`pod generate systemd`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.engine import Engine
    from pod.unit_files.text import Unit, Wishes

_POLICIES = ("no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always")
_HINT = """
DEPRECATED command:
It is recommended to use Quadlets for running containers and pods under systemd.

Please refer to podman-systemd.unit(5) for details."""


def main(
    name_or_id: Annotated[str, Argument(metavar="{CONTAINER|POD}", help="Name or ID")],
    after: Annotated[
        list[str] | None,
        Option("--after", metavar="stringArray", help="Add dependencies order to the generated unit file"),
    ] = None,
    container_prefix: Annotated[
        str, Option("--container-prefix", metavar="string", help="Systemd unit name prefix for containers")
    ] = "container",
    env: Annotated[
        list[str] | None,
        Option("--env", "-e", metavar="stringArray", help="Set environment variables to the systemd unit files"),
    ] = None,
    files: Annotated[
        bool, Option("--files", "-f", help="Generate .service files instead of printing to stdout")
    ] = False,
    format: Annotated[
        str, Option("--format", metavar="string", help="Print the created units in specified format (json)")
    ] = "",
    name: Annotated[bool, Option("--name", "-n", help="Use container/pod names instead of IDs")] = False,
    new: Annotated[
        bool, Option("--new", help="Create a new container or pod instead of starting an existing one")
    ] = False,
    no_header: Annotated[bool, Option("--no-header", help="Skip header generation")] = False,
    pod_prefix: Annotated[
        str, Option("--pod-prefix", metavar="string", help="Systemd unit name prefix for pods")
    ] = "pod",
    requires: Annotated[
        list[str] | None,
        Option(
            "--requires", metavar="stringArray", help="Similar to wants, but declares stronger requirement dependencies"
        ),
    ] = None,
    restart_policy: Annotated[
        str | None, Option("--restart-policy", metavar="string", help="Systemd restart-policy (default on-failure)")
    ] = None,
    restart_sec: Annotated[
        int | None, Option("--restart-sec", metavar="uint", min=0, help="Systemd restart-sec")
    ] = None,
    separator: Annotated[
        str, Option("--separator", metavar="string", help="Systemd unit name separator between name/id and prefix")
    ] = "-",
    start_timeout: Annotated[
        int | None, Option("--start-timeout", metavar="uint", min=0, help="Start timeout override")
    ] = None,
    stop_timeout: Annotated[
        int | None, Option("--stop-timeout", "--time", metavar="uint", min=0, help="Stop timeout override")
    ] = None,
    template: Annotated[
        bool,
        Option("--template", help="Make it a template file and use %i and %I specifiers; of containers only"),
    ] = False,
    wants: Annotated[
        list[str] | None,
        Option("--wants", metavar="stringArray", help="Add (weak) requirement dependencies to the unit file"),
    ] = None,
) -> None:
    """Generate systemd units."""
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.unit_files import text

    wishes = text.Wishes()
    wishes.after, wishes.wants, wishes.requires = after or [], wants or [], requires or []
    wishes.container_prefix, wishes.pod_prefix, wishes.separator = container_prefix, pod_prefix, separator
    wishes.by_name, wishes.new, wishes.template = name, new, template
    wishes.restart_policy, wishes.restart_sec = restart_policy, restart_sec
    wishes.start_timeout, wishes.stop_timeout = start_timeout, stop_timeout
    wishes.env = _variables(env or [])
    wishes.header = "" if no_header else _header()
    if format not in ("", "json"):
        raise PodError(f"unknown --format argument: {format}")
    if restart_policy is not None and restart_policy not in _POLICIES:
        raise PodError(f"{restart_policy} is not a valid restart policy", hint=f"known are {', '.join(_POLICIES)}")
    engine = open_engine(write=False)
    found = {unit.file_name: text.render(unit, wishes) for unit in _units(engine, name_or_id, wishes)}
    if files:
        found = {unit: _write(unit, content) for unit, content in found.items()}
    _show(found, is_json=format == "json", files=files)


def _units(engine: Engine, name: str, wishes: Wishes) -> list[Unit]:
    from pod import state
    from pod.cli.each import warn
    from pod.errors import ContainerNotFoundError, NoSuchPodError, PodError
    from pod.pods import rows
    from pod.unit_files import generating

    try:
        return [generating.of_container(engine, state.find_container(engine.connection, name), wishes, warn)]
    except ContainerNotFoundError as no_container:
        try:
            return generating.of_pod(engine, rows.find(engine.connection, name), wishes, warn)
        except NoSuchPodError as no_pod:
            raise PodError(
                f"{name} does not refer to a container or pod: {no_pod}: {no_container}", hint=no_container.hint
            ) from None


def _variables(said: list[str]) -> list[str]:
    """Return the variables as NAME=VALUE; one of a name alone is the caller's, if he has it."""
    import os

    from pod.errors import PodError

    found = []
    for item in said:
        name, equals, _ = item.partition("=")
        if not name:
            raise PodError(f'parsing environment variables: invalid environment variable: "{item}"')
        if equals:
            found.append(item)
        elif name in os.environ:
            found.append(f"{name}={os.environ[name]}")
    return found


def _header() -> str:
    import time

    from pod import __version__

    return f"# autogenerated by pod {__version__}\n# {time.strftime('%a %b %e %H:%M:%S %Z %Y')}\n"


def _write(unit: str, content: str) -> str:
    """Write a unit's file here, whole or not at all; return its path."""
    import os

    path = os.path.join(os.getcwd(), f"{unit}.service")
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    return path


def _show(found: dict[str, str], *, is_json: bool, files: bool) -> None:
    import json
    import sys

    from pod.cli import output

    if is_json:
        output.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    else:
        output.write("".join(f"{text}\n" if files else text for text in found.values()))
    print(_HINT, file=sys.stderr)
