"""What a build is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pod.build.asked.outcome import Outcome
from pod.build.asked.source_policy import SourcePolicy
from pod.build.asked.times import Times
from pod.build.cache.registries import Repositories

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from pod.build.asked.outputs import Output
    from pod.build.context.ignore_files import Ignored
    from pod.build.context.opening import Workshop
    from pod.build.language.instructions import Containerfile, Mount
    from pod.build.stages.scheduling import Needs
    from pod.containers.create import CreateOptions
    from storage.image_signatures import Signature
    from storage.images import Image
    from storage.platform import Platform

    # Gets the image of a name for a platform, keeps it for an owner if it had to be pulled, and tells how that goes on.
    FindImage = Callable[[str, Platform | None, str, Callable[[str], None]], Generator[int | Needs, None, Image]]

    # Signs a manifest under full names.
    Signing = Callable[[bytes, Sequence[str]], tuple[Signature, ...]]


@dataclass(frozen=True)
class Place:
    """A context: the open directory that COPY and ADD take files from, and how the user calls it."""

    root: int
    shown: str
    ignored: Ignored


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What a build is asked for; `find_image` gets the image of a name, `prepare` adds to the container of a RUN."""

    containerfile: Containerfile
    context: Place | None
    workshop: Workshop  # for what ADD gets from elsewhere
    find_image: FindImage
    prepare: Callable[[CreateOptions], None]
    platforms_of: Callable[[str], Sequence[Platform]] = lambda _: ()  # of an image's name
    names: tuple[str, ...] = ()
    target: str = ""
    platform: Platform | None = None  # None: that of the images below
    platforms: tuple[Platform, ...] = ()  # to build for, in place of the one
    all_platforms: bool = False  # those that the images below have
    manifest: str = ""  # the list that gets what is built
    keeper: str = ""  # by what name the image is kept after the build (pod/build/holding.py)
    shown_platform: str = ""  # where several are built for
    os_version: str = ""
    os_features: tuple[str, ...] = ()  # one that ends with "-" is taken away
    arguments: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Place | str] = field(default_factory=dict)  # by name; a text names an image
    policy: SourcePolicy = field(default_factory=SourcePolicy)  # on the images that are named
    secrets: Mapping[str, bytes] = field(default_factory=dict)  # by ID
    agents: Mapping[str, str] = field(default_factory=dict)  # sockets of ssh agents, by ID
    mounts: tuple[Mount, ...] = ()  # which each RUN has
    allowed: frozenset[str] = frozenset()  # see pod.build.asked.entitlements
    stdin: int = -1  # a descriptor that RUN reads from
    compatible_volumes: bool = False  # what a RUN writes to a VOLUME is thrown away
    unused_stages: bool = False  # are built, too
    base: str = ""  # in place of what the first FROM names
    sign: Signing | None = None
    format: str = "oci"
    network: str = ""
    layers: bool = True
    squash: bool = False
    squash_all: bool = False
    cache: bool = True
    cache_since: float = 0.0
    begin: Callable[[Platform], None] = lambda platform: None  # called when the build for a platform begins
    check: Callable[[int], None] = lambda platforms: None  # says what makes no sense of a number of platforms
    outputs: tuple[Output, ...] = ()
    repositories: Repositories = field(default_factory=Repositories)  # further caches, in registries
    times: Times = field(default_factory=Times)
    jobs: int = 0  # 0: as many stages as there are
    outcome: Outcome = field(default_factory=Outcome)
    environment: tuple[tuple[str, str], ...] = ()
    # What else is said of the containers of RUN, for the keys of their results.
    surroundings: tuple[tuple[str, str], ...] = ()
