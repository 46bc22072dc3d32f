"""Replacing variables in instructions: which fields of which have any, and what must be true of them afterwards.

The list is the reference's: ADD, COPY, ENV, EXPOSE, FROM, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR, and the options of
RUN --mount. The commands of RUN, CMD and ENTRYPOINT are left to the shell, a trigger to the build that it fires in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pod.build.language.errors import LanguageError
from pod.build.language.expansion import expand, expand_words
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
    from collections.abc import Callable, Mapping

    _Fields = Mapping[str, object]

_T = TypeVar("_T", bound=Instruction)


def expanded(instruction: _T, environment: Mapping[str, str], escape: str = "\\", name: str = "Containerfile") -> _T:
    """Return the instruction with the values of variables in it, without quotes.

    All fields see the same environment, that before the instruction; see `declared` for ARG, which this leaves alone.
    COPY --from is replaced too, which podman does and BuildKit does not. Raises LanguageError.
    """

    def change(text: str) -> str:
        return expand(text, environment, escape)

    try:
        if isinstance(instruction, Expose):
            words = [word for port in instruction.ports for word in expand_words(port, environment, escape)]
            fields: _Fields = {"ports": tuple(dict.fromkeys(port for word in words for port in exposed_ports(word)))}
        elif isinstance(instruction, FileInstruction):
            fields = _files(instruction, change, environment)
        else:
            fields = _fields(instruction, change)
        return replace(instruction, **fields)  # type: ignore[arg-type]
    except LanguageError:
        raise
    except PodError as error:
        raise LanguageError(str(error), name=name, line=instruction.line, hint=error.hint) from None


def declared(
    argument: Arg,
    environment: Mapping[str, str],
    given: Mapping[str, str],
    inherited: Mapping[str, str] | None = None,
    *,
    escape: str = "\\",
    name: str = "Containerfile",
) -> dict[str, str]:
    """Return the variables that an ARG sets; one without a value stays unset.

    The value is the given one (--build-arg), else the default, which sees the variables before it in the same ARG (as
    BuildKit has it, not podman), else the inherited one: that of the ARG before the first FROM, or of the platform.
    Raises LanguageError.
    """
    values: dict[str, str] = {}
    for key, default in argument.pairs:
        if key in given:
            values[key] = given[key]
        elif default is not None:
            try:
                values[key] = expand(default, {**environment, **values}, escape)
            except PodError as error:
                raise LanguageError(str(error), name=name, line=argument.line, hint=error.hint) from None
        elif key in (inherited or {}):
            values[key] = (inherited or {})[key]
    return values


def _fields(instruction: Instruction, change: Callable[[str], str]) -> _Fields:
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
            both = tuple((change(key), change(value)) for key, value in pairs)
            if any(not key for key, _ in both):
                raise PodError(f"{instruction.keyword} names can not be blank")
            return {"pairs": both}
        case User(user=user):
            return {"user": change(user)}
        case Workdir(path=path):
            return {"path": change(path)}
        case Stopsignal(signal=signal):
            changed = change(signal)
            check_signal(changed)
            return {"signal": changed}
        case Volume(paths=paths):
            changed_paths = tuple(map(change, paths))
            if "" in changed_paths:
                raise PodError("VOLUME specified can not be an empty string")
            return {"paths": changed_paths}
        case Run(mounts=mounts):
            return {"mounts": tuple(parse_mount(mount.text, change) for mount in mounts)}
    return {}


def _files(instruction: FileInstruction, change: Callable[[str], str], environment: Mapping[str, str]) -> _Fields:
    chmod = change(instruction.chmod)
    if chmod and not is_mode(chmod):
        raise PodError(f'invalid mode "{chmod}" for --chmod', hint="write 755 or u=rwX,go=rX")
    fields: dict[str, object] = {
        "sources": tuple(map(change, instruction.sources)),
        "destination": change(instruction.destination),
        "chown": change(instruction.chown),
        "chmod": chmod,
        "heredocs": tuple(_document(heredoc, environment) for heredoc in instruction.heredocs),
    }
    if isinstance(instruction, Copy):
        fields["from_"] = change(instruction.from_)
    if isinstance(instruction, Add):
        fields["checksum"] = change(instruction.checksum)
    return fields


def _document(heredoc: Heredoc, environment: Mapping[str, str]) -> Heredoc:
    if not heredoc.expand:
        return heredoc
    # The escape character is a backslash here, whatever the directive says, and quotes are letters.
    content = expand(heredoc.body, environment, quotes=False)
    return Heredoc(heredoc.name, content, expand=False)
