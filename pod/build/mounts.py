"""RUN --mount: what each asks for, settled before the step, and how the step's monitor makes it.

All sources lie in a tmpfs that only the monitor's mount namespace has, so nothing of them is left after the step or can
get into a layer; what they are mounted on is in a directory below all layers, for the same reason.
Source: the Dockerfile reference, RUN --mount.
"""

from __future__ import annotations

import fcntl
import os
import posixpath
import signal
import stat
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from pod.build import caches, keys, stages
from pod.build.context import digests, selection
from pod.build.options import Place
from pod.build.reading import read_ahead
from pod.build.scheduling import Needs
from pod.build.snapshots import base
from pod.containers.rootfs.overlay import Overlay, mount_overlay
from pod.errors import PodError
from runtime import inroot, kernel, syscalls
from storage import worker
from storage.rootfs import stack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any

    from pod.build.building import Build
    from pod.build.evaluation import State
    from pod.build.language.instructions import Mount, Run
    from pod.build.stages import Node
    from pod.engine import Engine

    Gathering = Generator[int | Needs, None, "Mounts"]

SCRIPT = "/dev/pipes/script"
_SECRETS = "/run/secrets"
_AGENT = "/run/buildkit/ssh_agent.{}"
_EVERYBODY = 0o1777


@dataclass
class Attached:
    """One mount: where to, whether on a directory, and what makes its source in the monitor, given a new path."""

    target: str
    is_directory: bool
    make: Callable[[str], dict[str, Any]]


@dataclass
class Mounts:
    """The mounts of a step, what they come to in its key, and what must be held until its end."""

    attached: list[Attached] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    keep_fds: list[int] = field(default_factory=list)
    _holders: list[worker.Worker] = field(default_factory=list)

    def stubs(self, directory: str) -> None:
        """Make what the mounts are mounted on, below a directory."""
        for one in self.attached:
            path = f"{directory}{posixpath.normpath(one.target)}"
            os.makedirs(path if one.is_directory else os.path.dirname(path), 0o755, exist_ok=True)
            if not one.is_directory and not os.path.lexists(path):
                with open(path, "xb"):
                    pass

    def attach(self, place: str, document: dict[str, Any]) -> None:
        """Make the sources in a private tmpfs at `place`, and put the mounts into the runtime spec; in the monitor."""
        if not self.attached:
            return
        os.mkdir(place, 0o700)
        syscalls.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0700")
        syscalls.mount(None, place, None, kernel.MS_PRIVATE)
        for number, one in enumerate(self.attached):
            entry = one.make(f"{place}/{number}")
            document["mounts"].append({"destination": one.target, **entry})

    def close(self) -> None:
        """Let go of locks."""
        for holder in self._holders:
            holder.kill()

    def hold(self, path: str) -> Generator[int | Needs, None, None]:
        """Take the lock of a file, however long that takes."""

        def run(report: Callable[[int], None]) -> dict[str, Any]:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            report(1)
            while True:
                signal.pause()

        holder = worker.fork(worker.Worker, run, "lock cache")
        self._holders.append(holder)
        yield holder.fileno()
        if holder.advance():
            holder.values()  # which says what went wrong


def gather(build: Build, node: Node, state: State, instruction: Run) -> Gathering:
    """Settle the mounts of a RUN; waits for stages and locks. Raises PodError for what cannot be had."""
    mounts = Mounts()
    try:
        for number, mount in enumerate(instruction.mounts):
            wanted = mount.target or ("" if mount.type in ("secret", "ssh") else ".")
            target = posixpath.normpath(posixpath.join(state.workdir, wanted)) if wanted else ""
            match mount.type:
                case "bind":
                    yield from _bind(build, node, mounts, mount, target)
                case "cache":
                    yield from _cache(build, mounts, mount, target)
                case "tmpfs":
                    mounts.attached.append(Attached(target, True, _memory(mount)))
                case "secret":
                    _secret(build, mounts, mount, target)
                case "ssh":
                    _ssh(build, mounts, mount, target, number)
    except BaseException:
        mounts.close()
        raise
    return mounts


