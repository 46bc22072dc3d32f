"""From the text of a Containerfile to stages of instructions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pod.build.language import commands, files, heredocs, settings
from pod.build.language.directives import read_directives
from pod.build.language.errors import LanguageError
from pod.build.language.flags import Flags
from pod.build.language.instructions import Arg, Containerfile, From, Heredoc, Instruction, Onbuild, Stage
from pod.build.language.lines import Lines
from pod.build.language.origins import Source, told, whole
from pod.build.language.stage_names import stage_name
from pod.build.language.statements import Statement, meant
from pod.build.language.words import Word, spaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What errors call an ONBUILD trigger, which an image has, and no file.
TRIGGER = "ONBUILD"
_STAGE_NAME = re.compile(r"[a-z][a-z0-9\-_.]*")
_UNDECODED = re.compile("[\udc80-\udcff]")
_WITH_HEREDOCS = ("RUN", "COPY", "ADD")
_NO_TRIGGERS = ("FROM", "MAINTAINER", "ONBUILD")


def parse(text: str, name: str = "Containerfile") -> Containerfile:
    """Return the stages of a Containerfile; `name` is what errors call it. Raises LanguageError."""
    rows = _rows(text, name)
    directives = read_directives(rows, name)
    lines = Lines(rows, directives.escape)
    draft = _Draft(name)
    for statement in _statements(lines, name):
        _check_encoding(rows, statement)
        draft.add(statement, parse_statement(statement))
    draft.finish(rows)
    return Containerfile(
        name=name,
        rows=tuple(rows),
        directives=directives,
        arguments=tuple(draft.arguments),
        stages=tuple(
            Stage(base, base.name, index, tuple(instructions))
            for index, (base, instructions) in enumerate(draft.stages)
        ),
        warnings=tuple(sorted(lines.notices, key=lambda notice: notice.line)),
        pieces=whole(text, name).pieces,
    )


def parse_source(source: Source) -> Containerfile:
    """Return the stages of a Containerfile that was put together. Raises LanguageError for the file of a line."""
    with told(source.pieces):
        return replace(parse(source.text, source.pieces[0].name), pieces=source.pieces)


def parse_trigger(text: str, name: str = TRIGGER) -> Instruction:
    """Return the instruction of an ONBUILD trigger as an image's configuration keeps it. Raises LanguageError."""
    statements = _statements(Lines(_rows(text, name), "\\"), name)
    statement = next(statements, None)
    if statement is None or statement.keyword in _NO_TRIGGERS:
        word = statement.keyword if statement else "nothing"
        raise LanguageError(f"{word} isn't allowed as an ONBUILD trigger", name=name, line=1)
    instruction = parse_statement(statement)
    if (second := next(statements, None)) is not None:
        raise second.error("an ONBUILD trigger is one instruction")
    return instruction


def parse_statement(statement: Statement) -> Instruction:
    """Return the instruction that a statement is; its documents have been read."""
    parser = _PARSERS.get(statement.keyword)
    if parser is None:
        hint = "" if statement.word.isascii() else "there is a letter in it that is not ASCII, perhaps a space"
        raise statement.error(
            f'unknown instruction "{statement.word}"', hint=hint or meant(statement.keyword, list(_PARSERS))
        )
    return parser(statement)


def _rows(text: str, name: str) -> list[str]:
    rows = text.removeprefix("\ufeff").split("\n")
    if "\0" in text:
        line = next(number for number, row in enumerate(rows, 1) if "\0" in row)
        raise LanguageError("a zero byte: this is no text", name=name, line=line, column=rows[line - 1].index("\0") + 1)
    return rows


def _check_encoding(rows: list[str], statement: Statement) -> None:
    """Refuse bytes that are no UTF-8 (PEP 383 has them in the text): no configuration of an image can hold them."""
    first = statement.place()["line"]
    for number, row in enumerate(rows[first - 1 : statement.end_line], first):
        is_comment = row.lstrip().startswith("#") and not statement.heredocs
        if not is_comment and (found := _UNDECODED.search(row)):
            byte = ord(found[0]) - 0xDC00
            raise LanguageError(
                f"the byte 0x{byte:02x} is not valid UTF-8",
                name=statement.name,
                line=number,
                column=found.start() + 1,
                hint="save the file as UTF-8",
            )


def _statements(lines: Lines, name: str) -> Iterator[Statement]:
    while (line := lines.read()) is not None:
        statement = Statement(line, name, lines.escape, lines.notices)
        inner = statement.inner() if statement.keyword == "ONBUILD" else statement
        if inner.keyword in _WITH_HEREDOCS and "<<" in inner.rest:
            _read_documents(lines, inner)
            statement.end_line, statement.heredocs = inner.end_line, inner.heredocs
        yield statement


