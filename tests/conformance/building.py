"""The cases of test_builds.py: what is built how, by whom, and what may differ."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from tests.fixtures import debian, images, saved
from tests.fixtures.command import Pod
from tests.fixtures.saved import Saved

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "builds")
# The times of all files of contexts; what is younger than this was made by a build.
EPOCH = 1_600_000_000
YOUNG = 1_000_000 + EPOCH
_PYTHON = debian.Recipe(
    [
        debian.INSTALL.format(packages="python3"),
        "printf 'print(sum(range(10)))\\n' > /srv/app.py; ln /srv/app.py /srv/hard-link.py",
        "rm /srv/app.py; rm -rf /usr/share/doc; mkdir /usr/share/doc; echo new > /usr/share/doc/only",
    ],
    {"Entrypoint": ["python3"], "WorkingDir": "/srv"},
)
_CONFIG = (
    *("Env", "Cmd", "Entrypoint", "WorkingDir", "User", "Labels", "ExposedPorts", "Volumes", "Healthcheck"),
    *("OnBuild", "StopSignal", "Shell"),
)


@dataclass(frozen=True)
class Case:
    """A directory below builds/. `arguments` are those of `build`; {context} in them is the context's path.

    `lacks` says what an engine cannot do of it; with `buildkit` docker builds by its newer builder.
    """

    name: str
    arguments: tuple[str, ...] = ()
    buildkit: bool = False
    lacks: Mapping[str, str] = field(default_factory=dict)

    @property
    def image(self) -> str:
        """The name of the image, as archives have it."""
        return f"localhost/{self.name}:latest"


CASES = {
    case.name: case
    for case in (
        Case("01-python-service", buildkit=True),
        Case("02-node-front-end"),
        Case("03-static-binary", ("--build-arg", "VERSION=2.0"), buildkit=True),
        Case("04-apt-layers"),
        Case("05-non-root-user", ("--build-arg", "GID=3003")),
        Case("06-healthcheck"),
        Case("07-heredocs", lacks={"docker": "20.10 knows no heredocs"}),
        Case("08-onbuild", ("--build-arg", "EXTRA=given")),
        Case(
            "09-monorepo",
            (
                *("--build-context", "shared={context}/shared", "--build-context", "docs={context}/docs"),
                *("--build-context", "toolchain=container-image://localhost/busybox"),
            ),
            buildkit=True,
        ),
        Case("10-ignore-rules"),
        Case("11-arguments", ("--build-arg", "BASE=localhost/busybox", "--build-arg", "GIVEN=x y")),
        Case("12-environment"),
        Case("13-shells"),
        Case("14-volumes"),
        Case("15-working-directories"),
        Case("16-copy-flags", buildkit=True),
        Case("17-add-archives"),
        Case("18-run-mounts", ("--secret", "id=token,src={context}/token"), buildkit=True),
        Case("19-replaced-and-removed"),
        Case("20-entry-points"),
        Case("21-from-images", buildkit=True),
        Case("22-links-as-destinations"),
    )
}


@dataclass(frozen=True)
class Known:
    """A difference that is meant: of which case, to whom, in which line; these are patterns of fnmatch."""

    case: str
    peer: str
    line: str
    why: str


KNOWN = (
    Known("*", "podman", "/etc/hostname: missing / file", "podman leaves the file that it mounts on in the image"),
    Known("*", "docker", "/*: missing / directory", "BuildKit leaves the directories that it mounts on in the image"),
    Known("0[19]*", "podman", "/*: missing / directory", "podman leaves the directories above those that it mounts on"),
    Known("18*", "podman", "/*: missing / directory", "the same"),
    Known(
        "05*",
        "docker",
        "printed: *",
        "docker's WORKDIR makes the directory, and root's whatever USER says; podman's RUN",
    ),
    Known("05*", "docker", "/srv/app*: owner: *", "the same"),
    Known("06*", "docker", "config: Healthcheck: *", "docker's classic builder merges with what is below, podman not"),
    Known("07*", "podman", "/copied/empty: *", "podman 5.4 puts a line's end into an empty document"),
    Known(
        "07*",
        "podman",
        "/copied/one.txt: *",
        "podman 5.4 keeps the backslash of \\$ in documents; the reference does not",
    ),
    Known("09*", "docker", "/docs/pages: mtime: 1600000000 / now", "docker's own Containerfile removes a file there"),
    Known(
        "10*", "*", "/*: mtime: 1600000000 / now", "directories left out, of which files are taken in, keep their times"
    ),
    Known("10*", "docker", "/some/*: file / missing", "docker takes nothing by a pattern with a slash at its end"),
    Known("10*", "docker", "/list: *", "the same"),
    Known("10*", "docker", "printed: *", "the same"),
    Known("11*", "*", "/first: *", "an ARG sees those before it in one instruction, as with today's BuildKit"),
    Known("11*", "*", "/second: *", "a stage has the ARGs of the stage below, as with today's BuildKit"),
    Known("11*", "docker", "/platform: *", "docker's classic builder knows no platforms"),
    Known("11*", "*", "printed: *", "the three above"),
    Known("14*", "docker", "/data/during: file / missing", "docker gives up what RUN writes to a volume, podman not"),
    Known("14*", "docker", "printed: *", "the same"),
    Known("15*", "*", "config: WorkingDir: '/double/slash' / '//double//slash*", "slashes are not doubled"),
    Known("16*", "*", "/excluded/*: mtime: *", "the other Containerfile removes files there"),
    Known("16*", "*", "/no-text/*: mtime: *", "the same"),
    Known("16*", "*", "/parents/*: m*", "the other Containerfile makes directories anew that --parents copies"),
    Known("16*", "*", "/wild/*: m*", "the same"),
    Known("16*", "docker", "/*: mtime: *", "BuildKit gives new times to directories with others in them"),
    Known("16*", "docker", "/*deep: mode: *", "BuildKit keeps set-group-ID bits of directories, podman not"),
    Known("16*", "docker", "/modes/*: mode: *", "BuildKit drops set-user-ID bits of --chmod, podman not"),
    Known("16*", "docker", "/*/fifo: fifo / missing", "BuildKit copies no FIFO"),
    Known("16*", "docker", "printed: *", "the same"),
    Known(
        "17*",
        "docker",
        "/owned: owner: *",
        "docker's --chown says nothing of archives, podman's whose the destination is",
    ),
    Known("17*", "podman", "/owned: owner: (21, 22) / (31, 32)", "as below"),
    Known(
        "17*", "*", "/*: owner: (0, 0) / (31, 32)", "podman lets an archive's own ./ change the destination, docker not"
    ),
    Known("17*", "*", "/*: mtime: now / 1500000000", "the same"),
    Known(
        "20*",
        "podman",
        "config: ExposedPorts: *",
        "podman 5.4 puts ranges of ports into the image; the specification has none",
    ),
    Known("20*", "docker", "config: author: *", "docker forgets MAINTAINER at the next stage"),
    Known("22*", "*", "/dangling: *", "a link to nothing is replaced; podman makes a directory there, docker a file"),
    Known("22*", "*", "/nothing*: missing / *", "the same"),
    Known("22*", "*", "printed: *", "the same"),
    Known("22*", "docker", "/to-file: *", "docker writes through a link to a file, podman replaces it"),
    Known("22*", "docker", "/real/old: *", "the same"),
)


@dataclass(frozen=True)
class Built:
    """What an engine made of a case: the image and what it printed, or else why there is none."""

    image: Saved | None
    printed: str = ""
    error: str = ""
    other_file: bool = False  # from a Containerfile of this engine's own


def write_bases(path: str) -> None:
    """Write the images that the cases stand on."""
    bases = {
        "busybox": images.busybox(),
        "debian": debian.image(debian.RECIPES["debian"]),
        "python": debian.image(_PYTHON),
    }
    saved.write(path, {f"localhost/{name}:latest": image for name, image in bases.items()})


def prepare(case: Case, place: str) -> None:
    """Copy a case's directory below `place`, and make what git does not keep."""
    context = os.path.join(place, case.name)
    shutil.copytree(os.path.join(HERE, case.name), context, symlinks=True)
    script = os.path.join(context, "prepare.sh")
    if os.path.exists(script):
        subprocess.run(["sh", "-e", script], cwd=context, check=True, capture_output=True)
        os.unlink(script)
    for path, names, files in os.walk(context, topdown=False):
        for name in (*names, *files):
            os.utime(os.path.join(path, name), (EPOCH, EPOCH), follow_symlinks=False)
    os.utime(context, (EPOCH, EPOCH))


