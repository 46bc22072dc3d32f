"""Which pods a command acts on: those that are named, or --all, --latest, --pod-id-file."""

from __future__ import annotations

from pod.errors import NoSuchPodError, PodError
from pod.pods import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.engine import Engine
    from pod.pods.rows import Pod

NONE_NAMED = "you must provide at least one name or id"


class Choice:
    """What a command line says of the pods it is about: names, or flags in place of them."""

    __slots__ = ("all", "id_files", "latest", "names")

    def __init__(self, names: Sequence[str] | None = None, *, all: bool = False) -> None:
        self.names = names or ()
        self.all = all
        self.latest = False
        self.id_files: Sequence[str] = ()

    def check(self) -> None:
        """Raise PodError for words and flags that contradict each other, or if nothing is chosen at all."""
        if self.id_files and (self.all or self.latest):
            raise PodError("--all, --latest, and --pod-id-file cannot be used together")
        if self.all and self.latest:
            raise PodError("--all and --latest cannot be used together")
        if self.all and self.names:
            raise PodError("no arguments are needed with --all", hint="leave out the names, or --all")
        if self.latest and self.names:
            raise PodError("--latest and pods cannot be used together", hint="leave out the names, or --latest")
        if not (self.names or self.all or self.latest or self.id_files):
            raise PodError(NONE_NAMED, hint="`pod pod ls` lists the pods")

    def pods(self, engine: Engine, *, ignore: bool = False) -> list[Pod]:
        """Return the pods, before anything is done to any of them.

        Raises NoSuchPodError for the first that is not there, unless such are to be ignored, and as `check` does.
        """
        self.check()
        if self.all:
            return rows.everything(engine.connection)
        if self.latest:
            return [newest(engine)]
        found = []
        for word in [*self.names, *(read_id(path) for path in self.id_files if not (ignore and _is_missing(path)))]:
            try:
                found.append(rows.find(engine.connection, word))
            except NoSuchPodError:
                if not ignore:
                    raise
        return found


def newest(engine: Engine) -> Pod:
    """Return the pod that was created last (--latest). Raises NoSuchPodError if there is none."""
    pods = rows.everything(engine.connection)
    if not pods:
        raise PodError("no pods available: no such pod", hint="`pod pod ls` is empty")
    return pods[-1]


def read_id(path: str) -> str:
    """Return the ID that a file of --pod-id-file holds. Raises PodError if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.readline().strip()
    except OSError as error:
        raise PodError(f"reading pod ID file: open {path}: {(error.strerror or str(error)).lower()}") from None
    if not text:
        raise PodError(f"reading pod ID file: {path} is empty", hint="a file of --pod-id-file holds a pod's ID")
    return text


def _is_missing(path: str) -> bool:
    from runtime import paths

    return not paths.exists(path)
