"""Whether the commands in units are ones that pod understands: read as a command line is, and not run."""

from __future__ import annotations

from pod.cli import fastargs, global_options, table
from pod.quadlet.quoting import split_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit


def check(unit: Unit) -> None:
    """Tell of flags in PodmanArgs= and GlobalArgs= that there are not, and of what else no command takes."""
    for entry in unit.service.keys("Service"):
        if not entry.key.startswith("Exec"):
            continue
        try:
            words = split_words(entry.value.lstrip("-@:+!"))
        except ValueError:
            continue  # systemd's own business
        if words and words[0] == unit.units.command:
            _check(unit, words[1:])


def _check(unit: Unit, words: list[str]) -> None:
    leading = fastargs.Reader(global_options.main)
    head = fastargs.read_leading(leading, words)
    if head is None:
        unit.error("pod does not take these flags before a command", key="GlobalArgs", hint="pod --help lists them")
        return
    found = table.find(head[1])
    if found is None:
        return
    module = getattr(__import__("pod.cli", fromlist=[found[0]]), found[0])
    rest = head[1][found[1] :]
    shared, plain = getattr(module, "SHARED", ()), getattr(module, "INTERSPERSED", True)
    spelled = fastargs.spelled(rest, getattr(module, "BARE", {}))
    if fastargs.read(module.main, spelled, shared=shared, interspersed=plain, inherited=leading) is None:
        _explain(unit, module, f"pod {' '.join(head[1][: found[1]])}", rest)


def _explain(unit: Unit, module: object, path: str, rest: list[str]) -> None:
    """Tell what is wrong with a command line, if it is; it may only be spelled oddly."""
    import typer

    from pod.cli import app
    from pod.errors import PodError

    try:
        app.parse(module, path, rest)
    except (typer.TyperException, PodError) as error:
        message = error.format_message().rstrip(".") if isinstance(error, typer.TyperException) else str(error)
        unit.error(f"{path}: {message}", key="PodmanArgs" if unit.has("PodmanArgs") else "")
