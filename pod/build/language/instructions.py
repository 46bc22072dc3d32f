"""The instructions of a Containerfile as data.

The fields hold what is written, variables and quotes included: `expanding.expanded` gives an instruction with them
replaced. Durations are nanoseconds, as in an image's configuration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pod.build.language.heredocs import is_whole

if TYPE_CHECKING:
    from pod.build.language.errors import Notice
    from pod.build.language.origins import Piece

_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)


@dataclass(frozen=True)
class Heredoc:
    """A document that is written in the Containerfile itself: `<<name`, lines, name."""

    name: str
    content: str
    # No part of the name is quoted: COPY and ADD replace variables in the content.
    expand: bool = True
    # Written `<<-`.
    strip_tabs: bool = False

    @property
    def body(self) -> str:
        """Return the content as the reader of the document gets it."""
        return _LEADING_TABS.sub("", self.content) if self.strip_tabs else self.content


@dataclass(frozen=True)
class ShellForm:
    """A command that the shell of the image takes apart."""

    text: str


@dataclass(frozen=True)
class ExecForm:
    """A command as a JSON array: executed as it is."""

    words: tuple[str, ...]


Command = ShellForm | ExecForm


@dataclass(frozen=True)
class Mount:
    """RUN --mount. An option that is not given is None or empty, so that its default is its user's to choose.

    A bind, cache or tmpfs without a target is at the working directory, as a relative one is below it (BuildKit).
    A mount with variables in it (`has_variables`) has only those fields set that need none.
    """

    text: str
    type: str = "bind"
    target: str = ""
    source: str = ""
    from_: str = ""
    id: str = ""
    # None: read-only for bind, secret and ssh, writable for cache and tmpfs.
    read_only: bool | None = None
    # shared, private or locked.
    sharing: str = ""
    required: bool = False
    env: str = ""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    # What podman takes beside Docker's options: z, Z, U, nosuid, rshared …
    options: tuple[str, ...] = ()
    has_variables: bool = False


@dataclass(frozen=True)
class Device:
    """RUN --device: the name of a CDI device."""

    name: str
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction: its first and last line (heredocs included), and its text as one line, without heredocs."""

    keyword: ClassVar[str] = ""
    line: int
    end_line: int
    text: str


@dataclass(frozen=True, kw_only=True)
class From(Instruction):
    """FROM; `name` is what follows AS, in small letters: stages are found whatever their case.

    A name with variables, which podman takes, is as written: only `expanded` gives the name.
    """

    keyword: ClassVar[str] = "FROM"
    image: str
    platform: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Run(Instruction):
    """RUN; `network` is "", default, none or host, `security` "", sandbox or insecure."""

    keyword: ClassVar[str] = "RUN"
    command: Command
    mounts: tuple[Mount, ...] = ()
    network: str = ""
    security: str = ""
    devices: tuple[Device, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def script(self) -> Heredoc | None:
        """Return the document that is the whole command (`RUN <<EOF`): one with `#!` is executed as a file."""
        if len(self.heredocs) == 1 and isinstance(self.command, ShellForm) and is_whole(self.command.text):
            return self.heredocs[0]
        return None

    @property
    def shell_text(self) -> str:
        """Return what the shell gets of a command in shell form: a script, or the command with its documents."""
        if not isinstance(self.command, ShellForm):
            return ""
        if (script := self.script) is not None:
            return script.body
        # The shell finds a document's end after `<<-` without tabs before it as well.
        return self.command.text + "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in self.heredocs)


@dataclass(frozen=True, kw_only=True)
class FileInstruction(Instruction):
    """What COPY and ADD have in common; the documents among the sources are in `heredocs`."""

    sources: tuple[str, ...]
    destination: str
    chown: str = ""
    chmod: str = ""
    link: bool = False
    excludes: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Copy(FileInstruction):
    """COPY; `from_` is a stage's name or number, a named context or an image."""

    keyword: ClassVar[str] = "COPY"
    from_: str = ""
    parents: bool = False


@dataclass(frozen=True, kw_only=True)
class Add(FileInstruction):
    """ADD; `keep_git_dir` and `unpack` are None where they are not said: the source decides."""

    keyword: ClassVar[str] = "ADD"
    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Env(Instruction):
    """ENV."""

    keyword: ClassVar[str] = "ENV"
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Label(Instruction):
    """LABEL."""

    keyword: ClassVar[str] = "LABEL"
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Arg(Instruction):
    """ARG; the value of a name without a default is None."""

    keyword: ClassVar[str] = "ARG"
    pairs: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, kw_only=True)
class Expose(Instruction):
    """EXPOSE; ports as written: 80, 53/udp, 8000-8010."""

    keyword: ClassVar[str] = "EXPOSE"
    ports: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class User(Instruction):
    """USER."""

    keyword: ClassVar[str] = "USER"
    user: str


@dataclass(frozen=True, kw_only=True)
class Workdir(Instruction):
    """WORKDIR."""

    keyword: ClassVar[str] = "WORKDIR"
    path: str


@dataclass(frozen=True, kw_only=True)
class Volume(Instruction):
    """VOLUME."""

    keyword: ClassVar[str] = "VOLUME"
    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Stopsignal(Instruction):
    """STOPSIGNAL."""

    keyword: ClassVar[str] = "STOPSIGNAL"
    signal: str


@dataclass(frozen=True, kw_only=True)
class Maintainer(Instruction):
    """MAINTAINER."""

    keyword: ClassVar[str] = "MAINTAINER"
    maintainer: str


@dataclass(frozen=True, kw_only=True)
class Shell(Instruction):
    """SHELL."""

    keyword: ClassVar[str] = "SHELL"
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Cmd(Instruction):
    """CMD."""

    keyword: ClassVar[str] = "CMD"
    command: Command


@dataclass(frozen=True, kw_only=True)
class Entrypoint(Instruction):
    """ENTRYPOINT."""

    keyword: ClassVar[str] = "ENTRYPOINT"
    command: Command


@dataclass(frozen=True, kw_only=True)
class Healthcheck(Instruction):
    """HEALTHCHECK; without a command it is NONE. A number that is not given is 0, which is the default."""

    keyword: ClassVar[str] = "HEALTHCHECK"
    command: Command | None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0

    @property
    def test(self) -> tuple[str, ...]:
        """Return `Test` of an image's configuration."""
        match self.command:
            case None:
                return ("NONE",)
            case ShellForm(text):
                return ("CMD-SHELL", text)
            case ExecForm(words):
                return ("CMD", *words)


@dataclass(frozen=True, kw_only=True)
class Onbuild(Instruction):
    """ONBUILD; `trigger` is the text that an image's configuration keeps, with its heredocs."""

    keyword: ClassVar[str] = "ONBUILD"
    trigger: str
    instruction: Instruction


@dataclass(frozen=True)
class Directives:
    """The parser directives at the top: `# syntax=`, `# escape=`, `# check=`."""

    syntax: str = ""
    escape: str = "\\"
    check: str = ""


@dataclass(frozen=True)
class Stage:
    """A FROM and what follows it; `name` is that of `base`, empty where it has none; `index` counts from 0."""

    base: From
    name: str
    index: int
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True)
class Containerfile:
    """A Containerfile: `arguments` are the ARGs before the first FROM, `rows` its lines as they are written.

    `pieces` are the files that these are of.
    """

    name: str
    rows: tuple[str, ...]
    directives: Directives
    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[Notice, ...] = ()
    pieces: tuple[Piece, ...] = ()
