"""RUN --mount: what each asks for, settled before the step, and how the step's monitor makes it.

All sources lie in a tmpfs that only the monitor's mount namespace has, so nothing of them is left after the step or can
get into a layer; what they are mounted on is in a directory below all layers, for the same reason.
Source: the Dockerfile reference, RUN --mount.
"""

from __future__ import annotations

import os
import posixpath
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pod.build.asked.options import Place
from pod.build.cache import keys
from pod.build.context import digests, resolution, selection
from pod.build.context.known import KnownDigests
from pod.build.language.instructions import ExecForm, Mount
from pod.build.mounts import ordering
from pod.build.mounts.caches import Caches
from pod.build.mounts.trees import Layers, attach, clone, entry, open_context, part, restrictions
from pod.build.stages import graph
from pod.build.stages.scheduling import Needs
from pod.build.steps import own_users
from pod.build.steps.own_users import HOST, Ids
from pod.build.steps.reading import read_ahead, read_layers
from pod.errors import PodError
from runtime import inroot, kernel, syscalls
from storage.errors import StorageError
from storage.rootfs import stack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from pod.build.building import Build
    from pod.build.language.instructions import Run
    from pod.build.mounts.agents import Agent
    from pod.build.mounts.trees import Maker, Opener
    from pod.build.stages.evaluation import State, StepLayer
    from pod.build.stages.graph import Node

    Gathering = Generator[int | Needs, None, "Mounts"]
    Reading = Callable[[], Generator[int | Needs, None, str]]

_SCRIPT = "/dev/pipes/script"
_SECRETS = "/run/secrets"
_AGENT = "/run/buildkit/ssh_agent.{}"
_EVERYBODY = 0o1777
_MAGIC = re.compile(r"[*?\[\\]")  # which a mount takes as it is


@dataclass
class Attached:
    """One mount: where to, and what makes its source in the monitor, given a new path and for whom."""

    target: str
    make: Maker


@dataclass
class Mounts:
    """The mounts of a step, what they come to in its key, and what must be held until its end.

    `env` are variables that only its process has: a secret is to be in no document of the container.
    """

    attached: list[Attached] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    contents: dict[int, Reading] = field(default_factory=dict)  # give other ones for digests: by what is shown alone
    env: dict[str, str] = field(default_factory=dict)
    stdin: int = -1  # what the process reads from; by itself nothing
    keep_fds: list[int] = field(default_factory=list)
    caches: Caches = field(default_factory=Caches)
    wanted: list[Callable[[], None]] = field(default_factory=list)
    layers: list[Layers] = field(default_factory=list)
    ids: Ids = HOST
    agents: list[Agent] = field(default_factory=list)

    def show_to(self, ids: Ids) -> None:
        """Say who the step's users are, before it begins."""
        self.ids = ids
        for agent in self.agents:
            agent.begin(ids)
        for layers in self.layers if ids else ():
            layers.show_to(ids)
        self.caches.show_to(ids)

    def other_digests(self) -> Generator[int | Needs, None, list[str]]:
        """Return digests that tell only of what is shown, where that is a part of a stage; it is read for it.

        Raises LostError.
        """
        found = list(self.digests)
        for number, read in self.contents.items():
            with suppress(StorageError):  # what cannot be read, the step itself tells of
                found[number] = yield from read()
        return found

    @property
    def mapped_fds(self) -> list[int]:
        """The mounts with mapped owners that the monitor needs."""
        return [descriptor for layers in self.layers for descriptor in layers.mapped]

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
        added = []
        for number, one in enumerate(self.attached):
            made = one.make(f"{place}/{number}", self.ids)
            _make_stub(f"{stubs}{posixpath.normpath(one.target)}", made)
            added.append({"destination": one.target, **made})
        document["mounts"] = ordering.joined(document["mounts"], added)

    def close(self) -> None:
        """Let go of agents, locks and mounts."""
        for agent in self.agents:
            agent.end()
        self.caches.release()
        for descriptor in self.mapped_fds:
            os.close(descriptor)
        self.layers = []


def _make_stub(path: str, made: dict[str, Any]) -> None:
    """Make what a mount is mounted on: a directory or a file, as its source is."""
    if made["type"] == "tmpfs" or os.path.isdir(made["source"]):
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
                    mounts.attached.append(Attached(target, part(build.engine, mount, root)))
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


def words(mounts: Mounts, state: State, instruction: Run) -> list[str]:
    """Return the words of a RUN's program, which is mounted if it is a document of the Containerfile."""
    command, document = instruction.command, instruction.script
    if isinstance(command, ExecForm):
        return list(command.words)
    if document is not None and document.body.startswith("#!"):
        mounts.attached.append(Attached(_SCRIPT, _document(document.body.encode(), 0o755, 0, 0)))
        return [_SCRIPT]
    return [*state.shell, instruction.shell_text]


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
        return lambda path, ids: open_context(place, path, ids)
    if place is None and not mount.from_:
        raise PodError("there is no build context to mount", hint="name a directory: pod build DIRECTORY")
    index = graph.origin(build.nodes, node, mount.from_, build.options.contexts)
    if index is not None:
        yield Needs(index)
        layers, identity = build.state_of(index).layers, keys.of_layers(build.state_of(index))
    else:
        image = yield from build.image(node, mount.from_)
        layers, identity = build.layers(image), image.id
    mounts.digests.append(identity)
    if selection.normalized(mount.source):
        mounts.contents[len(mounts.digests) - 1] = _reading(build, layers, mount.source)
    return _layers(build, mounts, layers)


