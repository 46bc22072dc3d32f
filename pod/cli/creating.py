"""What `run` and `create` do before there is a container: the image, the name, the file with the ID."""

from __future__ import annotations

import posix
import sys

from pod import environ, state
from pod.cli import flags, terminal
from pod.cli.flags.request import Request
from pod.containers.create import create
from pod.errors import ContainerNotFoundError, NameInUseError, PodError
from pod.images import rejection
from runtime import paths
from runtime.errors import CommandNotFoundError, OCIRuntimeError
from storage import images
from storage.errors import ImageNotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pod.containers.create import CreateOptions
    from pod.containers.launch import LaunchedContainer
    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.state import Container
    from storage.images import Image

_TRIES = 10


def request(image: str, command: list[str], said: dict[str, Any]) -> Request:
    """Return what `run` or `create` is asked for. Raises PodError for what makes no sense."""
    asked = Request(image)
    asked.command, asked.create_command = command, sys.argv
    flags.apply(flags.CREATE, said, asked)
    asked.labels |= unit_label()
    return asked


def unit_label() -> dict[str, str]:
    """Return the label by which `auto-update` knows the unit of systemd that runs this command, as that says itself."""
    unit = environ.value("PODMAN_SYSTEMD_UNIT")
    return {"PODMAN_SYSTEMD_UNIT": unit} if unit else {}


def name_of(engine: Engine, reference: str, image: Image) -> str:
    """Return the full name by which the user chose the image; of an ID, its first name."""
    from storage import images
    from storage.errors import StorageError

    try:
        name = images.find(engine.store, reference)[1]
    except StorageError:  # removed or renamed since
        name = None
    return name or (image.names[0] if image.names else image.id)


def create_container(engine: Engine, request: Request) -> Container:
    """Create the container, pulling its image if the policy says so; replace its namesake if asked to.

    Raises PodError for an ID file that is there already, and for --replace without a name.
    """
    if request.cidfile and paths.exists(request.cidfile):
        raise PodError(
            f"container id file exists. Ensure another container is not using it or delete {request.cidfile}"
        )
    for name in request.requires:
        needed = state.find_container(engine.connection, name.removeprefix("/")).id
        if needed not in request.needs:
            request.needs.append(needed)
    if request.replace and not request.name:
        raise PodError("cannot replace container without --name being set")
    if request.is_rootfs:
        from pod.containers.rootfs import foreign as foreign_rootfs

        request.rootfs, said = foreign_rootfs.parse(request.reference)
        request.identity |= said
    else:
        image = request.image = find_image(engine, request)
        request.image_name = name_of(engine, request.reference, image)
        rejection.check(engine.config, image, request.image_name, request.signature_policy)
        if "io.containers.autoupdate" in request.labels:
            from pod.auto_update import policy

            policy.check_reference(request.labels[policy.LABEL], request.reference)
    new_pod = _join_pod(engine, request) if request.pod_name or request.init_type else None
    try:
        container = _create_in_place(engine, request) if request.replace else create(engine, request)
    except BaseException:
        if new_pod is not None:
            from pod.pods.remove import remove as remove_pod

            remove_pod(engine, new_pod, force=True)
        raise
    for warning in request.warnings:
        print(warning, file=sys.stderr)
    if request.cidfile:
        try:
            with open(request.cidfile, "x", encoding="ascii") as file:
                file.write(container.id)
        except BaseException as error:
            from pod.containers import remove

            if not isinstance(error, FileExistsError):
                _unlink(request.cidfile)  # a full disk may leave an empty one
            remove.remove_container(engine, container, volumes=True)
            raise
    return container


def _join_pod(engine: Engine, request: Request) -> Pod | None:
    """Let the container be in the pod that the command line names; return that pod if it was created for this."""
    from pod.pods import joining, rows

    word, colon, name = request.pod_name.partition(":")
    if not request.pod_name:
        raise PodError("must specify pod value with init-ctr", hint="say --pod as well")
    new_pod = None
    if word == "new" and colon:
        from pod.cli import pod_creating

        pod = new_pod = pod_creating.create_for(engine, name, request)
    else:
        pod = rows.find(engine.connection, request.pod_name)
    joining.join(engine, request, pod, init=request.init_type)
    return new_pod


def find_image(engine: Engine, request: Request) -> Image:
    """Return the image that the command line names, from the store or the registry."""
    if request.pull in ("missing", "never") and not request.platform:
        try:
            return images.resolve(engine.store, request.reference)
        except ImageNotFoundError:
            if request.pull == "never":
                raise
    from pod.cli.pulling import pull_for_run

    return pull_for_run(engine, request)


def create_and_start(
    engine: Engine, request: Request, start: Callable[[Container], LaunchedContainer]
) -> LaunchedContainer:
    """Create the container and start it; nothing of it is left, nor its ID file, if either fails.

    One that another command's --replace took away before it had started is made again.
    """
    for left in range(_TRIES, -1, -1):
        container = create_container(engine, request)
        try:
            return start(container)
        except BaseException as error:
            replaced = request.replace and not state.has_container(engine.connection, container.id)
            _discard(engine, container, request.cidfile)
            if not isinstance(error, (PodError, OCIRuntimeError)):
                raise
            if not (left and replaced):
                raise cannot_invoke(error) from error
            terminal.release_signals()
    raise AssertionError  # the last one has raised or returned


def cannot_invoke(error: PodError | OCIRuntimeError) -> PodError | OCIRuntimeError:
    """Return the error of a container that was created but not started, which is 126 in all that is not 127.

    Source: podman's define.ExitCode; what keeps a container from being created is 125.
    """
    if isinstance(error, CommandNotFoundError) or getattr(error, "code", 125) != 125:
        return error
    return PodError(str(error), hint=error.hint, code=126)


def _discard(engine: Engine, container: Container, cidfile: str) -> None:
    if cidfile:
        _unlink(cidfile)
    from pod.containers import remove

    # Nothing has run, or nothing of it is wanted: no grace for a process that waits to be started.
    remove.remove_container(engine, container, force=True, volumes=True, timeout=0)


def _unlink(path: str) -> None:
    try:
        posix.unlink(path)
    except OSError:
        pass


def _create_in_place(engine: Engine, options: CreateOptions) -> Container:
    """Create the container instead of its namesake, also while others do the same: the last one stays."""
    for _ in range(_TRIES):
        _remove_namesake(engine, options.name)
        try:
            return create(engine, options)
        except NameInUseError:
            continue
    return create(engine, options)


def _remove_namesake(engine: Engine, name: str) -> None:
    identity = state.owner_of_name(engine.connection, name)  # the name may be the beginning of others' IDs
    if not identity:
        return
    from pod.containers import remove

    try:
        namesake = state.find_container(engine.connection, identity)
    except ContainerNotFoundError:
        return
    remove.remove_container(engine, namesake, force=True, volumes=False)
