"""`cp`: files and directories between the host and containers, or between containers. Source: podman-cp(1)."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod import state
from pod.containers.copying import places as copy_places
from pod.containers.copying.tree import ENDING, Copier, Policy, is_of_the_kernel
from pod.containers.inside import accounts
from pod.containers.tree import root as tree
from pod.errors import ContainerNotFoundError, PodError
from storage import worker
from storage.errors import StorageError
from storage.layers.write import WriteOptions, one_of, tar_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pod.containers.copying.places import Place
    from pod.containers.tree.root import Tree
    from pod.engine import Engine
    from pod.state import Container

_READ = 256 << 10
_NOT_A_DIRECTORY = "destination must be a directory when copying a directory"
# Of a whole root file system: what only shows the kernel's state.
_KERNEL = frozenset((b"proc", b"sys"))


@dataclass(frozen=True)
class End:
    """One of the two words of the command line: a path of the host, of a container, or `-`."""

    container: str
    path: str

    @property
    def is_stream(self) -> bool:
        """Tell whether it is standard input or output."""
        return not self.container and self.path == "-"

    def missing(self, error: OSError) -> PodError:
        """Return the error for a path that is not there."""
        where = f"on container {self.container}" if self.container else "on the host"
        return PodError(f'"{self.path}" could not be found {where}: {(error.strerror or "").lower()}')


def parse(text: str) -> End:
    """Return what a word names: `CONTAINER:PATH`; a path of the host with a colon begins with a slash or a dot."""
    container, colon, path = text.partition(":")
    if not colon or text.startswith((".", "/")):
        return End("", text)
    return End(container, path if path.startswith("/") else f"/{path}")


def parse_both(source: str, destination: str) -> tuple[End, End]:
    """Return both ends. Raises PodError for words that do not make a copy."""
    one, other = parse(source), parse(destination)
    if not source or not destination or _has_no_path(source) or _has_no_path(destination):
        raise PodError(f'invalid arguments "{source}", "{destination}": you must specify paths')
    if not one.container and not other.container:
        raise PodError(
            f'invalid arguments "{source}", "{destination}": you must specify one container',
            hint="write CONTAINER:PATH for the one or the other",
        )
    return one, other


def _has_no_path(text: str) -> bool:
    """Tell whether a word names a container and nothing in it."""
    return text.endswith(":") and parse(text).path == "/"


def copy(engine: Engine, source: End, destination: End, *, archive: bool = True, overwrite: bool = False) -> None:
    """Copy from one end to the other; with `archive`, what comes into a container belongs to its user.

    Raises PodError, which names both ends.
    """
    containers = {end.container: _container(engine, end) for end in (source, destination) if end.container}
    with ExitStack() as stack:
        trees: dict[str, Tree] = {}
        opened: dict[str, Tree] = {}
        for name, container in containers.items():
            if container.id not in opened:
                opened[container.id] = stack.enter_context(tree.whole(engine, container))
            trees[name] = opened[container.id]
        job = _Copy(engine, source, destination, trees)
        job.policy = _policy(engine, job, containers.get(destination.container), archive=archive, overwrite=overwrite)
        _run(job)


def _run(job: _Copy) -> None:
    """Copy in a process that, if this one is killed, ends when what it has begun to replace is replaced."""
    attempt = f"copying {_told(job.source)} to {_told(job.destination)}"

    def run(_report: Callable[[int], None]) -> dict[str, bool]:
        try:
            job.run()
        except BrokenPipeError:
            return {"read": False}
        except PodError as error:
            raise StorageError(str(error), hint=error.hint) from error
        except OSError as error:
            raise StorageError(f"{attempt}: {(error.strerror or str(error)).lower()}") from error
        return {"read": True}

    process = worker.fork(worker.Worker, run, attempt, ending=ENDING)
    try:
        if not process.values()["read"]:
            raise BrokenPipeError  # nobody reads our output any more
    finally:
        process.kill()


def _told(end: End) -> str:
    return f"{end.container}:{end.path}" if end.container else end.path


def _container(engine: Engine, end: End) -> Container:
    try:
        return state.find_container(engine.connection, end.container)
    except ContainerNotFoundError:
        raise PodError(f'container "{end.container}" does not exist') from None


def _policy(engine: Engine, job: _Copy, container: Container | None, *, archive: bool, overwrite: bool) -> Policy:
    into = job.trees.get(job.destination.container)
    outof = job.trees.get(job.source.container)
    if container is None or into is None:
        own = (os.geteuid(), os.getegid())
        return Policy(lambda uid, gid: own, to_host=True, overwrite=overwrite)
    if archive:
        own = into.outside(*_user(engine, container, into))
        return Policy(lambda uid, gid: own, overwrite=overwrite, lenient=engine.single_id)

    def kept(uid: int, gid: int) -> tuple[int, int]:
        return into.outside(*(outof.inside(uid, gid) if outof is not None else (uid, gid)))

    return Policy(kept, overwrite=overwrite, lenient=engine.single_id)


def _user(engine: Engine, container: Container, opened: Tree) -> tuple[int, int]:
    """Return the user and group that the container's process has."""
    config = container.config
    if config["namespaces"]["user"].startswith("keep-id") and not config["user"]:
        from pod.containers.plan import keep_id_user

        user = keep_id_user(engine, config)  # type: ignore[arg-type]
    else:
        user = accounts.resolve(opened.fd, config)  # type: ignore[arg-type]
    return user.uid, user.gid


