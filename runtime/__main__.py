"""`pod-runtime`: the OCI runtime as a command, in place of runc or crun for podman, docker, containerd and people.

The way in: it reads the line, loads the module of the verb and nothing of the others, and tells what went wrong.
"""

from __future__ import annotations

import gc
import posix
import sys
import time

from runtime.cli import table
from runtime.cli.arguments import CommandLine, UsageError
from runtime.errors import OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_INTERRUPTED = 128 + 2
_ABOUT_THE_LOG = frozenset(("log", "log-format", "log-level", "debug"))


def main() -> NoReturn:
    """Run the command line of this process and end it.

    Without the collector, which a short command does not need, and without the interpreter's own clean-up, which
    takes time to free what the kernel frees anyway. All output was written by system calls: nothing is to be flushed.
    """
    gc.disable()
    posix._exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one command line; return the exit status."""
    line = CommandLine()
    try:
        _open_standard_streams()
        return _run(line.read(words), words)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (UsageError, OCIRuntimeError) as error:
        return _fail(line, error, str(error))
    except Exception as error:  # no traceback reaches a user who has not asked for one
        return _fail(line, error, f"unexpected {type(error).__name__}: {error}")


def _run(line: CommandLine, words: list[str]) -> int:
    if line.globals.get("version"):
        from runtime.cli import output, version

        output.write(version.text())
        return 0
    if line.globals.get("help") or line.options.get("help"):
        from runtime.cli import help, output

        output.write(help.text(line.verb))
        return 0
    if not line.verb:
        raise UsageError(f"a verb is missing: `{table.NAME} --help` lists them")
    if line.globals.keys().isdisjoint(_ABOUT_THE_LOG):
        return _dispatch(line)
    from runtime.cli import log

    report = log.Log(line)
    report.debug(f"{table.NAME} {table.VERSION}, user {posix.geteuid()}, in {posix.getcwd()}: {words}")
    started = time.monotonic()
    code = _dispatch(line)
    report.debug(f"{line.verb}: exit status {code} after {(time.monotonic() - started) * 1000:.1f} ms")
    return code


def _dispatch(line: CommandLine) -> int:
    module = __import__(f"runtime.cli.{line.verb}", fromlist=("main",))
    code: int = module.main(line)
    return code


def _fail(line: CommandLine, error: BaseException, message: str) -> int:
    from runtime.cli import log

    try:
        report = log.Log(line)
    except UsageError:
        report = log.Log(CommandLine())
    hint = error.hint if isinstance(error, OCIRuntimeError) else ""
    report.error(message, hint, error)
    return 1


def _open_standard_streams() -> None:
    """Fill the gaps that a careless caller left: what is opened next must not become somebody's standard output."""
    for fd in (0, 1, 2):
        try:
            posix.fstat(fd)
        except OSError:
            posix.open("/dev/null", posix.O_RDWR)


if __name__ == "__main__":
    main()
