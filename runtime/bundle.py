"""The code of all our modules in one file, which an installed command has beside it: half the cost of importing them.

Python's own cache needs some ten system calls and much Python for each of a hundred modules; here it is an entry in an
index, a look whether the source is still the one that was compiled, and one read. What a command will need anyway is
read together, by one name that stands for it (pod/together.py), and entered without the import system's detours. It is
nothing but a cache: whatever is not as it should be (no file, another interpreter, a changed source) is left to the
ordinary import. The code is without what only readers need: docstrings, annotations of functions (both but for pod.cli,
which reads them), columns of tracebacks. That takes a sixth of the time away in which it is read.

    20 bytes    the interpreter's magic number, this format's, the length of the index, a stamp that only this file has
    index       marshalled: name -> an entry in bytes, for of hundreds a command unpacks a few: is it a package (1),
                mtime_ns (8) and size (4) of its source, where its code is (4), how long (4);
                and name -> the parts that come before it: where each is, how long
    code        each module's: the stamp, then the marshalled code object
    parts       each: the stamp, then a marshalled list of modules, each after those that it imports: name, is it a
                package, mtime_ns and size of its source, code object; before what a package imports of its own it
                stands already, without code

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
    from collections.abc import Iterator
    from types import CodeType, ModuleType
    from typing import Any

ROOT = __file__[: -len("/runtime/bundle.py")]
PACKAGES = ("pod", "runtime", "storage")
# The format's own number changes with it: a command may have been installed by an older version.
_MAGIC = MAGIC_NUMBER + b"pod4"
_STAMP = 8
_HEAD = len(_MAGIC) + 4 + _STAMP
# Where in an entry its numbers end.
_FIELDS = (1, 9, 13, 17, 21)
# Bytes of a part: a longer one would take memory that is then given back; in shorter ones more names come twice.
_PART = 50_000


class Bundle:
    """Finds our modules in the file. It is opened for every one: a monitor keeps no fds but its own."""

    def __init__(self, path: str) -> None:
        head, self.path = read(path, _HEAD, 0), path
        if not head.startswith(_MAGIC):
            raise ValueError(path)
        self.stamp = head[-_STAMP:]
        length = int.from_bytes(head[len(_MAGIC) : -_STAMP], "little")
        self.start = _HEAD + length
        self.made: dict[str, Any] = {}  # packages whose code comes after modules of theirs
        self.index: dict[str, bytes]
        self.together: dict[str, list[tuple[int, int]]]
        self.index, self.together = marshal.loads(read(path, length, _HEAD))

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module whose source has not changed; None lets the ordinary finders look."""
        for position, length in self.together.pop(name, ()):
            self.enter(position, length)
        entry = self.index.get(name)
        if entry is None:
            return None
        is_package = entry[0] == 1
        source = source_of(name, is_package)
        if not is_unchanged(source, number(entry, 1), number(entry, 2)):
            return None
        return self.spec(name, source, is_package)

    def spec(self, name: str, source: str, is_package: bool) -> ModuleSpec:
        """Return the spec of a module."""
        spec = ModuleSpec(name, Loader(name, source, self), origin=source, is_package=is_package)
        if is_package:
            spec.submodule_search_locations = [source.removesuffix("/__init__.py")]
        return spec

    def enter(self, position: int, length: int) -> None:
        """Import the modules of a part as the import system would; what it cannot take is left to that."""
        try:
            modules = self.content(position, length)
        except (OSError, ValueError, EOFError, TypeError):
            return
        for name, is_package, mtime_ns, size, code in modules:
            module = self.made.pop(name, None) or self.make(name, is_package, mtime_ns, size)
            if module is None:
                continue
            if code is None:
                self.made[name] = module
                continue
            try:
                exec(code, module.__dict__)
            except BaseException:
                for unfinished in (name, *self.made):
                    del sys.modules[unfinished]
                self.made.clear()
                raise

    def make(self, name: str, is_package: bool, mtime_ns: int, size: int) -> Any:
        """Return a new module for its code to run in; None if it is there, or is left to the import system."""
        above, _, own = name.rpartition(".")
        source = source_of(name, is_package)
        # Without the package above it: that imports it by itself, or has changed.
        if name in sys.modules or (above and above not in sys.modules) or not is_unchanged(source, mtime_ns, size):
            return None
        module: Any = type(sys)(name)
        module.__file__, module.__spec__ = source, self.spec(name, source, is_package)
        module.__package__, module.__loader__ = name if is_package else above, module.__spec__.loader
        if is_package:
            module.__path__ = module.__spec__.submodule_search_locations
        sys.modules[name] = module
        if above:
            setattr(sys.modules[above], own, module)
        return module

    def code(self, name: str) -> Any:
        """Return the code of a module; raise what tells that it is not to be had."""
        entry = self.index[name]
        return self.content(number(entry, 3), number(entry, 4))

    def content(self, position: int, length: int) -> Any:
        """Return what is at a place of the file; raise what tells that it is not to be had."""
        content = read(self.path, length, self.start + position)
        # Another stamp is another file: the command was installed anew since this process began.
        if len(content) != length or not content.startswith(self.stamp):
            raise ValueError(position)
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