def script(mounts: Mounts, text: str) -> None:
    """Let a step have a document of the Containerfile as a program."""
    mounts.attached.append(Attached(SCRIPT, False, _document(text.encode(), 0o755, 0, 0)))


def _bind(build: Build, node: Node, mounts: Mounts, mount: Mount, target: str) -> Generator[int | Needs, None, None]:
    place: Place | str | None = build.options.contexts.get(mount.from_) if mount.from_ else build.options.context
    if isinstance(place, Place):
        rules, named = place.ignored.rules, place.ignored.path
        wanted = selection.Wanted(rules=rules, shown=place.shown, ignored_by=named)
        chosen = selection.select(place.root, [mount.source or "."], wanted)
        yield from read_ahead([chosen], build.known_digests)
        mounts.digests.append(digests.digest(chosen, build.known_digests))
        mounts.keep_fds.append(place.root)
        _add_bind(build, mounts, mount, target, lambda _: _again(place))
        return
    if place is None and not mount.from_:
        raise PodError("there is no build context to mount", hint="name a directory: pod build DIRECTORY")
    index = stages.find([one.stage for one in build.nodes[: node.stage.index]], mount.from_, build.options.contexts)
    if index is not None:
        yield Needs(index)
        layers, identity = build.state_of(index).layers, keys.of_layers(build.state_of(index))
    else:
        image = build.image(mount.from_)
        layers, identity = build.layers(image), image.id
    mounts.digests.append(identity)
    lowers = [*stack(build.engine.store, [layer.key for layer in layers]), *_nothing(build.engine)]
    _add_bind(build, mounts, mount, target, lambda path: _overlay(build.engine, lowers, f"{path}-from"), lowers)


def _again(place: Place) -> int:
    """Open a context in this mount namespace: what was opened in another cannot be mounted."""
    path = os.readlink(f"/proc/self/fd/{place.root}")
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if not os.path.samestat(os.fstat(descriptor), os.fstat(place.root)):
        raise PodError(f"the context {place.shown} was replaced meanwhile")
    return descriptor


def _nothing(engine: Engine) -> list[str]:
    """Return what an overlay has below that nothing is written to: it needs two layers."""
    return [f"{base(engine)}/empty", f"{base(engine)}/none"]


def _overlay(engine: Engine, lowers: list[str], target: str, *, upper: str = "") -> int:
    """Mount layers in the monitor; return a descriptor of the root."""
    os.mkdir(target, 0o700)
    overlay = Overlay(lowers=list(lowers), directory=upper, rootless=engine.config.rootless, volatile=False)
    overlay.target = target
    if not upper:
        overlay.upper = ""
    mount_overlay(overlay)
    return os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _add_bind(
    build: Build,
    mounts: Mounts,
    mount: Mount,
    target: str,
    root: Callable[[str], int],
    lowers: Sequence[str] = (),
) -> None:
    """Add the mount of what lies at a path of a tree; what is written to it is thrown away."""
    source = posixpath.normpath(f"/{mount.source}")

    def make(path: str) -> dict[str, Any]:
        found = inroot.open_path(root(path), source, os.O_PATH)
        is_directory = stat.S_ISDIR(os.fstat(found).st_mode)
        if mount.read_only is False and is_directory:
            for name in ("upper", "work"):
                os.makedirs(f"{path}-over/{name}", 0o755)
            lower = f"/proc/self/fd/{found}"
            os.close(_overlay(build.engine, [lower], path, upper=f"{path}-over"))
            return _entry(path, read_only=False)
        _clone(found, path, is_directory=is_directory)
        return _entry(path, read_only=mount.read_only is not False)

    mounts.attached.append(Attached(target, _is_directory(build, mount, source, lowers), make))


def _is_directory(build: Build, mount: Mount, source: str, lowers: Sequence[str]) -> bool:
    """Tell whether the source of a mount is a directory, as far as that can be told before it is there."""
    place = build.options.contexts.get(mount.from_) if mount.from_ else build.options.context
    if isinstance(place, Place):
        found = inroot.open_path(place.root, source, os.O_PATH)
        try:
            return stat.S_ISDIR(os.fstat(found).st_mode)
        finally:
            os.close(found)
    for lower in lowers:
        try:
            return stat.S_ISDIR(os.stat(f"{lower}{source}", follow_symlinks=False).st_mode)
        except OSError:
            continue
    return True


