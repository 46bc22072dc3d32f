"""Reading what containers wrote to the journal, and events there: through journalctl(1), which has the permissions."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import TYPE_CHECKING

from pod.errors import PodError
from runtime import jsontext
from runtime.monitor.eventlog import JOURNAL_FIELDS
from runtime.monitor.log import time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pod.config import Config
    from pod.containers.logs.reading import Line

_PAUSE = 0.25  # Between two looks whether the container has ended.
_SETTLED = 0.5  # As long as journald may take to let the last entries be read.
_NUMBERS = ("ContainerExitCode", "HealthFailingStreak")


def events(
    config: Config, *, since: int | None, until: int | None, history: bool, stream: bool
) -> Iterator[dict[str, Any]]:
    """Give the events of this store that are in the journal."""
    follow = stream and (until is None or until > time.time_ns())
    arguments = _range(since, None, tail=None if history else 0, follow=follow)
    matches = ["SYSLOG_IDENTIFIER=podman", f"POD_ROOT={config.graphroot}"]
    for entry in _entries([*arguments, *matches], more=lambda: until is None or time.time_ns() <= until):
        event = _event(entry)
        if event is not None and (until is None or event["Time"] <= until):
            yield event


def _event(entry: dict[str, Any]) -> dict[str, Any] | None:
    try:
        moment = _moment_of(entry)
        event: dict[str, Any] = {"Time": moment, "Status": entry["PODMAN_EVENT"], "Type": entry["PODMAN_TYPE"]}
        for name in ("Name", "ID", "Image"):
            event[name] = entry.get(f"PODMAN_{name.upper()}", "")
        for name, key in JOURNAL_FIELDS.items():
            if key in entry:
                event[name] = int(entry[key]) if name in _NUMBERS else entry[key]
        if "PODMAN_LABELS" in entry:
            event["Attributes"] = jsontext.loads(entry["PODMAN_LABELS"])
    except (KeyError, ValueError, TypeError):
        return None
    return event


def _moment_of(entry: dict[str, Any]) -> int:
    """Return when an event was; the journal's own time is exact to the microsecond only."""
    from pod.times import parse_moment

    return parse_moment(entry["PODMAN_TIME"])


def lines(
    container_id: str,
    *,
    tail: int | None = None,
    since: int | None = None,
    until: int | None = None,
    is_running: Callable[[], bool] | None = None,
) -> Iterator[Line]:
    """Give a container's output; with `is_running` what is added too, until it does not run any more."""
    from pod.containers.logs.reading import Line

    last: list[float] = []

    def more() -> bool:
        if is_running is None or is_running():
            return until is None or time.time_ns() <= until
        last.append(time.monotonic())
        return last[-1] - last[0] < _SETTLED

    arguments = _range(since, until, tail=tail, follow=is_running is not None)
    open_streams: dict[str, bool] = {}
    for entry in _entries([*arguments, f"CONTAINER_ID_FULL={container_id}"], more=more):
        stream = "stderr" if entry.get("PRIORITY") == "3" else "stdout"
        partial = "CONTAINER_PARTIAL_MESSAGE" in entry
        moment = time_text(int(entry["__REALTIME_TIMESTAMP"]) * 1000)
        text = _bytes(entry.get("MESSAGE"))
        yield Line(moment, stream, text, partial=partial, continued=open_streams.get(stream, False))
        open_streams[stream] = partial


def _bytes(message: Any) -> bytes:
    """Return a text as it was sent; journalctl writes one that is no text as a list of numbers."""
    if isinstance(message, str):
        return message.encode("utf-8", "surrogateescape")
    return bytes(message) if isinstance(message, list) else b""


def _range(since: int | None, until: int | None, *, tail: int | None, follow: bool) -> list[str]:
    found = ["--output=json", "--all", "--no-pager", "--quiet", f"--lines={'all' if tail is None else tail}"]
    if since is not None:
        found.append(f"--since=@{since // 10**9}.{since % 10**9 // 1000:06d}")
    if until is not None:
        found.append(f"--until=@{until // 10**9}.{until % 10**9 // 1000:06d}")
    return [*found, "--follow"] if follow else found


def _entries(arguments: list[str], *, more: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """Give the entries that journalctl finds; while it follows, for as long as `more` says so."""
    try:
        process = subprocess.Popen(["journalctl", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except FileNotFoundError as error:
        raise PodError("cannot read the journal: journalctl is not installed", hint="install systemd") from error
    assert process.stdout is not None
    try:
        yield from _parsed(process.stdout.fileno(), more if "--follow" in arguments else lambda: True)
        ended = process.poll()
        if ended:
            raise PodError(f"cannot read the journal: journalctl ended with status {ended}")
    finally:
        if process.poll() is None:
            process.terminate()
        process.stdout.close()
        process.wait()


def _parsed(fd: int, more: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    rest = b""
    while True:
        if poller.poll(_PAUSE * 1000):
            data = os.read(fd, 1 << 18)
            if not data:
                return
            *found, rest = (rest + data).split(b"\n")
            for line in found:
                try:
                    entry = jsontext.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield entry
        elif not more():
            return
