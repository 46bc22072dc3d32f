"""What fits at the place of the cursor."""

from __future__ import annotations

from pod.cli import table
from pod.completion import objects, positions
from pod.completion.declarations import flags_of
from pod.settings import current as current_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.completion.declarations import Flag

NONE, FILES, OPEN = "none", "files", "open"


class Proposals:
    """Candidates with their descriptions, and whether names of files are right too."""

    def __init__(self, candidates: list[tuple[str, str]], directive: str = NONE) -> None:
        self.candidates = candidates
        self.directive = directive

    def fitting(self, current: str) -> Proposals:
        """Return those that go on as the current word begins, each once and sorted."""
        found = {name: text for name, text in reversed(self.candidates) if name.startswith(current)}
        # A candidate that is only a beginning (`name=`) is not followed by a space.
        is_open = bool(found) and all(name[-1:] in ("=", ":") for name in found)
        return Proposals(sorted(found.items()), OPEN if is_open and self.directive == NONE else self.directive)


def propose(words: list[str]) -> Proposals:
    """Return what the last of the words, which follow `pod`, may become."""
    from pod.cli import global_options

    *before, current = words or [""]
    known = flags_of(global_options)
    taken = _take(before, known, interspersed=False)
    for flag in ("--root", "--runroot"):
        if flag in taken.values:
            setattr(current_settings, flag[2:], taken.values[flag])
    if taken.awaits is not None:
        return _value(taken.awaits, "", current).fitting(current)
    if taken.flag_end:
        return Proposals([])
    found = _after_global(taken.words, current, known)
    return found.fitting(current)


class _Taken:
    """What the words before the cursor come to."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.awaits: Flag | None = None  # the flag whose value the current word is
        self.flag_end = False  # after `--`
        self.values: dict[str, str] = {}


def _take(words: list[str], known: dict[str, Flag], *, interspersed: bool) -> _Taken:
    taken = _Taken()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            taken.flag_end = True
            taken.words += rest
            break
        if len(word) < 2 or word[0] != "-":
            taken.words.append(word)
            if not interspersed:
                taken.words += rest
                break
            continue
        name, equals, value = word.partition("=")
        flag = _awaiting(word, known)
        if flag is not None:
            if not rest:
                taken.awaits = flag
            else:
                taken.values[name] = rest.pop(0)
        elif equals:
            taken.values[name] = value
    return taken


def _awaiting(word: str, known: dict[str, Flag]) -> Flag | None:
    """Return the flag of a word whose value is the next word."""
    if word.startswith("--"):
        flag = known.get(word)
        return flag if flag is not None and flag.takes_value else None
    for position, letter in enumerate(word[1:], 2):
        flag = known.get(f"-{letter}")
        if flag is not None and flag.takes_value:
            return flag if position == len(word) else None
    return None


def _after_global(words: list[str], current: str, known: dict[str, Flag]) -> Proposals:
    if not words:
        return _flags(known, current, "") if current.startswith("-") else Proposals(_commands(""))
    group = " ".join(words)
    if group in table.GROUPS:
        return Proposals([]) if current.startswith("-") else Proposals(_commands(group))
    found = table.find(words)
    if found is None:
        return Proposals([])
    module = getattr(__import__("pod.cli", fromlist=[found[0]]), found[0])
    return _in_command(found[0], module, words[found[1] :], current)


def _commands(group: str) -> list[tuple[str, str]]:
    if group:
        return [(name, line) for name, (_, line) in table.GROUPS[group][1].items() if line]
    groups = [(name, line) for name, (line, _) in table.GROUPS.items() if " " not in name]
    return [*groups, *((name, line) for name, (_, line) in table.COMMANDS.items()), ("help", "Help about any command")]


def _in_command(name: str, module: Any, words: list[str], current: str) -> Proposals:
    known = flags_of(module)
    taken = _take(words, known, interspersed=getattr(module, "INTERSPERSED", True))
    if taken.awaits is not None:
        return _value(taken.awaits, name, current)
    ended = taken.flag_end or (taken.words and not getattr(module, "INTERSPERSED", True))
    if current.startswith("-") and not ended:
        return _flags(known, current, name)
    return _word(name, taken.words, current)


def _flags(known: dict[str, Flag], current: str, command: str) -> Proposals:
    flag, equals, _ = current.partition("=")
    if equals and flag in known:
        inner = _value(known[flag], command, current.partition("=")[2])
        return Proposals([(f"{flag}={name}", text) for name, text in inner.candidates], inner.directive)
    shown = [(name, one.help) for name, one in known.items() if not one.hidden and name.startswith("--")]
    return Proposals([*shown, ("--help", "Help for the command")])


def kinds_of(command: str) -> tuple[str, ...]:
    """Return the kinds of a command's words; where nothing else is said, by the group of the command."""
    if command in positions.WORDS:
        return positions.WORDS[command]
    group, _, verb = command.partition("_")
    if group in objects.KINDS and verb not in ("create", "df", "ls", "prune"):
        return (group,)
    return ("none",)


def _word(command: str, before: list[str], current: str) -> Proposals:
    if command == "completion":
        return Proposals([(name, "") for name in ("bash", "fish", "powershell", "zsh")] if not before else [])
    kinds = kinds_of(command)
    kind = kinds[min(len(before), len(kinds) - 1)]
    if kind == "":
        return Proposals([], FILES)
    if kind == "none":
        return Proposals([])
    if kind == "copy":
        names = [(f"{name}:", text) for name, text in objects.named("container")]
        return Proposals(names if ":" not in current else [], FILES)
    taken = set(before) if kind == kinds[-1] else set()
    return Proposals([(name, text) for name, text in objects.named(kind) if name not in taken])


def _value(flag: Flag, command: str, current: str) -> Proposals:
    long = next((name for name in flag.flags if name.startswith("--")), "")
    if long == "--filter":
        return _filter(command, current)
    values = positions.VALUES.get(f"{command} {long}") or positions.VALUES.get(long)
    if values is not None:
        if "container:" in values and current.startswith("container:"):
            return Proposals([(f"container:{name}", text) for name, text in objects.named("container")])
        return Proposals([(value, "") for value in values])
    if long in positions.OBJECTS:
        suffix = ":" if long == "--volume" else ""
        named = [(name + suffix, text) for name, text in objects.named(positions.OBJECTS[long])]
        return Proposals(named if ":" not in current else [], FILES if long == "--volume" else NONE)
    return Proposals([], NONE if long in positions.FREE else FILES)


def _filter(command: str, current: str) -> Proposals:
    key, equals, _ = current.partition("=")
    if not equals:
        keys = positions.FILTERS.get(command, positions.CONTAINER_FILTERS)
        return Proposals([(f"{name}=", "") for name in keys])
    own = f"{command} {key}"
    values = [(value, "") for value in positions.FILTER_VALUES.get(own) or positions.FILTER_VALUES.get(key, ())]
    kind = positions.FILTER_OBJECTS.get(own) or positions.FILTER_OBJECTS.get(key)
    if kind is not None:
        values += objects.named(kind)
    return Proposals([(f"{key}={value}", text) for value, text in values])
