"""Which containers a command acts on: those that are named, or --all, --latest, --filter, --cidfile."""

from __future__ import annotations

from pod import state
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pod.containers.listing import Listed
    from pod.engine import Engine

NONE_NAMED = "you must provide at least one name or id"


class Choice:
    """What a command line says of the containers it is about: names, or flags in place of them."""

    __slots__ = ("all", "cidfiles", "filters", "latest", "names")

    def __init__(
        self,
        names: Sequence[str] | None = None,
        *,
        all: bool = False,
        latest: bool = False,
        filters: Sequence[str] | None = None,
        cidfiles: Sequence[str] | None = None,
    ) -> None:
        self.names = names or ()
        self.all = all
        self.latest = latest
        self.filters = filters or ()
        self.cidfiles = cidfiles or ()

    def check(self, missing: str = NONE_NAMED) -> None:
        """Raise PodError for words and flags that contradict each other (podman's CheckAllLatestAndIDFile).

        `missing` is the message where nothing is chosen at all.
        """
        if self.cidfiles and (self.all or self.latest):
            raise PodError("--all, --latest, and --cidfile cannot be used together")
        if self.all and self.latest:
            raise PodError("--all and --latest cannot be used together")
        if self.filters and self.names:
            raise PodError("--filter takes no arguments", hint="leave out the names, or the filter")
        if self.all and self.names:
            raise PodError("no arguments are needed with --all", hint="leave out the names, or --all")
        if self.latest and self.names:
            raise PodError("--latest and containers cannot be used together", hint="leave out the names, or --latest")
        if not (self.names or self.all or self.latest or self.filters or self.cidfiles):
            raise PodError(missing, hint="`pod ps -a` lists the containers")

    def words(
        self,
        engine: Engine,
        *,
        of_all: Callable[[Listed], bool] | None = None,
        ignore: bool = False,
    ) -> list[str]:
        """Return the words by which a command finds, and tells of, each container: names as typed, else whole IDs.

        Names are not looked up here, so that a command can report each that there is not and go on. `of_all` narrows
        --all (`lambda one: one.status.is_running` for stop and kill). With `ignore`, files of --cidfile may be missing.
        Raises PodError as `check` does, for a filter that is none, and for a file of --cidfile that cannot be read.
        """
        self.check()
        if self.filters:
            from pod.containers import filters
            from pod.containers.listing import listed

            return [one.container.id for one in filters.filtered(listed(engine), list(self.filters), engine)]
        if self.all:
            if of_all is None:
                return [one.id for one in state.containers(engine.connection)]
            from pod.containers.listing import listed

            return [one.container.id for one in listed(engine) if of_all(one)]
        if self.latest:
            return [newest(engine).id]
        return [*self.names, *_in_files(self.cidfiles, ignore=ignore)]


def newest(engine: Engine) -> state.Container:
    """Return the container that was created last (--latest). Raises PodError if there is none."""
    containers = state.containers(engine.connection)
    if not containers:
        raise PodError("no such container", hint="there is no container at all: `pod ps -a` is empty")
    return containers[-1]


def _in_files(paths: Sequence[str], *, ignore: bool) -> list[str]:
    found = []
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.readline().strip()
        except OSError as error:
            if ignore and isinstance(error, FileNotFoundError):
                continue
            raise PodError(f"reading CIDFile: open {path}: {(error.strerror or str(error)).lower()}") from None
        if not text:
            raise PodError(f"reading CIDFile: {path} is empty", hint="a file of --cidfile holds a container's ID")
        found.append(text)
    return found
