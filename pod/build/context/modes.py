"""The modes that `--chmod` gives: octal, or symbolic as chmod(1) has them. Pure."""

from __future__ import annotations

import re
import stat

from pod.errors import PodError

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
_RIGHTS = {"r": 0o444, "w": 0o222, "x": 0o111}
_SHIFT = {"u": 6, "g": 3, "o": 0}


class Mode:
    """What a mode becomes."""

    __slots__ = ("_absolute", "_clauses")

    def __init__(self, text: str) -> None:
        """Read an octal or symbolic mode. Raises PodError for what is neither."""
        self._absolute = -1
        self._clauses: list[tuple[str, str, str]] = []
        if re.fullmatch("0*[0-7]{1,4}", text):
            self._absolute = int(text, 8)
            return
        for clause in text.split(","):
            found = _CLAUSE.fullmatch(clause)
            if not found:
                raise PodError(f"Error parsing chmod {text}", hint="write an octal mode as 0755, or u=rwX,go=rX")
            for sign, rights in _ACTION.findall(found[2]):
                self._clauses.append((found[1] or "a", sign, rights))

    def of(self, mode: int) -> int:
        """Return the permissions that a file or directory of this st_mode gets."""
        if self._absolute >= 0:
            return self._absolute
        bits = stat.S_IMODE(mode)
        for who, sign, rights in self._clauses:
            letters = "ugo" if "a" in who else who
            mask = 0
            for letter in letters:
                mask |= _WHO[letter]
            given = _given(rights, bits, is_directory=stat.S_ISDIR(mode)) & mask
            if sign == "+":
                bits |= given
            elif sign == "-":
                bits &= ~given
            else:
                bits = bits & ~mask | given
        return bits


def _given(rights: str, bits: int, *, is_directory: bool) -> int:
    """Return the bits that the letters of an action mean, for everybody."""
    found = 0
    for letter in rights:
        if letter in _RIGHTS:
            found |= _RIGHTS[letter]
        elif letter == "X":
            found |= 0o111 if is_directory or bits & 0o111 else 0
        elif letter == "s":
            found |= 0o6000
        elif letter == "t":
            found |= 0o1000
        else:
            found |= (bits >> _SHIFT[letter] & 0o7) * 0o111
    return found
