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


def chosen(
    engine: Engine,
    names: Sequence[str],
    *,
    all: bool = False,
    latest: bool = False,
    filters: Sequence[str] | None = None,
    cidfiles: Sequence[str] | None = None,
    ignore: bool = False,
    of_all: Callable[[Listed], bool] | None = None,
    missing: str = NONE_NAMED,
) -> list[str]:
    """Return the words by which the command finds, and tells of, each container: names as typed, else whole IDs.

    Names are not looked up here, so that a command can report each that there is not and go on. `of_all` narrows --all
    (`lambda one: one.status.is_running` for stop, kill and pause). With `ignore`, no name at all is right, and so are
    files of --cidfile that are not there. Raises PodError, in podman's words, for a choice that contradicts itself.
    """
    check(names, all=all, latest=latest, filters=filters, cidfiles=cidfiles, ignore=ignore, missing=missing)
    if filters:
        from pod.containers import filters as container_filters
        from pod.containers.listing import listed

        return [one.container.id for one in container_filters.filtered(listed(engine), list(filters), engine)]
    if all:
        if of_all is None:
            return [one.id for one in state.containers(engine.connection)]
        from pod.containers.listing import listed

        return [one.container.id for one in listed(engine) if of_all(one)]
    if latest:
        return [newest(engine).id]
    return [*names, *_in_files(cidfiles or (), ignore=ignore)]


def check(
    names: Sequence[str],
    *,
    all: bool = False,
    latest: bool = False,
    filters: Sequence[str] | None = None,
    cidfiles: Sequence[str] | None = None,
    ignore: bool = False,
    missing: str = NONE_NAMED,
) -> None:
    """Raise PodError unless the words and flags of a command are one choice (podman's CheckAllLatestAndIDFile)."""
    if cidfiles and (all or latest):
        raise PodError("--all, --latest, and --cidfile cannot be used together")
    if all and latest:
        raise PodError("--all and --latest cannot be used together")
    if filters and names:
        raise PodError("--filter takes no arguments", hint="leave out the names, or the filter")
    if all and names:
        raise PodError("no arguments are needed with --all", hint="leave out the names, or --all")
    if latest and names:
        raise PodError("--latest and containers cannot be used together", hint="leave out the names, or --latest")
    if not (names or all or latest or filters or cidfiles or ignore):
        raise PodError(missing, hint="`pod ps -a` lists the containers")


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
