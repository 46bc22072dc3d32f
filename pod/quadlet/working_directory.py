"""`SetWorkingDirectory=` of `.kube` and `.build`: where relative paths begin, and what a build has as its context.

Sources: podman-kube.unit(5), podman-build.unit(5).
"""

from __future__ import annotations

from pod.quadlet import references

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit

_KEY = "SetWorkingDirectory"
_URLS = ("http://", "https://", "git://", "github.com/")


def of_kube(unit: Unit) -> None:
    """Let the service run where the YAML lies, or the unit's file, if that is asked for."""
    said = unit.string(_KEY)
    if said.lower() == "yaml":
        files = unit.items("Yaml")
        if len(files) > 1:
            unit.error("SetWorkingDirectory=yaml is only supported when a single Yaml key is provided", key=_KEY)
        elif files:
            _run_beside(unit, files[0])
    elif said.lower() == "unit":
        _run_beside(unit, unit.path)
    elif said:
        unit.error(f"unsupported value for WorkingDirectory: {said}", key=_KEY, hint="it is yaml or unit")


def of_build(unit: Unit) -> str:
    """Let the service run where the build's relative paths begin; return its context, empty for that of `File=`."""
    said, file = unit.string(_KEY), unit.string("File")
    context = ""
    if said.lower() == "file":
        if not file:
            unit.error("no File key specified", key=_KEY, hint="File=PATH")
            return ""
        _run_beside(unit, file)
    elif said.lower() == "unit":
        _run_beside(unit, unit.path)
    elif said.lower() == "yaml":
        unit.error(f"SetWorkingDirectory={said} is only supported in .kube files", key=_KEY)
        return ""
    else:
        context = said
        if said and not said.startswith(("/", *_URLS)):
            _run_beside(unit, unit.path)
            # The user's own directory counts, and paths from there: the context is it.
            context = "" if _is_set_by_user(unit) else said
    return context or _context_of_file(unit, file)


def _context_of_file(unit: Unit, file: str) -> str:
    """Return the context where none is said: the service's directory for a relative file, else that of the file."""
    entry = unit.service.last("Service", "WorkingDirectory")
    directory = entry.value if entry else ""
    if not directory and not file:
        hint = "SetWorkingDirectory=unit, say, has the directory of this file as the context"
        unit.error("neither SetWorkingDirectory, nor File key specified", hint=hint)
    if file.startswith(("/", *_URLS)) or (file.startswith("%") and not file.startswith("%%")):
        return ""
    if file and not directory:
        hint = "SetWorkingDirectory=unit has it begin where this file lies"
        unit.error("relative path in File key requires SetWorkingDirectory key to be set", key="File", hint=hint)
    return directory


def _is_set_by_user(unit: Unit) -> bool:
    return bool(unit.service_string("WorkingDirectory"))


def _run_beside(unit: Unit, path: str) -> None:
    """Let the service run in the directory of a file, unless the user says where."""
    if not _is_set_by_user(unit):
        directory = references.absolute(unit, path).rpartition("/")[0] or "/"
        unit.service.add("Service", "WorkingDirectory", directory)
