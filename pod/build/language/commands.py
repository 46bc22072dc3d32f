"""RUN, CMD, ENTRYPOINT, SHELL and HEALTHCHECK: the instructions that hold a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.build.language.flags import Flags
from pod.build.language.instructions import (
    Cmd,
    Command,
    Entrypoint,
    ExecForm,
    Healthcheck,
    Run,
    Shell,
    ShellForm,
)
from pod.build.language.mounts import parse_device, parse_mount
from pod.build.language.statements import meant
from pod.build.language.words import MixedArrayError, json_array
from pod.times import parse_duration

if TYPE_CHECKING:
    from pod.build.language.statements import Statement

NETWORKS = ("default", "none", "host")
SECURITY = ("sandbox", "insecure")
_MILLISECOND = 1_000_000


def parse_run(statement: Statement) -> Run:
    """Parse RUN."""
    flags = Flags(statement, texts=("network", "security"), many=("mount", "device"))
    command = _command(statement, statement.offset)
    if command in (None, ShellForm(""), ExecForm(())):
        raise statement.needs("a command")
    return Run(
        **statement.place(),
        command=command,
        mounts=tuple(statement.said(parse_mount, flag.value or "", flag.offset) for flag in flags.all("mount")),
        network=_one_of(statement, flags, "network", NETWORKS),
        security=_one_of(statement, flags, "security", SECURITY),
        devices=tuple(statement.said(parse_device, flag.value or "", flag.offset) for flag in flags.all("device")),
        heredocs=tuple(statement.heredocs),
    )


def parse_cmd(statement: Statement) -> Cmd:
    """Parse CMD."""
    Flags(statement)
    return Cmd(**statement.place(), command=_command(statement, statement.offset))


def parse_entrypoint(statement: Statement) -> Entrypoint:
    """Parse ENTRYPOINT."""
    Flags(statement)
    return Entrypoint(**statement.place(), command=_command(statement, statement.offset))


def parse_shell(statement: Statement) -> Shell:
    """Parse SHELL, which is a JSON array always."""
    Flags(statement)
    command = _command(statement, statement.offset)
    if not isinstance(command, ExecForm):
        raise statement.error(
            "SHELL requires the arguments to be in JSON form", statement.offset, hint='write SHELL ["/bin/sh", "-c"]'
        )
    if not command.words:
        raise statement.needs("at least one argument")
    return Shell(**statement.place(), words=command.words)


def parse_healthcheck(statement: Statement) -> Healthcheck:
    """Parse HEALTHCHECK NONE and HEALTHCHECK CMD."""
    durations = ("interval", "timeout", "start-period", "start-interval")
    flags = Flags(statement, texts=(*durations, "retries"))
    kind = statement.rest.split(maxsplit=1)[0] if statement.rest else ""
    after = statement.rest[len(kind) :]
    offset = statement.offset + len(kind) + len(after) - len(after.lstrip())
    if kind.upper() == "NONE":
        if after:
            raise statement.error("HEALTHCHECK NONE takes no arguments", offset)
        return Healthcheck(**statement.place(), command=None)
    if kind.upper() != "CMD":
        if not kind:
            raise statement.needs("CMD and a command, or NONE")
        raise statement.error(
            f'unknown type "{kind}" in HEALTHCHECK',
            statement.offset,
            hint="write HEALTHCHECK CMD command, or HEALTHCHECK NONE",
        )
    command = _command(statement, offset)
    if command in (ShellForm(""), ExecForm(())):
        raise statement.error("missing command after HEALTHCHECK CMD", offset)
    return Healthcheck(
        **statement.place(),
        command=command,
        **{name.replace("-", "_"): _duration(statement, flags, name) for name in durations},
        retries=_retries(statement, flags),
    )


def _command(statement: Statement, offset: int) -> Command:
    text = statement.source.text[offset:]
    try:
        words = json_array(text)
    except MixedArrayError:
        raise statement.error(
            "a command in JSON form has strings only", offset, hint='quote every word: ["sleep", "10"]'
        ) from None
    if words is not None:
        return ExecForm(words)
    if text.startswith(("['", '["')):
        statement.notice(
            "this is no JSON array, so it is a command for the shell", 'JSON has double quotes: ["word", "word"]'
        )
    return ShellForm(text)


def _one_of(statement: Statement, flags: Flags, name: str, known: tuple[str, ...]) -> str:
    value = flags.text(name)
    if flags.all(name) and value not in known:
        raise statement.error(f'invalid --{name} "{value}"', flags.offset(name), hint=meant(value, list(known)))
    return value


def _duration(statement: Statement, flags: Flags, name: str) -> int:
    text = flags.text(name)
    if not text:
        return 0
    try:
        # No duration that a person writes is longer, and a million digits take long to read.
        duration = parse_duration(text) if len(text) < 100 else -1
    except ValueError:
        duration = -1
    if duration != 0 and duration < _MILLISECOND:
        raise statement.error(
            f'invalid duration "{text}" for --{name}',
            flags.offset(name),
            hint="write 30s, 1m30s, or 0s for the default; the shortest is 1ms",
        )
    return duration


def _retries(statement: Statement, flags: Flags) -> int:
    text = flags.text("retries")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise statement.error(f'invalid number "{text}" for --retries', flags.offset("retries"), hint="write 3")
    return int(text)
