"""The text of --help, made from the table of verbs."""

from __future__ import annotations

from runtime.cli import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.cli.table import Option


def text(verb: str) -> str:
    """Return the help of a verb, or of the whole command."""
    if verb:
        form, _least, _most, explanation, options = table.VERBS[verb]
        usage = " ".join(filter(None, (table.NAME, "[global options]", verb, "[options]" if options else "", form)))
        return f"{_sentence(explanation)}\n\nusage: {usage}\n\n{_options('options', (*options, table.HELP))}"
    verbs = "".join(f"  {name:12}{verb[3]}\n" for name, verb in table.VERBS.items())
    return (
        "Run containers from OCI bundles: a runtime in place of runc and crun.\n\n"
        f"usage: {table.NAME} [global options] VERB [options] [arguments]\n\nverbs:\n{verbs}\n"
        f"{_options('global options', table.GLOBAL)}\n`{table.NAME} VERB --help` tells more.\n"
    )


def _sentence(explanation: str) -> str:
    return f"{explanation[0].upper()}{explanation[1:]}."


def _options(title: str, options: Sequence[Option]) -> str:
    rows = [(_form(option), option[3]) for option in options]
    width = max(len(form) for form, _explanation in rows)
    return f"{title}:\n" + "".join(f"  {form:{width}}  {explanation}\n" for form, explanation in rows)


def _form(option: Option) -> str:
    name, short, value, _explanation = option
    return (f"-{short}, " if short else "    ") + f"--{name}" + (f" {value}" if value else "")
