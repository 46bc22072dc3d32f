"""`spec`: write a config.json to begin with."""

from __future__ import annotations

import posix

from runtime import paths
from runtime.cli import output
from runtime.errors import OCIRuntimeError
from runtime.template import document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Write the configuration of a bundle, which must not have one."""
    bundle = paths.absolute(line.text("bundle") or ".")
    path = line.text("file") or f"{bundle}/config.json"
    rootless = line.is_set("rootless")
    template = document(uid=posix.geteuid(), gid=posix.getegid()) if rootless else document()
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(output.pretty(template) + "\n")
    except FileExistsError:
        raise OCIRuntimeError(f"write `{path}`: it exists, remove it first") from None
    except OSError as error:
        raise OCIRuntimeError(f"write `{path}`: {error.strerror}") from error
    return 0
