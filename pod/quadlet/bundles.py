"""Several files in one, NAME.quadlets: parts with lines `---` between, each named by a comment: `# FileName=web`.

Of what kind a part is its first section of a kind says. Source: podman-quadlet-install(1).
"""

from __future__ import annotations

from pod.quadlet.kinds.table import KINDS

_SUFFIX = ".quadlets"


def is_bundle(name: str) -> bool:
    """Whether a file is several, by its name."""
    return name.endswith(_SUFFIX) and name != _SUFFIX


def split(text: str) -> list[tuple[str, str, int]]:
    """Return name, text and number of the first line of each part.

    The name is that of a file of its kind; empty if the part does not say its name or what kind it is.
    """
    parts: list[tuple[str, str, int]] = []
    lines: list[str] = []
    first = 1
    for number, line in enumerate([*text.split("\n"), "---"], 1):
        if line.strip() != "---":
            lines.append(line)
            continue
        if any(one.strip() for one in lines):
            parts.append((_name([one.strip() for one in lines]), "\n".join(lines), first))
        lines, first = [], number + 1
    return parts


def _name(lines: list[str]) -> str:
    comments = [line[1:].strip() for line in lines if line[:1] == "#"]
    name = next((one[9:].strip() for one in comments if one.startswith("FileName=")), "")
    sections = [line[1:-1].lower() for line in lines if line[:1] == "[" and line[-1:] == "]"]
    kind = next((section for section in sections if section in KINDS), "")
    if not name or not kind or "/" in name or "\\" in name:
        return ""
    return f"{name.removesuffix('.' + kind)}.{kind}"
