"""The rules of contrib/docs/architecture.md that the source text shows: who imports whom, and how long a file is."""

from __future__ import annotations

import ast
import os
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = ("pod", "storage", "runtime")
ALLOWED = {"pod": {"pod", "storage", "runtime"}, "storage": {"storage"}, "runtime": {"runtime"}}
LONGEST_FILE = 500

# Where commands on the run path, and those that scripts call all the time, enter our code.
RUN_PATH = (
    "pod.__main__",
    "pod.containers.attach",
    "pod.cli.session",
    "pod.containers.inspect.document",
    "pod.containers.logs.reading",
    "pod.containers.pause",
    "pod.containers.ports",
    "pod.containers.remove",
    "pod.containers.renaming",
    "pod.containers.security.privileges",
    "pod.containers.stop",
    "pod.containers.processes.top",
    "pod.containers.resources.usage",
    "pod.containers.waiting",
    "pod.event_stream",
    "pod.event_words",
    "pod.host",
    "pod.images.views",
    "pod.template.rendering",
    "runtime.__main__",
    "runtime.cgroups",
    "runtime.cli.create",
    "runtime.cli.delete",
    "runtime.cli.exec",
    "runtime.cli.kill",
    "runtime.cli.run",
    "runtime.cli.start",
    "runtime.cli.state",
    "runtime.create",
    "runtime.delete",
    "runtime.exec",
    "runtime.kill",
    "runtime.monitor.spawn",
    "runtime.seccomp",
    "runtime.start",
    "runtime.status",
    "storage.database",
    "storage.images",
    "storage.reference",
    "storage.rootfs",
    "storage.store",
)
# What costs more than it is worth on the run path; contrib/docs/architecture.md has the figures.
HEAVY = {
    *(
        "argparse",
        "asyncio",
        "collections",
        "contextlib",
        "dataclasses",
        "email",
        "enum",
        "functools",
        "hashlib",
        "http",
    ),
    *("importlib", "inspect", "json", "logging", "pathlib", "pyroute2", "random", "re", "requests", "rich", "shutil"),
    *("signal", "socket", "sqlite3", "ssl", "subprocess", "tarfile", "tempfile", "threading", "typer", "typing"),
    *("urllib", "urllib3", "uuid", "zstandard"),
}


def _module_name(path: str) -> str:
    name = os.path.relpath(path, SOURCE).removesuffix(".py").replace(os.sep, ".")
    return name.removesuffix(".__init__")


def _sources(*directories: str) -> list[str]:
    return sorted(
        os.path.join(directory, name)
        for top in directories
        for directory, _, names in os.walk(os.path.join(SOURCE, top))
        for name in names
        if name.endswith(".py")
    )


MODULES = {_module_name(path): path for path in _sources(*PACKAGES)}


@cache
def _tree(module: str) -> ast.Module:
    with open(MODULES[module]) as file:
        return ast.parse(file.read())


def _targets(module: str, node: ast.stmt) -> list[str]:
    """Return the modules that an import statement loads."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{module}:{node.lineno}: relative import"
        name = node.module or ""
        names = [f"{name}.{alias.name}" for alias in node.names]
        return [child if child in MODULES else name for child in names]
    return []


def _all_imports(module: str) -> set[str]:
    return {name for node in ast.walk(_tree(module)) if isinstance(node, ast.stmt) for name in _targets(module, node)}


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imports_when_loaded(module: str) -> set[str]:
    """Return what is imported as the module is: not in functions, not for the type checker."""
    found: set[str] = set()
    waiting: list[ast.stmt] = list(_tree(module).body)
    while waiting:
        node = waiting.pop()
        if _is_for_types(node) or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        found.update(_targets(module, node))
        waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
        waiting += [child for handler in getattr(node, "handlers", []) for child in handler.body]
    return found


def _loaded_with(module: str) -> dict[str, str]:
    """Return every module that loading `module` loads, each with who imports it."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        importer = waiting.pop()
        for name in _imports_when_loaded(importer):
            if name not in found:
                found[name] = importer
                if name in MODULES:
                    waiting.append(name)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_in_one_direction(package: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        if module.split(".")[0] == package
        for name in _all_imports(module)
        if name.split(".")[0] in PACKAGES and name.split(".")[0] not in ALLOWED[package]
    ]
    assert not wrong


def test_only_the_program_and_its_tests_import_third_parties_they_declare() -> None:
    allowed = {"typer", "rich", "requests", "zstandard", "pyroute2", "isal", "urllib3", "cryptography"}
    standard = __import__("sys").stdlib_module_names
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        for name in _all_imports(module)
        if (top := name.split(".")[0]) not in PACKAGES and top not in standard and top not in allowed
    ]
    assert not wrong


def test_no_cycles() -> None:
    graph = {
        module: {name for name in _imports_when_loaded(module) if name in MODULES} - {module} for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


def test_the_runtime_knows_nothing_of_its_command_line() -> None:
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        if module.startswith("runtime.") and module != "runtime.__main__" and not module.startswith("runtime.cli")
        for name in _all_imports(module)
        if name.startswith("runtime.cli")
    ]
    assert not wrong


@pytest.mark.parametrize("entry", RUN_PATH)
def test_run_path_loads_nothing_heavy(entry: str) -> None:
    loaded = _loaded_with(entry)
    wrong = [f"{importer} imports {name}" for name, importer in loaded.items() if name.split(".")[0] in HEAVY]
    assert not wrong


def test_files_are_short() -> None:
    long = {}
    for path in _sources(*PACKAGES, "tests"):
        with open(path) as file:
            count = sum(1 for _ in file)
        if count > LONGEST_FILE:
            long[os.path.relpath(path, SOURCE)] = count
    assert not long


def test_nothing_is_named_for_a_heap() -> None:
    heaps = {"utils", "util", "helpers", "common", "manager", "misc"}
    assert not [module for module in MODULES if set(module.split(".")) & heaps]
