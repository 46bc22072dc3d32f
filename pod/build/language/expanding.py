"""Replacing variables in instructions: which fields of which have any, and what must be true of them afterwards.

The list is the reference's: ADD, COPY, ENV, EXPOSE, FROM, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR, and the options of
RUN --mount. The commands of RUN, CMD and ENTRYPOINT are left to the shell, a trigger to the build that it fires in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pod.build.language import places
from pod.build.language.errors import LanguageError
from pod.build.language.expansion import ExpansionError, expand, expand_words
from pod.build.language.files import is_mode
from pod.build.language.instructions import (
    Add,
    Arg,
    Copy,
    Env,
    Expose,
    FileInstruction,
    From,
    Heredoc,
    Instruction,
    Label,
    Mount,
    Run,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from pod.build.language.mounts import parse_mount
from pod.build.language.ports import exposed_ports
from pod.build.language.settings import check_signal
from pod.build.language.stage_names import stage_name
from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    _Fields = Mapping[str, object]

_T = TypeVar("_T", bound=Instruction)


def expanded(
    instruction: _T,
    environment: Mapping[str, str],
    escape: str = "\\",
    name: str = "Containerfile",
    rows: Sequence[str] = (),
) -> _T:
    """Return the instruction with the values of variables in it, without quotes.

    All fields see the same environment, that before the instruction; see `declared` for ARG, which this leaves alone.
    COPY --from is replaced too, which podman does and BuildKit does not. Raises LanguageError, with a column if `rows`
    are the lines that the instruction is in.
    """
    reader = _Reader(instruction, environment, escape)
    try:
        if isinstance(instruction, Expose):
            ports = (port for text in instruction.ports for word in reader.words(text) for port in exposed_ports(word))
            fields: _Fields = {"ports": tuple(dict.fromkeys(ports))}
        elif isinstance(instruction, FileInstruction):
            fields = _files(instruction, reader)
        else:
            fields = _fields(instruction, reader)
        return replace(instruction, **fields)  # type: ignore[arg-type]
    except PodError as error:
        raise reader.located(error, name, rows) from None


def declared(
    argument: Arg,
    environment: Mapping[str, str],
    given: Mapping[str, str],
    inherited: Mapping[str, str] | None = None,
    *,
    escape: str = "\\",
    name: str = "Containerfile",
    rows: Sequence[str] = (),
) -> dict[str, str]:
    """Return the variables that an ARG sets; one without a value stays unset.

    The value is the given one (--build-arg), else the default, which sees the variables before it in the same ARG (as
    BuildKit has it, not podman), else the inherited one: that of the ARG before the first FROM, or of the platform.
    Raises LanguageError, as `expanded` does.
    """
    values: dict[str, str] = {}
    for key, default in argument.pairs:
        if key in given:
            values[key] = given[key]
        elif default is not None:
            reader = _Reader(argument, {**environment, **values}, escape)
            try:
                values[key] = reader.change(default)
            except PodError as error:
                raise reader.located(error, name, rows) from None
        elif key in (inherited or {}):
            values[key] = (inherited or {})[key]
    return values


class _Reader:
    """Replaces variables in the fields of one instruction: what goes wrong then is of the field that was the last."""

    def __init__(self, instruction: Instruction, environment: Mapping[str, str], escape: str) -> None:
        self._instruction = instruction
        self._environment = environment
        self._escape = escape
        self._text = ""
        self._document = -1

    def change(self, text: str) -> str:
        """Return a field with the values of variables."""
        self._text = text
        return expand(text, self._environment, self._escape)

    def words(self, text: str) -> list[str]:
        """Return the words of a field with the values of variables."""
        self._text = text
        return expand_words(text, self._environment, self._escape)

    def mount(self, text: str) -> Mount:
        """Return a mount with the values of variables in its options."""
        self._text = text
        return parse_mount(text, self.change)

    def documents(self, heredocs: Sequence[Heredoc]) -> Iterator[Heredoc]:
        """Yield the documents of a COPY with the values of variables."""
        for number, heredoc in enumerate(heredocs):
            self._document = number
            if heredoc.expand:
                # The escape character is a backslash here, whatever the directive says, and quotes are letters.
                yield Heredoc(heredoc.name, expand(heredoc.body, self._environment, quotes=False), expand=False)
            else:
                yield heredoc

    def located(self, error: PodError, name: str, rows: Sequence[str]) -> LanguageError:
        """Return an error with its place."""
        offset = error.offset if isinstance(error, ExpansionError) else 0
        instruction = self._instruction
        if self._document >= 0 and isinstance(instruction, FileInstruction):
            line, column = places.in_document(instruction, self._document, offset)
        else:
            line, column = places.of_word(rows, self._escape, instruction, self._text, offset)
        return LanguageError(str(error), name=name, line=line, column=column, hint=error.hint)


def _fields(instruction: Instruction, reader: _Reader) -> _Fields:
    change = reader.change
    match instruction:
        case From(image=image, platform=platform, name=name):
            changed = change(image)
            if not changed:
                raise PodError(
                    f"base name ({image}) should not be blank",
                    hint="FROM sees the ARGs before the first FROM alone: give the variable a default there",
                )
            named = stage_name(change(name)) if "$" in name else name
            return {"image": changed, "platform": change(platform), "name": named}
        case Env(pairs=pairs) | Label(pairs=pairs):
            return {"pairs": tuple((_named(instruction, change(key)), change(value)) for key, value in pairs)}
        case User(user=user):
            return {"user": change(user)}
        case Workdir(path=path):
            return {"path": change(path)}
        case Stopsignal(signal=signal):
            changed = change(signal)
            check_signal(changed)
            return {"signal": changed}
        case Volume(paths=paths):
            return {"paths": tuple(_there(change(path)) for path in paths)}
        case Run(mounts=mounts):
            return {"mounts": tuple(reader.mount(mount.text) for mount in mounts)}
    return {}


def _named(instruction: Instruction, key: str) -> str:
    if not key:
        raise PodError(f"{instruction.keyword} names can not be blank")
    return key


def _there(path: str) -> str:
    if not path:
        raise PodError("VOLUME specified can not be an empty string")
    return path


def _files(instruction: FileInstruction, reader: _Reader) -> _Fields:
    change = reader.change
    chmod = change(instruction.chmod)
    if chmod and not is_mode(chmod):
        raise PodError(f'invalid mode "{chmod}" for --chmod', hint="write 755 or u=rwX,go=rX")
    fields: dict[str, object] = {
        "sources": tuple(map(change, instruction.sources)),
        "destination": change(instruction.destination),
        "chown": change(instruction.chown),
        "chmod": chmod,
    }
    if isinstance(instruction, Copy):
        fields["from_"] = change(instruction.from_)
    if isinstance(instruction, Add):
        fields["checksum"] = change(instruction.checksum)
    fields["heredocs"] = tuple(reader.documents(instruction.heredocs))
    return fields
