"""`pod inspect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

    from pod.engine import Engine
    from pod.pods.rows import Pod

_MISSING = {
    "all": 'no such object: "{}"',
    "container": 'no such container "{}"',
    "image": "{}: image not known",
    "network": "network {0}: unable to find network with name or ID {0}: network not found",
    "pod": "no such pod {}",
    "volume": "no such volume {}",
}


def main(
    names: Annotated[
        list[str] | None, Argument(metavar="NAME [NAME...]", help="Names or IDs of containers, images, volumes")
    ] = None,
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Format the output to a Go template or json")
    ] = "",
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
    size: Annotated[bool, Option("--size", "-s", help="Display total file size")] = False,
    type: Annotated[
        str,
        Option(
            "--type",
            "-t",
            metavar="string",
            help="Specify inspect-object type (image, container, network, pod, volume, all)",
        ),
    ] = "all",
) -> int:
    """Display the configuration of object denoted by ID."""
    from pod.errors import PodError

    if type not in _MISSING:
        raise PodError(f'invalid type "{type}": must be "image", "container", "pod", "network", "volume", or "all"')
    if latest and names:
        raise PodError("--latest and arguments cannot be used together")
    if latest and type not in ("all", "container", "pod"):
        raise PodError(f'latest is not supported for type "{type}"')
    if size and type in ("image", "pod"):
        raise PodError(f'size is not supported for type "{type}"')
    if not names and not latest:
        raise PodError("no names or ids specified", hint="name a container, an image or a volume")
    return show(names or [], kind=type, format=format, size=size, latest=latest)


def show(names: list[str], *, kind: str, format: str, size: bool, latest: bool = False) -> int:
    """Print what is known of objects; return 125 if one is not there, after printing the others."""
    from pod import state
    from pod.cli import output
    from pod.engine import open_engine
    from pod.errors import PodError

    engine = open_engine(write=False)
    found, errors = [], []
    if latest:
        names = [one.id for one in (_pods(engine) if kind == "pod" else state.containers(engine.connection))[-1:]]
        if not names:
            what = "pods" if kind == "pod" else "containers"
            errors.append(PodError(f"inspecting object: no {what} to inspect: no such {what[:-1]}"))
    for name in names:
        described = describe(engine, name, kind, size=size)
        if described is None:
            hint = _hint(engine, name) if kind in ("all", "image") else ""
            errors.append(PodError(f"inspecting object: {_MISSING[kind].format(name)}", hint=hint))
        else:
            found.append(described if not format or output.is_json(format) else _for_template(described))
    output.print_inspected(found, format)
    return output.print_errors(errors)


def _pods(engine: Engine) -> list[Pod]:
    from pod.pods import rows

    return rows.everything(engine.connection)


def _hint(engine: Engine, name: str) -> str:
    """Tell of a list of manifests, which is not what `inspect` shows: it shows the list's image for this machine."""
    from storage import lists

    if lists.known(engine.store, name) is None:
        return ""
    return f"it is a manifest list without an image for this machine in the store; see pod manifest inspect {name}"


def _for_template(described: dict[str, Any]) -> dict[str, Any]:
    """Give a container (what has a state), an image or a network the fields that its JSON lacks, mostly."""
    if "State" in described and "Config" in described:
        config = {"ExposedPorts": {}, **described["Config"]}
        return {"SizeRw": None, "SizeRootFs": 0, **described, "Config": config}
    if "RootFS" in described:
        from pod.images import views

        return views.for_template(described)
    if "network_interface" in described:
        from pod.networks.inspect import for_template

        return for_template(described)
    return described


def describe(engine: Engine, name: str, kind: str, *, size: bool) -> dict[str, Any] | None:
    """Return what is known of the object of this name, the first kind that has one."""
    from pod import state
    from pod.containers.inspect import document as inspect
    from pod.errors import ContainerNotFoundError, NoSuchVolumeError
    from storage.errors import ImageNotFoundError

    if kind in ("all", "container"):
        try:
            return inspect.inspect_container(engine, state.find_container(engine.connection, name), size=size)
        except ContainerNotFoundError:
            pass
    if kind in ("all", "image"):
        from pod.images import views as image_views
        from storage import images

        try:
            return image_views.inspect(engine.store, images.resolve(engine.store, name))
        except ImageNotFoundError:
            pass
    if kind in ("all", "volume"):
        try:
            return inspect.inspect_volume(engine, state.find_volume(engine.connection, name))
        except NoSuchVolumeError:
            pass
    if kind in ("all", "network"):
        from pod.networks import inspect as networks
        from pod.networks import listing, rows

        try:
            return networks.inspect_network(engine, listing.find(engine, name))
        except rows.NoSuchNetworkError:
            pass
    return _described_pod(engine, name) if kind in ("all", "pod") else None


def _described_pod(engine: Engine, name: str) -> dict[str, Any] | None:
    from pod.errors import NoSuchPodError
    from pod.pods import inspect, rows

    try:
        return inspect.inspect_pod(engine, rows.find(engine.connection, name))
    except NoSuchPodError:
        return None
