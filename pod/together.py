"""What commands import together, told to who writes their code into one file (contrib/launcher, runtime/bundle.py).

The key is the module with which it is certain that the second ones of the value will be wanted, with all that they
import; the first ones are there by then. What is missing here is imported a little slower; what is here and not wanted
is imported in vain.
"""

from __future__ import annotations

_READING = ("pod.__main__", "pod.cli.fastargs", "pod.cli.global_options", "pod.cli.table")
_READER = ("pod.engine", "pod.errors")
_WRITER = (*_READER, "pod.sweep", "storage.presence")
_MONITOR = (*_READING, *_WRITER, "runtime.monitor.spawn")
_CREATING = ("pod.cli.flags.general", "pod.cli.creating")
_STARTING = (*_WRITER, *_CREATING, "pod.cli.terminal", "pod.containers.launch")
_MAKING = ("runtime.preparation", "runtime.cgroups")
_PULLING = ("pod.cli.pulling", "pod.registries", "storage.fetch", "storage.registry.origin", "storage.places")

TOGETHER = {
    "pod.__main__": ((), _READING),
    "pod.cli.run": (_READING, (*_STARTING, "pod.containers.security.seccomp_profile")),
    "pod.cli.exec": (_READING, (*_WRITER, "pod.cli.each", "pod.cli.terminal", "pod.containers.execs")),
    "pod.cli.start": (_READING, (*_WRITER, "pod.cli.each", "pod.cli.terminal", "pod.containers.launch")),
    "pod.cli.ps": (_READING, (*_READER, "pod.cli.output", "pod.containers.listing")),
    "pod.cli.inspect": (_READING, (*_READER, "pod.cli.output", "pod.containers.inspect.document")),
    "pod.cli.pull": (_READING, (*_WRITER, "pod.cli.progress", *_PULLING)),
    "pod.cli.attaching": ((*_READING, *_STARTING), ("pod.cli.session", "pod.containers.attach", "pod.containers.stop")),
    "runtime.create": (_MONITOR, (*_MAKING, "runtime.start", "runtime.schema", "runtime.seccomp")),
    "runtime.exec": (_MONITOR, _MAKING),
    "runtime.cgroups.v1": (
        (*_MONITOR, "runtime.create"),
        ("runtime.cgroups.v1_settings", "runtime.cgroups.device_rules", "runtime.cgroups.v2"),
    ),
}
