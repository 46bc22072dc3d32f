"""Parser directives: comments `# name=value` at the very top of a Containerfile."""

from __future__ import annotations

import re

from pod.build.language.errors import LanguageError
from pod.build.language.instructions import Directives

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*)")
_NAMES = ("syntax", "escape", "check")


def read_directives(lines: list[str], name: str) -> Directives:
    """Return the directives; the first line that is none ends them, be it empty or a comment. Raises LanguageError."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.match(line.strip())
        key = match[1].lower() if match else ""
        if match is None or key not in _NAMES:
            # BuildKit lets a shebang stand before the directives.
            if number == 1 and line.startswith("#!"):
                continue
            break
        if key in found:
            raise LanguageError(f"only one {key} parser directive can be used", name=name, line=number, column=1)
        value = match[2].rstrip()
        if key == "escape" and value not in ("\\", "`"):
            raise LanguageError(
                f'invalid escape character "{value}"', name=name, line=number, column=1, hint="it is either \\ or `"
            )
        found[key] = value
    return Directives(**found)
