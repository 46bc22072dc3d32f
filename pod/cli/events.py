"""`pod events`."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option


def main(
    filter: Annotated[
        list[str] | None,
        Option("--filter", "-f", metavar="stringArray", help="Filter output (event=start, type=image)"),
    ] = None,
    format: Annotated[
        str, Option("--format", metavar="string", help="Format the output to JSON or using a Go template")
    ] = "",
    no_trunc: Annotated[bool, Option("--no-trunc", help="Do not truncate the output")] = True,
    since: Annotated[
        str, Option("--since", metavar="string", help="Show all events created since timestamp (or 10m ago)")
    ] = "",
    stream: Annotated[
        bool, Option("--stream", help="Stream events and do not exit when returning the last known event")
    ] = True,
    until: Annotated[
        str, Option("--until", metavar="string", help="Show all events until timestamp (or 10m from now)")
    ] = "",
) -> None:
    """Show pod events.

    Without --since, --until or --stream=false only those that are yet to come.
    """
    from pod import config, event_stream, event_words, events, settings
    from pod.times import parse_moment

    passes = event_words.chooser(filter or [])
    first = parse_moment(since) if since else None
    last = parse_moment(until, ahead=True) if until else None
    printer = _printer(format, truncate=not no_trunc)
    current = config.load(settings.current)
    events.check(current)
    history = first is not None or last is not None or not stream
    found = event_stream.read(current, since=first, until=last, history=history, stream=stream, idle=sys.stdout.flush)
    try:
        for event in found:
            if passes(event):
                sys.stdout.write(printer(event))
    except KeyboardInterrupt:
        return


def _printer(format: str, *, truncate: bool) -> Any:
    """Return what makes a line of an event."""
    from pod import event_words
    from pod.cli import output

    if format and not output.is_json(format):
        from pod.template.rendering import Template

        template = Template(output.line(format), name="events", type=output.go_type("events"))

        def render(event: Any) -> str:
            return template.render(event_words.fields(event))
    elif format:
        from runtime import jsontext

        def render(event: Any) -> str:
            return jsontext.dumps(event_words.document(event)) + "\n"
    else:

        def render(event: Any) -> str:
            return event_words.line(event, truncate=truncate) + "\n"

    return render