class _Copy:
    """One copy."""

    policy: Policy

    def __init__(self, engine: Engine, source: End, destination: End, trees: dict[str, Tree]) -> None:
        self.engine = engine
        self.source = source
        self.destination = destination
        self.trees = trees

    def run(self) -> None:
        """Copy, by a stream or from one directory's fd to another's."""
        with ExitStack() as stack:
            if self.source.is_stream:
                self._from_stream(stack)
                return
            source = self._find(self.source, stack)
            if not source.exists:
                raise self.source.missing(FileNotFoundError(2, os.strerror(2)))
            if self.destination.is_stream:
                self._to_stream(source)
                return
            destination = self._destination(source, stack)
            self._between(source, destination)

    def _find(self, end: End, stack: ExitStack) -> Place:
        try:
            place = copy_places.find(end.path, self.trees[end.container].fd if end.container else None)
        except OSError as error:
            raise end.missing(error) from error
        stack.callback(place.close)
        if end.container and (is_of_the_kernel(place.parent) or (place.exists and is_of_the_kernel(place.fd))):
            raise PodError(
                f'"{end.path}" on container {end.container} is of the kernel: operation not permitted',
                hint="pod exec can read and write it",
            )
        return place

    def _destination(self, source: Place, stack: ExitStack) -> Place:
        end = self.destination
        place = self._find(end, stack)
        if not place.exists and end.path.endswith(("/", "/.")):
            raise end.missing(FileNotFoundError(2, os.strerror(2)))
        if source.is_directory and place.exists and not place.is_directory:
            raise PodError(_NOT_A_DIRECTORY)
        return place

    def _between(self, source: Place, destination: Place) -> None:
        name = self._base(source) if destination.is_directory else destination.name
        if source.is_directory and destination.is_directory and not name:
            Copier(self.policy, destination.fd).copy_contents(source.fd)
            return
        if _same(source, destination):
            return
        into = destination.fd if destination.is_directory else destination.parent
        Copier(self.policy, into).copy(source.fd, name)

    def _base(self, source: Place) -> str:
        """Return the name under which the source goes into a directory; empty if only what is in it does."""
        path = self.source.path
        if source.is_directory and (path.endswith("/.") or path == "." or self._is_root(source)):
            return ""
        return source.base

    def _is_root(self, source: Place) -> bool:
        opened = self.trees.get(self.source.container)
        root = os.fstat(opened.fd) if opened is not None else os.stat("/")
        return source.status is not None and os.path.samestat(root, source.status)

    def _to_stream(self, source: Place) -> None:
        opened = self.trees[self.source.container]
        base = self._base(source)
        whole = WriteOptions(owner=opened.inside, skipped=_KERNEL if self._is_root(source) else frozenset())
        if base:
            # Opened anew, by the name that a link may have led to.
            entries = one_of(source.parent, os.fsencode(source.name), os.fsencode(base), whole)
        else:
            entries = tar_of(source.fd, whole)
        for data in entries:
            view = memoryview(data)
            while view:
                view = view[os.write(1, view) :]

    def _from_stream(self, stack: ExitStack) -> None:
        from pod.containers.copying.archive import extract

        place = self._find(self.destination, stack)
        if not place.exists:
            raise self.destination.missing(FileNotFoundError(2, os.strerror(2)))
        if not place.is_directory:
            raise PodError("destination must be a directory when copying from stdin")
        extract(_input(), place.fd, self.policy)


def _same(source: Place, destination: Place) -> bool:
    return (
        source.status is not None
        and destination.status is not None
        and os.path.samestat(source.status, destination.status)
    )


def _input() -> Iterator[bytes]:
    while data := os.read(0, _READ):
        yield data
