"""Copying an image from one store to another, of this machine or another: `image scp` (podman-image-scp(1)).

One end is a `pod save`, the other a `pod load`, with a pipe between: of the own store, of another user of this machine
(which only root may ask for), or of another machine by the system's ssh(1). What fails at the first end ends the
second before it sees the end of its input, so that it leaves nothing.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?\]")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# So long an end that has failed may take to go, when the other complains of a broken pipe.
_GRACE_SECONDS = 1.0
_NOT_FOUND, _SSH_FAILED = 127, 255


@dataclass(frozen=True)
class Place:
    """A store: the own one, that of a user of this machine, or a machine's; and an image in it, empty for none."""

    image: str = ""
    user: str = ""
    host: str = ""
    port: str = ""

    @property
    def own(self) -> bool:
        """Whether it is the store of who runs the command."""
        return not self.host and self.user in ("", _myself())

    def __str__(self) -> str:
        if self.own:
            return "the store of this user"
        where = f"[{self.host}]" if ":" in self.host else self.host or "localhost"
        return f"{self.user}@{where}" if self.user else where


@dataclass(frozen=True)
class _End:
    """A command at one end, and how it is executed."""

    argv: Sequence[str]
    settings: Mapping[str, Any] = field(default_factory=dict)


def parse(text: str) -> Place:
    """Read IMAGE, [USER@]HOST[:PORT]::[IMAGE] or USER@localhost::[IMAGE]; raise PodError for what is none of these."""
    where, separator, image = text.rpartition("::")
    if not separator:
        return Place(image)
    user, at, host = where.removeprefix("ssh://").rpartition("@")
    if "/" in host:
        raise PodError(
            f"{text}: pod has no socket at another machine to connect to",
            hint="leave the path: [USER@]HOST[:PORT]::IMAGE",
        )
    name, colon, port = (host, "", "") if ":" not in host or host.endswith("]") else host.rpartition(":")
    if not _HOST.fullmatch(name) or (at and not _USER.fullmatch(user)) or (colon and not port.isdecimal()):
        raise PodError(f"{text}: not a machine", hint="it is written [USER@]HOST[:PORT]:: or USER@localhost::")
    if name == "localhost" and not port:
        return Place(image, user=user)
    return Place(image, user=user, host=name.strip("[]"), port=port)


def places(source: str, target: str) -> tuple[Place, Place]:
    """Return the two ends; where no target is named it is the own store, or that of who called sudo(8)."""
    taken, given = parse(source), parse(target) if target else _default(source)
    if not taken.image:
        raise PodError(f"{source}: no image is named", hint=f"{source}IMAGE")
    if given.image:
        raise PodError(
            f"{target}: a destination is a store, the image keeps its name", hint="end it with ::, as in HOST::"
        )
    if (taken.user, taken.host, taken.port) == (given.user, given.host, given.port) or (taken.own and given.own):
        raise PodError("source and destination are the same store")
    return taken, given


def copy(source: Place, target: Place, *, quiet: bool = False) -> None:
    """Copy an image; what the loading end says goes to our stdout and stderr.

    Raises PodError, with what the saving end says, if that fails.
    """
    saving = _end(source, ["save", "--quiet", "--", source.image])
    loading = _end(target, ["load", *(["--quiet"] if quiet else [])])
    read, write = os.pipe()
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryFile() as told, _Relayed() as relayed:
        try:
            second = _start(loading, processes, stdin=read, stderr=relayed.write if target.host else None)
            relayed.begin()
            first = _start(saving, processes, stdin=subprocess.DEVNULL, stdout=write, stderr=told)
            os.close(read)
            read = -1
            if first.wait() != 0 and not _failed(second):
                relayed.mute()
                raise _error(source, "save", first.returncode, told)
            os.close(write)
            write = -1
            if second.wait() != 0:
                raise _error(target, "load", second.returncode)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
            for descriptor in (read, write):
                if descriptor >= 0:
                    os.close(descriptor)


