"""The code of all our modules in one file, which an installed command has beside it: half the cost of importing them.

Python's own cache needs some ten system calls and much Python for each of a hundred modules; here it is an entry in an
index, a look whether the source is still the one that was compiled, and one read. It is nothing but a cache: whatever
is not as it should be (no file, another interpreter, a changed source) is left to the ordinary import.

    20 bytes    the interpreter's magic number, this format's, the length of the index, a stamp that only this file has
    index       marshalled: name -> an entry in bytes, for of hundreds a command unpacks a few: is it a package (1),
                mtime_ns (8) and size (4) of its source, where its code is (4), how long (4)
    code        each module's: the stamp, then the marshalled code object

contrib/launcher has it written, and writes commands that use it.
"""

from __future__ import annotations

import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

ROOT = __file__[: -len("/runtime/bundle.py")]
PACKAGES = ("pod", "runtime", "storage")
# The format's own number changes with it: a command may have been installed by an older version.
_MAGIC = MAGIC_NUMBER + b"pod2"
_STAMP = 8
_HEAD = len(_MAGIC) + 4 + _STAMP
# Where in an entry its numbers end.
_FIELDS = (1, 9, 13, 17, 21)


class Bundle:
    """Finds our modules in the file. It is opened for every one: a monitor keeps no fds but its own."""

    def __init__(self, path: str) -> None:
        head, self.path = read(path, _HEAD, 0), path
        if not head.startswith(_MAGIC):
            raise ValueError(path)
        self.stamp = head[-_STAMP:]
        length = int.from_bytes(head[len(_MAGIC) : -_STAMP], "little")
        self.start = _HEAD + length
        self.index: dict[str, bytes] = marshal.loads(read(path, length, _HEAD))

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module whose source has not changed; None lets the ordinary finders look."""
        entry = self.index.get(name)
        if entry is None:
            return None
        is_package = entry[0] == 1
        source = f"{ROOT}/{name.replace('.', '/')}{'/__init__' if is_package else ''}.py"
        try:
            seen = posix.stat(source)
        except OSError:
            return None
        if seen.st_mtime_ns != number(entry, 1) or seen.st_size != number(entry, 2):
            return None
        spec = ModuleSpec(name, Loader(name, source, self), origin=source, is_package=is_package)
        if is_package:
            spec.submodule_search_locations = [source.removesuffix("/__init__.py")]
        return spec

    def code(self, name: str) -> Any:
        """Return the code of a module; raise what tells that it is not to be had."""
        entry = self.index[name]
        position, length = number(entry, 3), number(entry, 4)
        content = read(self.path, length, self.start + position)
        # Another stamp is another file: the command was installed anew since this process began.
        if len(content) != length or not content.startswith(self.stamp):
            raise ValueError(name)
        return marshal.loads(memoryview(content)[_STAMP:])


class Loader(SourceFileLoader):
    """Python's own loader of sources, which looks into the bundle first."""

    def __init__(self, name: str, path: str, bundle: Bundle) -> None:
        super().__init__(name, path)
        self.bundle = bundle

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, which knows where its source is.

        A spec with `has_location` would have the import system set this, at the price of looking for it first and of
        finding out where Python's own cache would be.
        """
        module.__file__ = self.path
        super().exec_module(module)

    def get_code(self, fullname: str) -> Any:
        """Return the code of the module."""
        try:
            return self.bundle.code(fullname)
        except (OSError, ValueError, EOFError, TypeError):
            return super().get_code(fullname)


def install(path: str) -> None:
    """Have our modules imported from the bundle, if it is there and of use."""
    try:
        sys.meta_path.insert(0, Bundle(path))
    except (OSError, ValueError, EOFError, TypeError):
        pass


def pack(*numbers: int) -> bytes:
    """Return the beginning of an entry of the index, as far as its numbers are given."""
    starts = (0, *_FIELDS)
    return b"".join([one.to_bytes(_FIELDS[i] - starts[i], "little") for i, one in enumerate(numbers)])


def number(entry: bytes, position: int) -> int:
    """Return a number of an entry of the index, but its first."""
    return int.from_bytes(entry[_FIELDS[position - 1] : _FIELDS[position]], "little")


def read(path: str, length: int, position: int) -> bytes:
    """Read a part of a file."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.pread(fd, length, position)
    finally:
        posix.close(fd)


def write(path: str) -> None:
    """Write the bundle of the modules that are beside this one; it appears in one rename."""
    import os

    stamp, code, index, sources = os.urandom(_STAMP), bytearray(), {}, []
    for package in PACKAGES:
        for directory, _, names in os.walk(f"{ROOT}/{package}"):
            sources += [f"{directory}/{name}" for name in names if name.endswith(".py")]
    for source in sources:
        seen = os.stat(source)
        name = source[len(ROOT) + 1 : -len(".py")].replace("/", ".")
        module = stamp + marshal.dumps(SourceFileLoader(name, source).get_code(name))
        entry = pack(name.endswith(".__init__"), seen.st_mtime_ns, seen.st_size, len(code), len(module))
        index[name.removesuffix(".__init__")] = entry
        code += module
    table = marshal.dumps(index)
    with open(f"{path}.new", "wb") as new:
        new.write(_MAGIC + len(table).to_bytes(4, "little") + stamp + table + code)
        new.flush()
        os.fsync(new.fileno())
    os.chmod(f"{path}.new", 0o644)
    os.replace(f"{path}.new", path)
