"""The text of `--help`, laid out as podman's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.cli.examples import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def of_command(path: str, summary: str, text: str, arguments: Sequence[Any], options: Sequence[Any]) -> str:
    """Return the help of a command."""
    described = text if text and text != summary else summary
    usage = " ".join([path, "[options]", *map(placeholder, arguments)])
    parts = [summary, section("Description", described.splitlines()), section("Usage", [usage])]
    examples = examples_of(path)
    if examples:
        parts.append(section("Examples", examples))
    rows = option_rows(options)
    if rows:
        parts.append(section("Options", rows))
    return "\n\n".join(parts) + "\n"


def examples_of(path: str) -> tuple[str, ...]:
    """Return the examples of a command; `container ps` has those of `ps`."""
    words = path.split()[1:]
    return EXAMPLES.get(" ".join(words)) or EXAMPLES.get(words[-1] if words[:1] == ["container"] else "", ())


def of_group(path: str, summary: str, commands: Sequence[tuple[str, str]], options: Sequence[Any]) -> str:
    """Return the help of a group of commands."""
    width = max(11, *(len(name) for name, _ in commands))
    root = " " not in path
    usage = f"{path} [options] [command]" if root else f"{path} [command]"
    parts = [summary, section("Usage", [usage])]
    if not root:
        parts.insert(1, section("Description", [summary]))
    parts.append(section("Available Commands", [f"{name:{width}} {line}" for name, line in commands]))
    rows = option_rows(options)
    if root and rows:
        parts.append(section("Options", rows))
    return "\n\n".join(parts) + "\n"


def section(title: str, lines: Sequence[str]) -> str:
    """Return a titled part, its lines set in by two."""
    return "\n".join([f"{title}:", *(f"  {line}" if line else "" for line in lines)])


def placeholder(argument: Any) -> str:
    """Return how the usage line shows a positional argument."""
    if argument.metavar:
        return str(argument.metavar)
    name = argument.name.upper()
    if argument.nargs == -1:
        return f"{name} [{name}...]" if argument.required else f"[{name}...]"
    return name if argument.required else f"[{name}]"


def option_rows(options: Sequence[Any]) -> list[str]:
    """Return a line for each option that is not hidden, sorted by its long name."""
    rows = sorted((flags(option), described(option)) for option in options if not option.hidden)
    rows.sort(key=lambda row: row[0].split("--")[-1])
    width = max((len(left) for left, _ in rows), default=0)
    return [f"{left:{width}}   {right}".rstrip() for left, right in rows]


def flags(option: Any) -> str:
    """Return `-a, --all`, with the word for the value if it takes one."""
    long = next((flag for flag in option.opts if flag.startswith("--")), "")
    short = next((flag for flag in option.opts if not flag.startswith("--")), "")
    text = f"{short}, {long}" if short and long else short or f"    {long}"
    if option.is_flag:
        return text
    kind = option.type.name
    plain = "int" if kind.startswith("int") else "float" if kind.startswith("float") else "string"
    return f"{text} {option.metavar or (f'{plain}Array' if option.multiple else plain)}"


def described(option: Any) -> str:
    """Return an option's line of help, with its default if that says something."""
    text = " ".join((option.help or "").split())
    default = option.default
    if default is True:
        return f"{text} (default true)"
    if isinstance(default, str) and default:
        return f'{text} (default "{default}")'
    if isinstance(default, (int, float)) and default and not isinstance(default, bool):
        return f"{text} (default {default})"
    return text