def build_all(name: str, builder: Pod, cases: Sequence[Case], place: str, archive: str) -> dict[str, Built]:
    """Build all cases with an engine, run what came of it, and read that back."""
    builder.run("load", "-i", archive, timeout=120)
    done = {case.name: _build(name, builder, case, os.path.join(place, case.name)) for case in cases}
    good = [case for case in cases if not done[case.name].error]
    if not good:
        return done
    path = os.path.join(builder.home, "saved.tar")
    several = [] if name == "docker" else ["-m"]
    builder.run("save", *several, "-o", path, *(case.image for case in good), timeout=120)
    for name, image in saved.read(path, [case.image for case in good]).items():
        case_name = name.removeprefix("localhost/").removesuffix(":latest")
        done[case_name] = replace(done[case_name], image=image)
    os.unlink(path)
    return done


def _build(name: str, builder: Pod, case: Case, context: str) -> Built:
    if name in case.lacks:
        return Built(None, error=case.lacks[name])
    words = ["build", "--network", "none"]
    if name != "docker":
        words += ["--format", "docker", "--pull=never"]
    environment = {"DOCKER_BUILDKIT": "1" if case.buildkit else "0"}
    own = _own_file(name, context)
    parent = os.path.join(context, "Containerfile.parent")
    if os.path.exists(parent):
        builder.run(*words, "-t", f"localhost/{case.name[3:]}-parent", "-f", parent, context, env=environment)
    arguments = [argument.format(context=context) for argument in case.arguments]
    if name == "docker":
        arguments = _without_contexts(arguments)
    made = builder.run(
        *(*words, "-t", case.image, "-f", own, *arguments, context), env=environment, check=False, timeout=120
    )
    if made.code:
        return Built(None, error=f"exit code {made.code}: {made.stdout[-1500:]}{made.stderr[-1500:]}")
    ran = builder.run("run", "--rm", "--network", "none", case.image, check=False)
    printed = f"{ran.stdout}{ran.stderr}exit code {ran.code}"
    return Built(None, printed, other_file=own != os.path.join(context, "Containerfile"))