def _reading(build: Build, layers: tuple[StepLayer, ...], source: str) -> Reading:
    """Return what reads the part of layers that a mount shows, and tells it from others."""

    def content(root: int) -> str:
        return _digest(_selected(root, source, ""), source, KnownDigests())

    def read() -> Generator[int | Needs, None, str]:
        return (yield from read_layers(build.engine, build.layer_keys(layers), content))

    return read


def _layers(build: Build, mounts: Mounts, layers: tuple[StepLayer, ...]) -> Opener:
    """Return what opens the root of layers, which are there when the step begins."""
    found = Layers(build.engine)
    mounts.wanted.append(lambda: found.plain.extend(stack(build.engine.store, build.layer_keys(layers))))
    mounts.layers.append(found)
    return found.open_root


def _volumes(build: Build, mounts: Mounts, state: State) -> None:
    """Let what a RUN writes to the volumes of its image be thrown away (podman-build(1), --compat-volumes)."""
    if build.in_one_layer:
        raise PodError(
            "--compat-volumes goes with layers only", hint="leave out --squash, --squash-all, --layers=false"
        )
    for path in sorted(state.config.get("Volumes") or ()):
        root = _layers(build, mounts, state.layers)
        shown = part(build.engine, Mount(text="", source=path, read_only=False), root)
        mounts.attached.append(Attached(path, _or_memory(shown)))


def _or_memory(shown: Maker) -> Maker:
    """Return what mounts a part of a tree, or memory where the tree has nothing of the kind."""

    def make(path: str, ids: Ids) -> dict[str, Any]:
        try:
            return shown(path, ids)
        except FileNotFoundError:
            return _memory(Mount(text="", mode=0o755))(path, ids)

    return make


def _shown(build: Build, place: Place, source: str) -> Generator[int | Needs, None, str]:
    """Return what tells all that a mount of a context shows from other things: files that COPY ignores, owners too."""
    chosen = _selected(place.root, source, place.shown)
    with suppress(StorageError):  # which the digest tells, too
        yield from read_ahead([chosen], build.known_digests)
    return _digest(chosen, source, build.known_digests)


def _selected(root: int, source: str, shown: str) -> selection.Selection:
    wanted = selection.Wanted(from_image=True, shown=shown)
    return selection.select(root, [_MAGIC.sub(r"\\\g<0>", source) or "."], wanted)


def _digest(chosen: selection.Selection, source: str, known: KnownDigests) -> str:
    top = resolution.find(chosen.root, selection.normalized(source)).status
    return f"{digests.digest(chosen, known)} {top.st_mode:o} {top.st_uid} {top.st_gid}"


def _cache(build: Build, mounts: Mounts, mount: Mount, target: str, content: Opener | None) -> None:
    cache = mounts.caches.add(build.engine, mount, target)

    def make(path: str, ids: Ids) -> dict[str, Any]:
        if content is not None and not os.path.isdir(cache.path):
            tree = content(path, HOST)  # as they are kept
            cache.fill(inroot.open_path(tree, f"/{selection.normalized(mount.source)}", os.O_PATH | os.O_DIRECTORY))
            os.close(tree)
        if not ids.can_map:
            return entry(cache.path, read_only=bool(mount.read_only), more=restrictions(mount))
        directory = os.open(cache.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        attach(own_users.clone(directory, ids), f"{path}-cache", is_directory=True)
        os.close(directory)
        return entry(f"{path}-cache", read_only=bool(mount.read_only), more=restrictions(mount))

    mounts.attached.append(Attached(target, make))


def _memory(mount: Mount) -> Maker:
    mode = _EVERYBODY if mount.mode is None else mount.mode
    options = ["nosuid", "nodev", f"mode={mode:o}"]
    options += [f"size={mount.size}"] if mount.size else []
    options += ["ro"] if mount.read_only else []
    options += [*restrictions(mount), *(["tmpcopyup"] if "tmpcopyup" in mount.options else [])]
    return lambda _path, _ids: {"type": "tmpfs", "source": "tmpfs", "options": options}


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


def _document(data: bytes, mode: int, uid: int, gid: int) -> Maker:
    def make(path: str, ids: Ids) -> dict[str, Any]:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            os.fchown(descriptor, *ids.of(uid, gid))
            os.fchmod(descriptor, mode)
        return entry(path, read_only=True)

    return make


def _ssh(build: Build, mounts: Mounts, mount: Mount, target: str, number: int) -> None:
    name = mount.id or mount.source or "default"
    path = build.options.agents.get(name)
    if path is None:
        if mount.required:
            raise PodError(f"no ssh agent with id {name} found", hint=f"--ssh {name}=SOCKET, with a running ssh-agent")
        return
    from pod.build.mounts.agents import Agent

    target = target or _AGENT.format(number)
    mounts.env.setdefault("SSH_AUTH_SOCK", target)
    agent = Agent(path, mount, build.engine.store)
    mounts.agents.append(agent)

    def make(path: str, _ids: Ids) -> dict[str, Any]:
        clone(os.open(agent.socket, os.O_PATH | os.O_CLOEXEC), path, is_directory=False)
        return entry(path, read_only=False)

    mounts.attached.append(Attached(target, make))
