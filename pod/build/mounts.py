"""RUN --mount: what each asks for, settled before the step, and how the step's monitor makes it.

All sources lie in a tmpfs that only the monitor's mount namespace has, so nothing of them is left after the step or can
get into a layer; what they are mounted on is in a directory below all layers, for the same reason.
Source: the Dockerfile reference, RUN --mount.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pod.build import keys, stages
from pod.build.cache_mounts import Caches
from pod.build.context import digests, resolution, selection
from pod.build.language.instructions import Mount
from pod.build.options import Place
from pod.build.reading import read_ahead
from pod.build.scheduling import Needs
from pod.build.snapshots import base
from pod.containers.rootfs.overlay import Overlay, mount_overlay
from pod.errors import PodError
from runtime import inroot, kernel, syscalls
from storage.errors import StorageError
from storage.file_data import copy_data
from storage.rootfs import stack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any

    from pod.build.building import Build
    from pod.build.evaluation import State, StepLayer
    from pod.build.language.instructions import Run
    from pod.build.stages import Node
    from pod.engine import Engine

    Gathering = Generator[int | Needs, None, "Mounts"]
    Opener = Callable[[str], int]

SCRIPT = "/dev/pipes/script"
_SECRETS = "/run/secrets"
_AGENT = "/run/buildkit/ssh_agent.{}"
_EVERYBODY = 0o1777
_MAGIC = re.compile(r"[*?\[\\]")  # which a mount takes as it is


@dataclass
class Attached:
    """One mount: where to, and what makes its source in the monitor, given a new path."""

    target: str
    make: Callable[[str], dict[str, Any]]


@dataclass
class Mounts:
    """The mounts of a step, what they come to in its key, and what must be held until its end.

    `env` are variables that only its process has: a secret is to be in no document of the container.
    """

    attached: list[Attached] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    stdin: int = -1  # what the process reads from; by itself nothing
    keep_fds: list[int] = field(default_factory=list)
    caches: Caches = field(default_factory=Caches)
    wanted: list[Callable[[], None]] = field(default_factory=list)

    def prepare(self) -> None:
        """See that what is mounted is there, if it is to be mounted."""
        for want in self.wanted:
            want()

    def attach(self, place: str, stubs: str, document: dict[str, Any]) -> None:
        """Make the sources in a private tmpfs at `place`, and put the mounts into the runtime spec; in the monitor.

        What they are mounted on is made below the directory `stubs`, which is no part of a mounted overlay yet.
        """
        if not self.attached:
            return
        os.mkdir(place, 0o700)
        syscalls.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0700")
        syscalls.mount(None, place, None, kernel.MS_PRIVATE)
        for number, one in enumerate(self.attached):
            entry = one.make(f"{place}/{number}")
            _make_stub(f"{stubs}{posixpath.normpath(one.target)}", entry)
            document["mounts"].append({"destination": one.target, **entry})

    def close(self) -> None:
        """Let go of locks."""
        self.caches.release()


def _make_stub(path: str, entry: dict[str, Any]) -> None:
    """Make what a mount is mounted on: a directory or a file, as its source is."""
    if entry["type"] == "tmpfs" or os.path.isdir(entry["source"]):
        os.makedirs(path, 0o755, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    if not os.path.lexists(path):
        with open(path, "xb"):
            pass


def gather(build: Build, node: Node, state: State, instruction: Run) -> Gathering:
    """Settle the mounts of a RUN; waits for stages. Raises PodError for what cannot be had."""
    mounts = Mounts(stdin=build.options.stdin)
    try:
        if build.options.compatible_volumes:
            _volumes(build, mounts, state)
        for number, mount in enumerate((*build.options.mounts, *instruction.mounts)):
            wanted = mount.target or ("" if mount.type in ("secret", "ssh") else ".")
            target = posixpath.normpath(posixpath.join(state.workdir, wanted)) if wanted else ""
            match mount.type:
                case "bind":
                    root = yield from _tree(build, node, mounts, mount)
                    mounts.attached.append(Attached(target, _part(build, mount, root)))
                case "cache":
                    content = (yield from _tree(build, node, mounts, mount)) if mount.from_ else None
                    _cache(build, mounts, mount, target, content)
                case "tmpfs":
                    mounts.attached.append(Attached(target, _memory(mount)))
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
    mounts.attached.append(Attached(SCRIPT, _document(text.encode(), 0o755, 0, 0)))


def _tree(build: Build, node: Node, mounts: Mounts, mount: Mount) -> Generator[int | Needs, None, Opener]:
    """Settle the tree that a mount shows a part of; return what opens its root in the monitor, given a new path."""
    place: Place | str | None = build.options.contexts.get(mount.from_) if mount.from_ else build.options.context
    if isinstance(place, Place):
        try:
            mounts.digests.append((yield from _shown(build, place, mount.source)))
        except PodError as error:
            if not isinstance(error.__cause__, PermissionError):
                raise
            # Something in it is not this user's to read: a step that may do without it is done each time.
            mounts.digests.append(os.urandom(32).hex())
        mounts.keep_fds.append(place.root)
        return lambda _: _again(place)
    if place is None and not mount.from_:
        raise PodError("there is no build context to mount", hint="name a directory: pod build DIRECTORY")
    index = stages.find([one.stage for one in build.nodes[: node.stage.index]], mount.from_, build.options.contexts)
    if index is not None:
        yield Needs(index)
        layers, identity = build.state_of(index).layers, keys.of_layers(build.state_of(index))
    else:
        image = yield from build.image(node, mount.from_)
        layers, identity = build.layers(image), image.id
    mounts.digests.append(identity)
    return _layers(build, mounts, layers)


def _layers(build: Build, mounts: Mounts, layers: tuple[StepLayer, ...]) -> Opener:
    """Return what opens the root of layers, which are there when the step begins."""
    lowers: list[str] = []
    mounts.wanted.append(
        lambda: lowers.extend([*stack(build.engine.store, build.layer_keys(layers)), *_nothing(build.engine)])
    )
    return lambda path: _overlay(build.engine, lowers, f"{path}-from")


def _volumes(build: Build, mounts: Mounts, state: State) -> None:
    """Let what a RUN writes to the volumes of its image be thrown away (podman-build(1), --compat-volumes)."""
    if build.in_one_layer:
        raise PodError(
            "--compat-volumes goes with layers only", hint="leave out --squash, --squash-all, --layers=false"
        )
    paths = sorted(state.config.get("Volumes") or ())
    root = _layers(build, mounts, state.layers) if paths else None
    for path in paths:
        assert root is not None
        part = _part(build, Mount(text="", source=path, read_only=False), root)
        mounts.attached.append(Attached(path, _or_memory(part)))


def _or_memory(part: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """Return what mounts a part of a tree, or memory where the tree has nothing of the kind."""

    def make(path: str) -> dict[str, Any]:
        try:
            return part(path)
        except FileNotFoundError:
            return _memory(Mount(text="", mode=0o755))(path)

    return make


def _shown(build: Build, place: Place, source: str) -> Generator[int | Needs, None, str]:
    """Return what tells all that a mount of a context shows from other things: files that COPY ignores, owners too."""
    wanted = selection.Wanted(from_image=True, shown=place.shown)
    chosen = selection.select(place.root, [_MAGIC.sub(r"\\\g<0>", source) or "."], wanted)
    with suppress(StorageError):  # which the digest tells, too
        yield from read_ahead([chosen], build.known_digests)
    root = resolution.find(place.root, selection.normalized(source)).status
    return f"{digests.digest(chosen, build.known_digests)} {root.st_mode:o} {root.st_uid} {root.st_gid}"


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


def _part(build: Build, mount: Mount, root: Opener) -> Callable[[str], dict[str, Any]]:
    """Return what mounts that which lies at a path of a tree; what is written to it is thrown away."""
    source = f"/{selection.normalized(mount.source)}"

    def make(path: str) -> dict[str, Any]:
        tree = root(path)
        found = inroot.open_path(tree, source, os.O_PATH)
        os.close(tree)
        mode = os.fstat(found).st_mode
        if mount.read_only is False and stat.S_ISREG(mode):
            _copy(found, path)
            return _entry(path, read_only=False)
        if mount.read_only is False and stat.S_ISDIR(mode):
            for name in ("upper", "work"):
                os.makedirs(f"{path}-over/{name}", 0o755)
            lower = f"/proc/self/fd/{found}"
            os.close(_overlay(build.engine, [lower], path, upper=f"{path}-over"))
            return _entry(path, read_only=False)
        _clone(found, path, is_directory=stat.S_ISDIR(mode))
        return _entry(path, read_only=True)

    return make


def _copy(found: int, path: str) -> None:
    """Copy a file, with its owner where that may be had and its mode."""
    status = os.fstat(found)
    reader = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    copy_data(reader, writer)
    with suppress(OSError):
        os.fchown(writer, status.st_uid, status.st_gid)
    os.fchmod(writer, stat.S_IMODE(status.st_mode))
    for descriptor in (reader, writer, found):
        os.close(descriptor)


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


def _cache(build: Build, mounts: Mounts, mount: Mount, target: str, content: Opener | None) -> None:
    cache = mounts.caches.add(build.engine, mount, target)

    def make(path: str) -> dict[str, Any]:
        if content is not None and not os.path.isdir(cache.path):
            tree = content(path)
            cache.fill(inroot.open_path(tree, f"/{selection.normalized(mount.source)}", os.O_PATH | os.O_DIRECTORY))
            os.close(tree)
        return _entry(cache.path, read_only=bool(mount.read_only))

    mounts.attached.append(Attached(target, make))


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
        mounts.attached.append(Attached(target or f"{_SECRETS}/{name}", make))


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
    mounts.attached.append(Attached(target, lambda _: _entry(path, read_only=False)))
