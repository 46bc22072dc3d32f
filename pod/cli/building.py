"""What `build` does before there is a build: the Containerfile, the context, the image that it stands on."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from pod import download, environ, values
from pod.build.asked import entitlements, secrets, source_policy
from pod.build.asked.options import BuildOptions, Place
from pod.build.asked.source_policy import SourcePolicy
from pod.build.asked.times import with_epoch
from pod.build.context import archives, ignore_files, named, opening
from pod.build.context.opening import Workshop
from pod.build.language.mounts import parse_mount
from pod.build.steps import own_users
from pod.cli import base_images, containerfiles, flags, step_caches
from pod.cli.outcome import AskedOutcome
from pod.containers import hooks
from pod.containers.create import CreateOptions
from pod.errors import PodError
from pod.times import parse_duration
from storage import gc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pod.build.asked.options import Signing
    from pod.build.language.instructions import Mount
    from pod.engine import Engine

FORMATS = ("oci", "docker")
_ISOLATIONS = ("oci", "rootless", "chroot")


class Asked:
    """What the flags say."""

    def __init__(self) -> None:
        self.context = ""
        self.files: list[str] = []
        self.cpp_flags: list[str] = []
        self.registry: dict[str, Any] = {}
        self.platform: dict[str, str] = {}
        self.quiet = False
        self.progress = "auto"
        self.signature_policy = self.source_policy = ""
        self.run_flags: dict[str, Any] = {}  # of the containers of RUN, as the groups of pod.cli.flags have them
        self.isolation = ""
        self.users = own_users.Wanted()  # of RUN
        self.settings: dict[str, Any] = {}  # global options that stand after the command
        self.unused_stages = self.compatible_volumes = self.reads_stdin = False
        self.allowed: list[str] = []
        self.run_mounts: list[str] = []
        self.argument_files: list[str] = []
        self.contexts: list[str] = []
        self.cache_ttl = ""
        self.cache_from: list[str] = []
        self.cache_to: list[str] = []
        self.annotations: list[str] = []
        self.arguments: list[str] = []
        self.labels: list[str] = []
        self.environment: list[str] = []
        self.no_environment: list[str] = []
        self.names: list[str] = []
        self.platforms: list[str] = []
        self.all_platforms = False
        self.manifest = self.os_version = ""
        self.os_features: list[str] = []
        self.secrets: list[str] = []
        self.agents: list[str] = []
        self.format = self.base = self.ignorefile = self.network = self.target = ""
        self.pull = "missing"
        self.jobs = 0
        self.layers = self.cache = True
        self.squash = self.squash_all = False
        self.sign_by = ""  # a key of gpg
        self.outcome = AskedOutcome()


@contextmanager
def options_of(engine: Engine, asked: Asked) -> Iterator[BuildOptions]:
    """Read the Containerfile, open the context; yield what to build. Raises PodError."""
    format = asked.format or environ.value("BUILDAH_FORMAT") or "oci"
    if format not in FORMATS:
        raise PodError(f'unrecognized image type "{format}"', hint="known are oci and docker")
    arguments = _arguments([*_argument_lines(asked.argument_files), *asked.arguments])
    with ExitStack() as stack:
        stack.callback(gc.empty_trash, engine.store)
        place = stack.enter_context(engine.store.staging()).path
        unpacking = archives.options(rootless=engine.config.rootless, single_id=engine.single_id)
        workshop = Workshop(place, environ.variables(), unpacking)
        opened = stack.enter_context(opening.open_context(_word(asked), workshop))
        yield BuildOptions(
            containerfile=containerfiles.read(asked.files, opened, asked.cpp_flags),
            context=_place(opened, asked) if opened.containerfile is None else None,
            workshop=workshop,
            contexts=dict(_context(stack, text, workshop) for text in asked.contexts),
            policy=_policy(asked.source_policy),
            find_image=base_images.finder(engine, asked),
            platforms_of=base_images.offered(engine, asked),
            **base_images.platforms(asked),
            prepare=_preparation(asked),
            **_steps(asked),
            cache_since=_since(asked.cache_ttl),
            repositories=step_caches.repositories(engine, asked),
            names=tuple(asked.names),
            secrets=secrets.parse(asked.secrets),
            agents=secrets.agents(asked.agents),
            target=asked.target,
            arguments=with_epoch(arguments, asked.outcome.epoch),
            times=asked.outcome.times(arguments),
            outputs=asked.outcome.where,
            base=asked.base,
            sign=_signing(asked.sign_by),
            format=format,
            network=asked.network or ("host" if _isolation(asked) == "chroot" else ""),
            layers=asked.layers,
            squash=asked.squash,
            squash_all=asked.squash_all,
            cache=asked.cache,
            jobs=asked.jobs,
            outcome=asked.outcome.settled(asked.labels, asked.annotations, asked.no_environment),
            environment=tuple(values.parse_env(asked.environment, environ.variables()).items()),
            surroundings=_surroundings(asked, engine.config.hooks_dirs),
        )


def _policy(path: str) -> SourcePolicy:
    """Return what --source-policy-file says. Raises PodError."""
    if not path:
        return SourcePolicy()
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return source_policy.parse(file.read())
    except OSError as error:
        reason = f'reading source policy file "{path}": open {path}: {(error.strerror or "").lower()}'
        raise PodError(f"loading source policy: {reason}") from error


def _signing(key: str) -> Signing | None:
    """Return what signs the image by a key of gpg. Raises StorageError if there is none."""
    if not key:
        return None
    from pod.images import signing

    return signing.of_images(key)


def _since(ttl: str) -> float:
    """Return since when a step must have been made to be taken from a cache. Raises PodError."""
    if not ttl:
        return 0.0
    try:
        age = parse_duration(ttl) / 1e9
    except ValueError as error:
        raise PodError(f'invalid argument "{ttl}" for "--cache-ttl" flag: {error}', hint="30s, 5m or 1h30m") from None
    if age < 0:
        raise PodError(f'invalid argument "{ttl}" for "--cache-ttl" flag: it is negative', hint="30s, 5m or 1h30m")
    return time.time() - age


def _word(asked: Asked) -> str:
    """Return what names the context: the argument, else the directory of the Containerfile."""
    if asked.context:
        return asked.context
    found = [name for name in asked.files if not download.is_url(name)]
    if not found:
        raise PodError("no context directory and no Containerfile specified")
    return os.path.dirname(os.path.abspath(found[0])) if found[0] != "-" else os.getcwd()


def _place(opened: opening.Context, asked: Asked) -> Place:
    """Return the context with the rules of what is left out of it."""
    files = [name for name in asked.files if name != "-" and not download.is_url(name)]
    outside, inside = (
        ([], files or list(containerfiles.NAMES)) if opened.private else (files, list(containerfiles.NAMES))
    )
    found = ignore_files.find(opened.fd, opened.shown, ignorefile=asked.ignorefile, beside=outside, inside=inside)
    return Place(opened.fd, opened.shown, found)


def _arguments(items: list[str]) -> dict[str, str]:
    """Return the values of --build-arg; a name alone has that of the environment."""
    found = {}
    for item in items:
        name, equals, value = item.partition("=")
        if equals or name in os.environ:
            found[name] = value if equals else os.environ[name]
    return found


def _steps(asked: Asked) -> dict[str, Any]:
    """Return what is said of all steps. Raises PodError."""
    if asked.reads_stdin and "-" in (asked.context, *asked.files):
        raise PodError("--stdin: stdin is read for the context or the Containerfile", hint="name files for these")
    return {
        "mounts": tuple(_mount(text) for text in asked.run_mounts),
        "allowed": entitlements.parse(asked.allowed),
        "stdin": os.dup(0) if asked.reads_stdin else -1,
        "compatible_volumes": asked.compatible_volumes,
        "unused_stages": asked.unused_stages,
    }


def _mount(text: str) -> Mount:
    if not text:
        raise PodError('invalid value "" for --mount', hint="write type=cache,target=/cache")
    return parse_mount(text)


def _isolation(asked: Asked) -> str:
    """Return how RUN is kept apart. Raises PodError."""
    said = asked.isolation or environ.value("BUILDAH_ISOLATION")
    if said.lower() in ("", "default"):
        return "oci"
    if said.lower() not in _ISOLATIONS:
        raise PodError(f'unrecognized isolation type "{said}"', hint=f"known are {', '.join(_ISOLATIONS)}")
    return said.lower()


def _preparation(asked: Asked) -> Callable[[CreateOptions], None]:
    """Return what adds the flags on the containers of RUN to each of them. Raises PodError for what makes no sense."""

    def prepare(options: CreateOptions) -> None:
        if _isolation(asked) == "chroot":
            options.namespaces |= {"pid": "host", "ipc": "host", "uts": "host", "cgroup": "host"}
        asked.users.apply(options)
        flags.apply(flags.STEPS, asked.run_flags, options)

    prepare(CreateOptions())  # says now what is wrong
    return prepare


def _surroundings(asked: Asked, hooks_dirs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return what the flags say of the containers of RUN: a step's result under others may be another.

    Raises PodError for hooks that are none.
    """
    said = {**asked.run_flags, "isolation": _isolation(asked), "compat_volumes": asked.compatible_volumes}
    said |= asked.users.seen()
    if hooks_dirs:
        said["hooks"] = [vars(hook) for hook in hooks.read(hooks_dirs)]
    if asked.reads_stdin:
        said["stdin"] = os.urandom(32).hex()  # nobody knows what will come from it
    return tuple((name, json.dumps(value)) for name, value in sorted(said.items()))


def _argument_lines(paths: list[str]) -> Iterator[str]:
    """Yield NAME=value of each line of --build-arg-file that is not a comment."""
    for path in paths:
        for line in containerfiles.read_file(path).splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield line


def _context(stack: ExitStack, text: str, workshop: Workshop) -> tuple[str, Place | str]:
    """Return name and place of --build-context: what COPY --from finds, or the name of an image."""
    context = named.parse(text)
    if context.layout:
        return context.name, f"oci:{context.layout}"
    if context.image:
        return context.name, context.image
    return context.name, _place(stack.enter_context(opening.open_context(context.opened, workshop)), Asked())