def _read_documents(lines: Lines, statement: Statement) -> None:
    if statement.keyword == "RUN":
        announced = heredocs.in_command(statement.rest, statement.offset)
    else:
        announced = files.announced(statement)
    for announcement in announced:
        content = lines.document(announcement.name, announcement.strip_tabs) if announcement.name else None
        if content is None:
            raise statement.error(
                f"unterminated heredoc: no line is {announcement.name}"
                if announcement.name
                else "a heredoc requires a name after <<",
                announcement.offset,
                hint="it ends with a line that is its name and nothing else" if announcement.name else "write <<EOF",
            )
        statement.heredocs.append(Heredoc(announcement.name, content, announcement.expand, announcement.strip_tabs))
    statement.end_line = lines.position


def _parse_from(statement: Statement) -> From:
    flags = Flags(statement, texts=("platform",))
    words = spaced(statement.rest, statement.offset)
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].text.upper() != "AS"):
        raise statement.error(
            "FROM requires either one or three arguments",
            words[1].offset if len(words) > 1 else statement.offset,
            hint="write FROM IMAGE or FROM IMAGE AS NAME",
        )
    statement.check(words[0].text, words[0].offset)
    name = _stage_name(statement, words[2]) if len(words) == 3 else ""
    return From(**statement.place(), image=words[0].text, platform=flags.text("platform"), name=name)


def _stage_name(statement: Statement, word: Word) -> str:
    """Return the name of a stage as it is looked for; podman takes more names than docker."""
    statement.check(word.text, word.offset)
    if "$" in word.text:
        return word.text
    name: str = statement.said(stage_name, word.text, word.offset)
    if not _STAGE_NAME.fullmatch(name):
        statement.notice(
            f'docker refuses "{word.text}" as the name of a stage', "begin with a letter; use a-z 0-9 - _ ."
        )
    if name == "scratch":
        statement.notice('the stage named "scratch" cannot be used', "FROM scratch is the empty image always")
    return name


def _parse_onbuild(statement: Statement) -> Onbuild:
    Flags(statement)
    if not statement.rest:
        raise statement.needs("an instruction")
    inner = statement.inner()
    inner.end_line, inner.heredocs = statement.end_line, statement.heredocs
    if inner.keyword in _NO_TRIGGERS:
        raise inner.error(
            f"{inner.keyword} isn't allowed as an ONBUILD trigger",
            hint="write it in the Containerfile that uses the image",
        )
    documents = "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in statement.heredocs)
    return Onbuild(**statement.place(), trigger=statement.rest + documents, instruction=parse_statement(inner))


_PARSERS: dict[str, Callable[[Statement], Instruction]] = {
    "ADD": files.parse_add,
    "ARG": settings.parse_arg,
    "CMD": commands.parse_cmd,
    "COPY": files.parse_copy,
    "ENTRYPOINT": commands.parse_entrypoint,
    "ENV": settings.parse_env,
    "EXPOSE": settings.parse_expose,
    "FROM": _parse_from,
    "HEALTHCHECK": commands.parse_healthcheck,
    "LABEL": settings.parse_label,
    "MAINTAINER": settings.parse_maintainer,
    "ONBUILD": _parse_onbuild,
    "RUN": commands.parse_run,
    "SHELL": commands.parse_shell,
    "STOPSIGNAL": settings.parse_stopsignal,
    "USER": settings.parse_user,
    "VOLUME": settings.parse_volume,
    "WORKDIR": settings.parse_workdir,
}


@dataclass
class _Draft:
    """The stages as far as they have been read."""

    name: str
    arguments: list[Arg] = field(default_factory=list)
    stages: list[tuple[From, list[Instruction]]] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)

    def add(self, statement: Statement, instruction: Instruction) -> None:
        """Take the next instruction."""
        if isinstance(instruction, From):
            self._begin(statement, instruction)
        elif self.stages:
            self.stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            self.arguments.append(instruction)
        else:
            raise statement.error(
                f"{instruction.keyword} before the first FROM", hint="begin with FROM; ARG alone may stand before it"
            )

    def _begin(self, statement: Statement, base: From) -> None:
        first = self.names.setdefault(base.name, base.line) if base.name else base.line
        if first != base.line:
            statement.notice(
                f'stage "{base.name}" is there in line {first} already', "from here on the name means this one"
            )
        self.stages.append((base, []))

    def finish(self, rows: list[str]) -> None:
        """Refuse a file without stages."""
        if not self.stages:
            what = "only ARG before the first FROM, and no FROM" if self.arguments else "file with no instructions"
            raise LanguageError(what, name=self.name, line=len(rows), hint="a Containerfile begins with FROM IMAGE")