def _clone(found: int, path: str, *, is_directory: bool) -> None:
    """Mount what a descriptor stands for at a new path."""
    flags = kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC | kernel.AT_EMPTY_PATH
    tree = syscalls.open_tree(found, b"", flags)
    if is_directory:
        os.mkdir(path, 0o700)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    syscalls.move_mount(tree, b"", kernel.AT_FDCWD, path, kernel.MOVE_MOUNT_F_EMPTY_PATH)
    os.close(tree)
    os.close(found)


def _entry(source: str, *, read_only: bool, more: Sequence[str] = ()) -> dict[str, Any]:
    options = ["rbind", "rprivate", "ro" if read_only else "rw", *more]
    return {"type": "bind", "source": source, "options": options}


def _cache(build: Build, mounts: Mounts, mount: Mount, target: str) -> Generator[int | Needs, None, None]:
    if mount.from_ or mount.source:
        raise PodError(
            "a cache mount that begins with files of a stage is not supported", hint="leave out from, source"
        )
    name = sha256(os.fsencode(mount.id or target)).hexdigest()[:32]
    base(build.engine)  # which makes what this is in
    directory = caches.directory(build.engine)
    os.makedirs(directory, 0o700, exist_ok=True)
    os.utime(directory)
    if mount.sharing == "locked":
        yield from mounts.hold(f"{directory}/{name}.lock")
    path = f"{directory}/{name}"
    if mount.sharing == "private":
        path = yield from _own_cache(mounts, path)
    if not os.path.isdir(path):
        os.makedirs(path, exist_ok=True)
        os.chown(path, mount.uid or 0, mount.gid or 0)
        os.chmod(path, 0o755 if mount.mode is None else mount.mode)
    mounts.attached.append(Attached(target, True, lambda _: _entry(path, read_only=bool(mount.read_only))))


def _own_cache(mounts: Mounts, path: str) -> Generator[int | Needs, None, str]:
    """Return the first of the caches of a name that nobody uses, and take it."""
    number = 0
    while _is_locked(f"{path}.{number}.lock"):
        number += 1
    yield from mounts.hold(f"{path}.{number}.lock")
    return f"{path}.{number}"


def _is_locked(path: str) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _memory(mount: Mount) -> Callable[[str], dict[str, Any]]:
    mode = _EVERYBODY if mount.mode is None else mount.mode
    options = ["nosuid", "nodev", f"mode={mode:o}"]
    options += [f"size={mount.size}"] if mount.size else []
    options += ["ro"] if mount.read_only else []
    return lambda _: {"type": "tmpfs", "source": "tmpfs", "options": options}


def _secret(build: Build, mounts: Mounts, mount: Mount, target: str) -> None:
    name = mount.id or mount.source or posixpath.basename(target)
    data = build.options.secrets.get(name)
    if data is None:
        if mount.required:
            raise PodError(f"secret required but no secret with id {name} found", hint=f"--secret id={name},src=FILE")
        return
    if mount.env:
        mounts.env[mount.env] = data.decode("utf-8", "surrogateescape")
    if target or not mount.env:
        mode = 0o400 if mount.mode is None else mount.mode
        make = _document(data, mode, mount.uid or 0, mount.gid or 0)
        mounts.attached.append(Attached(target or f"{_SECRETS}/{name}", False, make))


def _document(data: bytes, mode: int, uid: int, gid: int) -> Callable[[str], dict[str, Any]]:
    def make(path: str) -> dict[str, Any]:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
        return _entry(path, read_only=True)

    return make


def _ssh(build: Build, mounts: Mounts, mount: Mount, target: str, number: int) -> None:
    name = mount.id or mount.source or "default"
    path = build.options.agents.get(name)
    if path is None:
        if mount.required:
            raise PodError(f"no ssh agent with id {name} found", hint=f"--ssh {name}=SOCKET, with a running ssh-agent")
        return
    target = target or _AGENT.format(number)
    mounts.env.setdefault("SSH_AUTH_SOCK", target)
    mounts.attached.append(Attached(target, False, lambda _: _entry(path, read_only=False)))
