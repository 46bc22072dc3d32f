"""Which Containerfiles a build is of, and reading them: files, the context's own, standard input, addresses."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pod import download, environ
from pod.build.language import origins, preprocessing
from pod.build.language.parser import parse_source
from pod.errors import PodError
from runtime import inroot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.build.context.opening import Context
    from pod.build.language.instructions import Containerfile

NAMES = ("Containerfile", "Dockerfile")
_LARGEST = 16 << 20


def read(files: Sequence[str], context: Context, cpp_flags: Sequence[str]) -> Containerfile:
    """Read and parse the Containerfiles, several as one. Raises PodError, of what is wrong in them LanguageError."""
    if context.containerfile is not None and not files:
        text = context.containerfile.decode("utf-8", "surrogateescape")
        return parse_source(origins.whole(text, NAMES[0]))
    flags = [*environ.value("BUILDAH_CPPFLAGS").split(), *cpp_flags]
    names = files or [_default(context)]
    return parse_source(origins.joined([_source(name, context, flags) for name in names]))


def _source(name: str, context: Context, cpp_flags: Sequence[str]) -> origins.Source:
    text = _text(name, context)
    if name.endswith(".in"):
        return preprocessing.preprocess(text, name, os.readlink(f"/proc/self/fd/{context.fd}"), cpp_flags)
    return origins.whole(text, name)


def _default(context: Context) -> str:
    for name in NAMES:
        with suppress(OSError):
            os.close(_open(name, context, os.O_PATH))
            return name
    raise PodError(
        f"stat {context.shown.rstrip('/')}/Dockerfile: no such file or directory",
        hint="-f names the Containerfile if it is called otherwise",
    )


def _text(name: str, context: Context) -> str:
    """Read a Containerfile: one that the user names, else one of the context."""
    if name == "-":
        return sys.stdin.read()
    if download.is_url(name):
        return _fetched(name)
    if not context.private and name not in NAMES and os.path.exists(name):
        return read_file(name)
    try:
        descriptor = _open(name, context, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if not context.private and os.path.exists(name):
            return read_file(name)
        reason = (error.strerror or "").lower()
        raise PodError(f"stat {context.shown.rstrip('/')}/{name}: {reason}") from error
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _open(name: str, context: Context, flags: int) -> int:
    """Open a file of the context; only in a directory of the user's links may lead out of it."""
    if context.private:
        return inroot.open_path(context.fd, name, flags)
    return os.open(name, flags, dir_fd=context.fd)


def _fetched(url: str) -> str:
    text = bytearray()
    for chunk in download.chunks(url):
        text += chunk
        if len(text) > _LARGEST:
            raise PodError(f"{url}: larger than {_LARGEST >> 20} MiB, which no Containerfile is")
    return text.decode("utf-8", "surrogateescape")


def read_file(path: str) -> str:
    """Read a file of the user's. Raises PodError."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise PodError(f"reading {os.path.abspath(path)}: {reason}") from error
