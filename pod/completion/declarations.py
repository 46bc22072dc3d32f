"""The flags of a command, read from its declaration without Typer (see pod.cli.fastargs)."""

from __future__ import annotations

from pod.cli import fastargs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Flag(fastargs.Declared):
    """An option with what its help says."""

    __slots__ = ("help", "hidden", "is_argument", "metavar")

    def __init__(self, *names: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.help = settings.get("help", "")
        self.hidden = bool(settings.get("hidden"))
        self.metavar = settings.get("metavar", "")
        self.is_argument = False

    @property
    def takes_value(self) -> bool:
        """Whether a word follows it."""
        return self.type is not bool


class _Argument(Flag):
    __slots__ = ()

    def __init__(self, *names: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.is_argument = True


_NAMES = {**fastargs._NAMES, "Option": Flag, "Argument": _Argument}


def flags_of(module: Any) -> dict[str, Flag]:
    """Return the flags of a command's module by each of their names."""
    reader = fastargs.Reader(module.main)
    for group in getattr(module, "SHARED", ()):
        reader.add_group(group)
    found: dict[str, Flag] = {}
    for name in reader.names:
        text = reader.annotations.get(name, "")
        if "Option(" not in text:
            continue
        flag: Flag = eval(text, _NAMES)  # the text of our own source
        found.update(dict.fromkeys(flag.flags, flag))
    return found
