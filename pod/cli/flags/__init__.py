"""The flags that several commands share, one group of them a module.

A group is a module with a function `declare`: its keyword-only parameters declare the flags for Typer and the fast
reader, its body notes in the first parameter what they come to. A command names the groups in its SHARED, as modules,
takes what was said as `**flags`, and hands it to `apply`. A flag that the command declares itself, with another help or
another letter, is the command's, not the group's. The fast reader imports a group only when it meets a flag of
it (index.py), so what nobody says must be the default of whatever `declare` writes to.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

# Those of `run` and `create`, the most used first.
CREATE = tuple(
    f"pod.cli.flags.{name}"
    for name in (
        "general",
        "process",
        "storage",
        "network",
        "resources",
        "cgroups",
        "devices",
        "security",
        "namespaces",
        "identity",
        "lifecycle",
        "health",
        "ties",
        "logging",
        "registry",
        "credentials",
        "access",
    )
)


def declaration(group: str) -> Callable[..., None]:
    """Return the function of a group, whose parameters declare its flags."""
    declare: Callable[..., None] = __import__(group, fromlist=["declare"]).declare
    return declare


def owner(groups: Sequence[str], flag: str) -> str:
    """Return which of the groups declares a flag, empty for none; without importing them."""
    from pod.cli.flags.index import FLAGS

    for group in groups:
        if f" {flag} " in FLAGS[group.rpartition(".")[2]]:
            return group
    return ""


def parameters(declare: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the flags' parameters."""
    code = declare.__code__
    return code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


def apply(groups: Sequence[str], flags: dict[str, Any], target: object) -> None:
    """Note in `target` what the flags come to, group by group. Raises PodError for what makes no sense."""
    # What the reader did not import has no flag on this line.
    for group in sorted(groups, key=lambda group: group not in sys.modules):
        if not flags:
            return
        declare = declaration(group)
        own = {name: flags[name] for name in parameters(declare) if name in flags}
        flags = {name: value for name, value in flags.items() if name not in own}
        if own:
            declare(target, **own)
