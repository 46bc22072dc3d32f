"""What is to be installed: files, a directory, addresses in the web, `.quadlets`; copied to where it is checked.

Source: podman-quadlet-install(1). What has one file is installed as that file, all else as an application: a directory.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat

from pod.errors import PodError
from pod.quadlet import bundles
from pod.quadlet.kinds import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


class Origin:
    """Where a file came from: a path or an address, and how many lines there are before its first."""

    __slots__ = ("line", "place")

    def __init__(self, place: str, line: int = 0) -> None:
        self.place = place
        self.line = line


class Staged:
    """What has been copied: the origin of each file by its path from the top; the application, empty for one file."""

    __slots__ = ("application", "directory", "origins")

    def __init__(self, directory: str, application: str) -> None:
        self.directory = directory
        self.application = application
        self.origins: dict[str, Origin] = {}


def stage(words: list[str], directory: str) -> Staged:
    """Copy all that is named into a directory. Raises PodError for what cannot be read, or is not to be installed."""
    first = words[0]
    staged = Staged(directory, _application(words))
    for word in words:
        if _is_url(word):
            _fetch(staged, word)
        elif word == first and os.path.isdir(word):
            _copy_tree(staged, word)
        else:
            _copy(staged, word, os.path.basename(word))
    if not any(is_unit(name) for name in staged.origins):
        raise PodError(f"{first}: there is no unit in it", hint=f"units are {', '.join(_suffixes())}")
    return staged


def is_unit(name: str) -> bool:
    """Tell by its name whether a file is a unit."""
    return table.find(posixpath.basename(name)) is not None


def _application(words: list[str]) -> str:
    first = words[0]
    if not _is_url(first) and os.path.isdir(first):
        return _checked_application(os.path.basename(os.path.abspath(first)))
    stem, _ = posixpath.splitext(posixpath.basename(first))
    if bundles.is_bundle(posixpath.basename(first)) or len(words) > 1:
        return _checked_application(stem)
    return ""


def _checked_application(name: str) -> str:
    # `users` has the units of ordinary users, and into `*.d` no generator descends.
    if name.startswith(".") or name.endswith(".d") or name in ("", "users"):
        raise PodError(f"an application cannot be called '{name}'", hint="rename the directory or the file")
    return name


def _copy_tree(staged: Staged, top: str) -> None:
    """Copy a directory: its files, its directories, and links that stay within it, as templates' instances are."""
    for directory, directories, names in os.walk(top, onerror=_raise):
        inside = os.path.relpath(directory, top)
        for name in sorted(directories):
            path = os.path.join(directory, name)
            if os.path.islink(path):
                names.append(name)
            else:
                os.mkdir(os.path.join(staged.directory, os.path.normpath(os.path.join(inside, name))), 0o755)
        for name in sorted(names):
            path, copy = os.path.join(directory, name), os.path.normpath(os.path.join(inside, name))
            if os.path.islink(path):
                _copy_link(staged, path, copy, top)
            else:
                _copy(staged, path, copy)


def _copy(staged: Staged, path: str, name: str) -> None:
    """Copy a file to a path from the top."""
    handle = _open(path)
    with open(handle, "rb") as source:
        if bundles.is_bundle(posixpath.basename(name)):
            _split(staged, name, path, source.read())
            return
        _note(staged, name, Origin(path))
        with _create(staged, name, executable=bool(os.fstat(handle).st_mode & 0o100)) as file:
            shutil.copyfileobj(source, file)


def _copy_link(staged: Staged, path: str, name: str, top: str) -> None:
    """Copy a link. Raises PodError for one that leads out of the directory that is installed."""
    target = os.readlink(path)
    if os.path.isabs(target) or os.path.normpath(os.path.join(os.path.dirname(name), target)).startswith(".."):
        raise PodError(f"{path}: the link leads out of {top}", hint="put the file itself in its place")
    _note(staged, name, Origin(path))
    os.symlink(target, os.path.join(staged.directory, name))


def _open(path: str) -> int:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise PodError(f"quadlet to install {path} cannot be read: {(error.strerror or '').lower()}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise PodError(f'quadlet to install "{path}" is not a file')
    return handle


def _fetch(staged: Staged, url: str) -> None:
    """Download a file, which is called as its address says."""
    from pod import download

    name = download.name_of(url)
    data = b"".join(download.chunks(url))
    if bundles.is_bundle(posixpath.basename(name)):
        _split(staged, name, url, data)
        return
    if data.lstrip()[:9].lower() in (b"<!doctype", b"<html>"):
        raise PodError(f"{url}: it is a page of the web, not a unit", hint="take the address of the raw file")
    _note(staged, name, Origin(url))
    with _create(staged, name) as file:
        file.write(data)


def _split(staged: Staged, name: str, place: str, data: bytes) -> None:
    """Write the units of a `.quadlets` as files of their own, where it is."""
    directory = posixpath.dirname(name)
    for own, text, line in bundles.split(_text(data, place)):
        if not own:
            raise PodError(
                f"{place}:{line}: missing required '# FileName=<name>' comment, or section that says of what kind"
                " it is, in quadlet section",
                hint="each part of a .quadlets file begins with # FileName=web, say",
            )
        path = posixpath.join(directory, own)
        _note(staged, path, Origin(place, line - 1))
        with _create(staged, path) as file:
            file.write(text.encode())


def _note(staged: Staged, name: str, origin: Origin) -> None:
    if name in staged.origins:
        raise PodError(f"{origin.place}: there is already a {name}, from {staged.origins[name].place}")
    staged.origins[name] = origin


def _create(staged: Staged, name: str, *, executable: bool = False) -> BinaryIO:
    path = os.path.join(staged.directory, name)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(handle, 0o755 if executable else 0o644)
    return open(handle, "wb")


def _text(data: bytes, place: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PodError(f"{place}: it is not text in UTF-8") from error


def _raise(error: OSError) -> None:
    raise PodError(f"unable to read Quadlet dir {error.filename}: {(error.strerror or '').lower()}") from error


def _is_url(word: str) -> bool:
    return word.startswith(("http://", "https://"))


def _suffixes() -> list[str]:
    return [f".{kind}" for kind in table.KINDS]