def _own_file(name: str, context: str) -> str:
    endings = {"docker": (".docker", ".peers", ""), "podman": (".podman", ".peers", "")}.get(name, ("",))
    return next(path for end in endings if os.path.exists(path := os.path.join(context, f"Containerfile{end}")))


def _without_contexts(arguments: Sequence[str]) -> list[str]:
    """Leave --build-context out, which docker 20.10 does not know."""
    pairs = zip(arguments[::2], arguments[1::2], strict=True)
    return [word for pair in pairs if pair[0] != "--build-context" for word in pair]


def differences(case: Case, ours: Built, theirs: Built, peer: str) -> list[str]:
    """Return what differs between pod's image and a peer's, without what is known to."""
    known = [one for one in KNOWN if fnmatch.fnmatch(case.name, one.case) and fnmatch.fnmatch(peer, one.peer)]
    return [
        line for line in _all_differences(case, ours, theirs, peer)
        if not any(fnmatch.fnmatchcase(line, one.line) for one in known)
    ]  # fmt: skip


def _all_differences(case: Case, ours: Built, theirs: Built, peer: str) -> Iterator[str]:
    assert ours.image is not None
    if theirs.image is None:
        yield f"failed: {theirs.error}"
        return
    if ours.printed != theirs.printed:
        yield f"printed: {ours.printed!r} / {theirs.printed!r}"
    yield from _of_configs(ours.image.config, theirs.image.config)
    if peer != "docker" and not theirs.other_file:  # docker has layers for other steps
        yield from _of_histories(ours.image, theirs.image)
    yield from _of_trees(ours.image.tree, theirs.image.tree)


def _of_configs(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for key in ("architecture", "os", "variant", "author"):
        if (ours.get(key) or "") != (theirs.get(key) or ""):
            yield f"config: {key}: {ours.get(key)!r} / {theirs.get(key)!r}"
    for key in _CONFIG:
        mine, other = (document["config"].get(key) or None for document in (ours, theirs))
        if key == "Labels" and other:
            other = {name: value for name, value in other.items() if name != "io.buildah.version"} or None
        if key == "Env":  # podman moves what ENV changes to the end
            mine, other = sorted(mine or ()), sorted(other or ())
        if mine != other:
            yield f"config: {key}: {mine!r} / {other!r}"


def _of_histories(ours: Saved, theirs: Saved) -> Iterator[str]:
    if ours.layers != theirs.layers:
        yield f"layers: {ours.layers} / {theirs.layers}"
    mine, other = ([bool(one.get("empty_layer")) for one in image.config["history"]] for image in (ours, theirs))
    if mine != other:
        yield f"history: {mine} / {other}"


def _of_trees(ours: saved.Tree, theirs: saved.Tree) -> Iterator[str]:
    for path in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(path), theirs.get(path)
        if mine is None or other is None:
            yield f"/{path}: {'missing' if mine is None else mine.kind} / {'missing' if other is None else other.kind}"
            continue
        for one in fields(mine):
            if one.name == "inode":
                continue
            values = [getattr(file, one.name) for file in (mine, other)]
            if one.name == "mtime":
                values = [value if value < YOUNG else "now" for value in values]
            if values[0] != values[1]:
                shown = [oct(value) if one.name == "mode" else value for value in values]
                yield f"/{path}: {one.name}: {shown[0]} / {shown[1]}"


def show(made: Mapping[str, Mapping[str, Built]], cases: Sequence[Case], writer: TerminalWriter) -> None:
    """Print a row for each case: what came of the comparison with each peer."""
    peers = [name for name in made if name != "pod"]
    writer.line()
    writer.line(f"| Containerfile | {' | '.join(peers)} |")
    writer.line("|---" * (len(peers) + 1) + "|")
    for case in cases:
        cells = [_cell(case, made["pod"][case.name], made[peer][case.name], peer) for peer in peers]
        writer.line(f"| {case.name} | {' | '.join(cells)} |")
    for known in KNOWN:
        writer.line(f"known: {known.case}, {known.peer}: {known.line}: {known.why}")


def _cell(case: Case, ours: Built, theirs: Built, peer: str) -> str:
    if peer in case.lacks:
        return case.lacks[peer]
    if ours.image is None:
        return "pod fails"
    if differences(case, ours, theirs, peer):
        return "differs"
    known = len(list(_all_differences(case, ours, theirs, peer)))
    return f"same but {known} known" if known else "same"