class _Relayed:
    """What another machine says, passed on to our stderr until it is muted: that an end was cut off is no news."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        self._muted = False
        self._thread = threading.Thread(target=self._pass_on, daemon=True)

    def __enter__(self) -> _Relayed:
        return self

    def begin(self) -> None:
        """Pass on what comes, now that the process has its end of the pipe."""
        os.close(self.write)
        self.write = -1
        self._thread.start()

    def mute(self) -> None:
        """Drop what comes from now on."""
        self._muted = True

    def __exit__(self, *_: object) -> None:
        if self.write >= 0:
            os.close(self.write)
            os.close(self._read)
        elif not self._muted:
            self._thread.join()

    def _pass_on(self) -> None:
        while data := os.read(self._read, 1 << 16):
            if not self._muted:
                os.write(2, data)
        os.close(self._read)


def _default(source: str) -> Place:
    caller = os.environ.get("SUDO_USER", "") if os.geteuid() == 0 else ""
    taken = parse(source)
    if taken.own and not (taken.user and caller):
        raise PodError(
            "no destination is named, and pod has no system connections that one could be among",
            hint=f"pod image scp {source} HOST::",
        )
    return Place(user=caller) if taken.own else Place()


def _end(place: Place, words: list[str]) -> _End:
    if place.host:
        port = ["-p", place.port] if place.port else []
        destination = f"{place.user}@{place.host}" if place.user else place.host
        return _End(["ssh", *port, "--", destination, shlex.join(["pod", *words])])
    if place.own:
        return _End([*_program(), *_global_options(), *words])
    return _End([*_program(), *words], _as_user(place.user))


def _program() -> list[str]:
    """Return what starts this very program."""
    path = os.path.abspath(sys.argv[0])
    return [path] if os.access(path, os.X_OK) else [sys.executable, "-m", "pod"]


def _global_options() -> list[str]:
    """Return the options before the command, as this one has them."""
    from pod.settings import current

    options = []
    for name in current.__slots__:
        value, flag = getattr(current, name), f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            options += [flag] if value else []
        elif value is not None:
            options += [f"{flag}={one}" for one in (value if isinstance(value, list) else [value])]
    return options


def _as_user(name: str) -> dict[str, Any]:
    """Return how a program is executed as another user. Raises PodError if there is none, or we may not."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise PodError(f"user: unknown user {name}") from None
    if os.geteuid() != 0:
        raise PodError(f"{name}@localhost: only root may use another user's store", hint="call it with sudo")
    environment = {"HOME": entry.pw_dir, "USER": name, "LOGNAME": name, "SHELL": entry.pw_shell, "PATH": _PATH}
    environment |= {key: os.environ[key] for key in ("TERM", "LANG", "LC_ALL") if key in os.environ}
    if os.path.isdir(f"/run/user/{entry.pw_uid}"):
        environment["XDG_RUNTIME_DIR"] = f"/run/user/{entry.pw_uid}"
    return {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": os.getgrouplist(name, entry.pw_gid),
        "env": environment,
        "cwd": "/",
        "umask": 0o022,
        "start_new_session": True,  # away from the terminal of root, which it could type on
    }


def _start(end: _End, processes: list[subprocess.Popen[bytes]], **streams: Any) -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(end.argv, **streams, **end.settings)
    except OSError as error:
        hint = "install an OpenSSH client" if end.argv[0] == "ssh" else ""
        raise PodError(f"execute {end.argv[0]}: {(error.strerror or '').lower()}", hint=hint) from error
    processes.append(process)
    return process


def _failed(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has failed, or is about to end with that."""
    try:
        return process.wait(_GRACE_SECONDS) != 0
    except subprocess.TimeoutExpired:
        return False


def _error(place: Place, verb: str, status: int, told: IO[bytes] | None = None) -> PodError:
    """Return the error for an end that failed; `told` is what it said that the user has not seen."""
    lines: list[str] = []
    if told is not None:
        told.seek(0)
        lines = [line for line in told.read(1 << 16).decode(errors="replace").splitlines() if line.strip()]
    hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
    said = [line.removeprefix("Error: ") for line in lines if not line.startswith("hint: ")]
    cause = said[-1] if said else f"exit status {status}"
    if place.host and status == _NOT_FOUND:
        hints = [f"pod must be in the PATH that {place.host} gives to commands of ssh"]
    if place.host and status == _SSH_FAILED:
        hints = [f"see that this works: ssh {place}"]
    return PodError(f"{verb} at {place}: {cause}", hint=hints[-1] if hints else "")


def _myself() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""
