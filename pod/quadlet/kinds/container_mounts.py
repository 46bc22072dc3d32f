"""`Mount=` of a `.container` file: its source may be a file of another kind, or relative to the file's directory."""

from __future__ import annotations

from pod.quadlet.references import storage_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.unitfile import Entry
    from pod.quadlet.units import Unit

_WITH_SOURCE = ("volume", "bind", "glob", "image", "artifact")
_HINT = "write type=bind,source=DIRECTORY,destination=PATH"


def mount(unit: Unit, text: str, entry: Entry) -> str:
    """Return what `--mount` takes."""
    settings = _fields(unit, text, entry)
    kind = next((one[5:] for one in settings if one.startswith("type=") and one.count("=") == 1), None)
    if kind is not None:
        settings.remove(f"type={kind}")
    kind = kind or "volume"
    if kind not in _WITH_SOURCE:
        return text
    place, source = -1, ""
    for index, setting in enumerate(settings):
        name, equals, value = setting.partition("=")
        if name in ("source", "src"):
            place, source = index, value
            if not equals:
                unit.error("source parameter does not include a value", entry=entry, hint=_HINT)
                return text
    if source:
        settings[place] = f"source={storage_source(unit, source, images=True, entry=entry)}"
    elif kind != "volume":
        unit.error(f"source parameter is required for mount type {kind}", entry=entry, hint=_HINT)
    return ",".join([_field(setting) for setting in (f"type={kind}", *settings)])


def _fields(unit: Unit, text: str, entry: Entry) -> list[str]:
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        unit.error(f"incorrect mount format: {error}", entry=entry, hint=_HINT)
        return []


def _field(text: str) -> str:
    if "," not in text and '"' not in text:
        return text
    return '"' + text.replace('"', '""') + '"'