def source_of(name: str, is_package: bool) -> str:
    """Return where the source of a module is."""
    return f"{ROOT}/{name.replace('.', '/')}{'/__init__' if is_package else ''}.py"


def is_unchanged(source: str, mtime_ns: int, size: int) -> bool:
    """Tell whether a source is the one that was compiled."""
    try:
        seen = posix.stat(source)
    except OSError:
        return False
    return seen.st_mtime_ns == mtime_ns and seen.st_size == size


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


def write(path: str, together: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]) -> None:
    """Write the bundle of the modules that are beside this one; it appears in one rename.

    Of `together`, a key is the module before which the second modules of the value will be imported with all that they
    import, but for what the first ones import: these will have been imported by then.
    """
    import os

    stamp, code, index, sources = os.urandom(_STAMP), bytearray(), {}, []
    for package in PACKAGES:
        for directory, _, names in os.walk(f"{ROOT}/{package}"):
            sources += [f"{directory}/{name}" for name in names if name.endswith(".py")]
    rows = {}
    for source in sources:
        seen = os.stat(source)
        name = source[len(ROOT) + 1 : -len(".py")].replace("/", ".")
        is_package = name.endswith(".__init__")
        name = name.removesuffix(".__init__")
        compiled = compiled_from(source, slim=not name.startswith("pod.cli"))
        rows[name] = (name, is_package, seen.st_mtime_ns, seen.st_size, compiled)
        module = stamp + marshal.dumps(compiled)
        index[name] = pack(is_package, seen.st_mtime_ns, seen.st_size, len(code), len(module))
        code += module
    places: dict[str, list[tuple[int, int]]] = {}
    for name, (before, wanted) in together.items():
        places[name] = []
        present = {*loaded_by(before), name}
        found = [rows[one] for one in loaded_by(wanted) if one in rows and one not in present]
        for part in parts(announced(found)):
            places[name].append((len(code), len(stamp + part)))
            code += stamp + part
    table = marshal.dumps((index, places))
    with open(f"{path}.new", "wb") as new:
        new.write(_MAGIC + len(table).to_bytes(4, "little") + stamp + table + code)
        new.flush()
        os.fsync(new.fileno())
    os.chmod(f"{path}.new", 0o644)
    os.replace(f"{path}.new", path)


def compiled_from(source: str, *, slim: bool) -> CodeType:
    """Return the code of a source; if `slim`, without docstrings and annotations of functions."""
    import ast

    with open(source, "rb") as file:
        tree = ast.parse(file.read(), source)
    for node in ast.walk(tree) if slim else ():
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        # Where a class has no docstring, dataclasses writes one: a sixth of what it costs.
        is_decorated = isinstance(node, ast.ClassDef) and node.decorator_list
        if isinstance(node, documented) and not is_decorated and ast.get_docstring(node, clean=False) is not None:
            node.body[:1] = [] if node.body[1:] else [ast.copy_location(ast.Pass(), node.body[0])]
    code: CodeType = compile(tree, source, "exec", dont_inherit=True)
    return code


def announced(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return modules with each package also in front of the first module of its own, without code."""
    packages = {row[0]: row for row in rows if row[1]}
    result = []
    for row in rows:
        names = row[0].split(".")
        for count in range(1, len(names)):
            package = packages.pop(".".join(names[:count]), None)
            if package:
                result.append((*package[:4], None))
        packages.pop(row[0], None)
        result.append(row)
    return result


def parts(rows: list[tuple[Any, ...]]) -> Iterator[bytes]:
    """Return modules as marshalled lists of some size."""
    first = 0
    for last in range(1, len(rows) + 1):
        part = marshal.dumps(rows[first:last])
        if len(part) > _PART or last == len(rows):
            yield part
            first = last


def loaded_by(names: tuple[str, ...]) -> list[str]:
    """Return what importing these modules loads, by the interpreter's own account: each after those that it imports."""
    import subprocess

    program = f"import sys; sys.path += [{ROOT!r}]; import {', '.join(('runtime.bundle', *names))}"
    command = [sys.executable, "-BIS", "-X", "importtime", "-c", program]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return [line.rpartition("|")[2].strip() for line in report.splitlines()]
