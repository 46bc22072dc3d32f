"""The way in: the fast reader, else Typer; the one place where errors become statuses."""

from __future__ import annotations

import builtins
import sys
from posix import O_RDWR, _exit, dup2, fstat, open

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TextIO

_WORDS = 17_000


class SiteOnDemand:
    """Finds third-party packages under `python -S`: the search path is completed when the first one is wanted."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
        """Complete the path once, and let the other finders look again."""
        # The standard library's `copy` asks for a module of Jython, in vain and often (by dataclasses).
        if path is not None or name == "org" or cls not in sys.meta_path:
            return None
        sys.meta_path.remove(cls)
        import site

        site.main()
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
        return None


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    import gc

    # A command ends before the collector could pay for itself.
    gc.disable()
    _settle_streams()
    if sys.flags.no_site:
        sys.meta_path.append(SiteOnDemand)
    _end(roomy(lambda: guarded(lambda: run(sys.argv[1:]))))


def roomy(call: Any) -> Any:
    """Call a function of Python with room for the frames of all that it calls, and return what it gives.

    The interpreter maps the stack of frames in pieces of 16 KiB. A loop that calls something just where one ends has it
    mapped, cleared and unmapped each time: compiling regular expressions while requests is imported, a tenth of `pull`.
    Before a frame of that many words it maps 256 KiB, of which nothing is touched that is not used.
    """
    call.__code__ = call.__code__.replace(co_stacksize=_WORDS)
    return call()


def run(args: list[str]) -> int:
    """Run one command line and return its exit status; errors pass through."""
    call = plain(args)
    if call is None:
        from pod.cli.app import explain

        return explain(args)
    return call() or 0


def plain(args: list[str]) -> Callable[[], int | None] | None:
    """Return the call that a well-formed command line asks for, else None."""
    from pod.cli import fastargs, global_options, table

    leading = fastargs.Reader(global_options.main)
    head = fastargs.read_leading(leading, args)
    if head is None:
        return None
    settings, words = head
    if settings.get("help") or settings.get("version"):
        return None
    if words[:1] == ["__complete"]:
        global_options.apply(settings)
        return lambda: command("completing").main(words[1:])
    found = table.find(words)
    if found is None:
        return None
    module = command(found[0])
    read = fastargs.read(
        module.main,
        fastargs.spelled(words[found[1] :], getattr(module, "BARE", {})),
        shared=getattr(module, "SHARED", ()),
        interspersed=getattr(module, "INTERSPERSED", True),
        inherited=leading,
    )
    if read is None:
        return None
    settings.update(read[1])
    if settings:
        global_options.apply(settings)
    return lambda: module.main(**read[0])


def command(name: str) -> Any:
    """Import the module of a command."""
    return getattr(__import__("pod.cli", fromlist=[name]), name)


def guarded(call: Callable[[], int]) -> int:
    """Return the status of the call, whatever happens in it; tell the user of errors."""
    try:
        return call()
    except BaseException as error:
        return failed(error)


def failed(error: BaseException) -> int:
    """Tell the user of the error and return the exit status for it."""
    from pod.errors import ExitStatus, UsageError, report
    from pod.settings import current

    if isinstance(error, ExitStatus):
        return error.code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 125 if error.code else 0
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, BrokenPipeError) and error.filename is None:
        return _silence()
    if current.debug:
        import traceback

        traceback.print_exception(error)
    told = report(error)
    if told is None:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        told = f"this is a bug in pod: {what}", "" if current.debug else "--log-level debug shows where", 125
    message, hint, code = told
    text = f"Error: {message}\n"
    if isinstance(error, UsageError) and error.command:
        text += f"See '{error.command} --help'\n"
    if hint:
        text += f"hint: {hint}\n"
    complain(text)
    return code


def complain(text: str) -> None:
    """Write to stderr after what stdout has; that either is closed or full is no reason to fail."""
    for stream, words in ((sys.stdout, ""), (sys.stderr, text)):
        try:
            stream.write(words)
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass


def _silence() -> int:
    """Nobody reads stdout any more: end as if SIGPIPE had done it, without a word."""
    dup2(open("/dev/null", O_RDWR), 1)
    return 141


def _settle_streams() -> None:
    """Make file descriptors 0 to 2 ours to use, and write UTF-8 whatever the locale is, as Go programs do.

    A descriptor that the caller closed would else become the next file that is opened: the database, in which
    messages would end up. Names that are no UTF-8 are written as the bytes that they are.
    """
    for descriptor in (0, 1, 2):
        try:
            fstat(descriptor)
        except OSError:
            open("/dev/null", O_RDWR)  # the lowest free one, which is this
    if sys.stdin is None:
        sys.stdin = builtins.open(0, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = fdopen(1)
    if sys.stderr is None:
        sys.stderr = fdopen(2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]


def fdopen(descriptor: int) -> TextIO:
    """Return a text stream that writes to a descriptor."""
    return builtins.open(descriptor, "w", closefd=False)


def _end(status: int) -> NoReturn:
    """Flush and leave at once: finalizing the interpreter takes time and frees what the kernel frees anyway."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            status = status or _silence()
        except (OSError, ValueError, AttributeError) as error:
            if status == 0:
                complain(f"Error: write to stdout: {str(getattr(error, 'strerror', None) or error).lower()}\n")
                status = 125
    _exit(status)


if __name__ == "__main__":
    main()
