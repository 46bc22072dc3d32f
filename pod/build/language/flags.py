"""The flags of an instruction: which there are, what kind of value each takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.build.language.expansion import check
from pod.build.language.statements import meant

if TYPE_CHECKING:
    from pod.build.language.statements import Flag, Statement


class Flags:
    """The flags of a statement. Raises LanguageError for one that is not in the lists, or is there twice.

    `texts` take a value, `many` take one and may be repeated, `switches` are true without one.
    """

    def __init__(
        self,
        statement: Statement,
        *,
        texts: tuple[str, ...] = (),
        many: tuple[str, ...] = (),
        switches: tuple[str, ...] = (),
    ) -> None:
        self.statement = statement
        self.found: dict[str, list[Flag]] = {}
        for flag in statement.flags:
            if flag.name not in (*texts, *many, *switches):
                raise _unknown(statement, flag, [*texts, *many, *switches])
            if flag.name in self.found and flag.name not in many:
                raise statement.error(f"duplicate flag specified: --{flag.name}", flag.offset)
            if flag.value is None and flag.name not in switches:
                raise statement.error(
                    f"missing a value on flag: --{flag.name}", flag.offset, hint=f"write --{flag.name}=VALUE"
                )
            if flag.name in texts:
                statement.said(check, flag.value or "", flag.offset)
            self.found.setdefault(flag.name, []).append(flag)

    def text(self, name: str) -> str:
        """Return the value of a flag, empty if it is not there."""
        return self.found[name][0].value or "" if name in self.found else ""

    def offset(self, name: str) -> int:
        """Return where the flag stands."""
        return self.found[name][0].offset

    def all(self, name: str) -> list[Flag]:
        """Return every mention of a flag."""
        return self.found.get(name, [])

    def switch(self, name: str) -> bool | None:
        """Return the value of a switch, None if it is not there."""
        if name not in self.found:
            return None
        flag = self.found[name][0]
        if flag.value is None or flag.value.lower() == "true":
            return True
        if flag.value.lower() == "false":
            return False
        raise self.statement.error(
            f'expecting boolean value for flag --{name}, not "{flag.value}"', flag.offset, hint="write true or false"
        )


def _unknown(statement: Statement, flag: Flag, known: list[str]) -> Exception:
    hint = meant(flag.name, known, "--")
    if not known:
        hint = f"{statement.keyword} takes no flags; write `{statement.keyword} -- --{flag.name}` for an argument"
    return statement.error(f"unknown flag: --{flag.name}", flag.offset, hint=hint)
