"""The bundle is a cache: whatever happens to it or to the sources, what is imported is what the sources say."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
LAUNCHER = f"{SOURCE}/contrib/launcher"
# A command that tells what it found, and by which loader.
WORDS = """
def main():
    from runtime import word
    from storage.deep import inner
    code = word.__spec__.loader.get_code("runtime.word")
    print(word.WORD, inner.WORD, type(word.__spec__.loader).__name__, word.__file__ == code.co_filename)
"""
# With `word`, three more; the last one imports the others, one from a package that imports it itself.
TOGETHER = 'TOGETHER = {"pod.group": (("runtime.word",), ("storage.deep.last",))}\n'
LAST = """
from pod import first
from storage.wide import second
from runtime import word
WORDS = [first.WORD, second.WORD]
"""
GROUP = """
import sys
before = [name for name in ("pod.first", "storage.deep.last") if name in sys.modules]
from storage import deep
from storage.deep import last
from pod import first
assert sys.modules["storage.deep"] is deep and deep.last is last and first.__package__ == "pod"
assert deep.__path__ == [deep.__file__.rpartition("/")[0]] and deep.__package__ == "storage.deep"
assert last.__file__ == last.__spec__.origin and last.__loader__ is last.__spec__.loader
print(*last.WORDS, *before, type(first.__spec__.loader).__name__)
"""


class Installed:
    """A small program of our packages, with its launchers."""

    def __init__(self, place: Path) -> None:
        self.library, self.bin = place / "it's lib", place / "b in"
        self.bin.mkdir()
        for package in ("pod", "runtime", "storage/deep"):
            (self.library / package).mkdir(parents=True)
            (self.library / package / "__init__.py").touch()
        (self.library / "storage/__init__.py").touch()
        shutil.copy(f"{SOURCE}/runtime/bundle.py", self.library / "runtime")
        self.word = self.library / "runtime/word.py"
        self.word.write_text("WORD = 'old'\n")
        (self.library / "storage/deep/inner.py").write_text("WORD = 'inner'\n")
        (self.library / "pod/together.py").write_text(TOGETHER)
        (self.library / "pod/group.py").write_text(GROUP)
        (self.library / "storage/deep/last.py").write_text(LAST)
        self.first = self.library / "pod/first.py"
        self.first.write_text("WORD = 'first'\n")
        (self.library / "storage/wide").mkdir()
        (self.library / "storage/wide/__init__.py").write_text("from storage.wide import second\n")
        (self.library / "storage/wide/second.py").write_text("WORD = 'second'\n")
        for package in ("pod", "runtime"):
            (self.library / package / "__main__.py").write_text(WORDS)
        self.launch()
        self.bundle = self.bin / ".pod-code"

    def launch(self) -> None:
        subprocess.run([LAUNCHER, sys.executable, str(self.bin), str(self.library)], check=True)
        for cached in self.library.rglob("__pycache__"):
            shutil.rmtree(cached)

    def group(self) -> str:
        """Let the command import what is imported together, instead of its own words."""
        (self.library / "pod/__main__.py").write_text("def main():\n    import pod.group\n")
        return self.run()

    def run(self, name: str = "pod") -> str:
        done = subprocess.run([str(self.bin / name)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout.strip()


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


@pytest.mark.parametrize("name", ["pod", "pod-runtime"])
def test_code_comes_from_the_bundle(installed: Installed, name: str) -> None:
    assert installed.run(name) == "old inner Loader True"
    assert sorted(os.listdir(installed.bin)) == [".pod-code", "pod", "pod-quadlet", "pod-runtime"]
    # The bundle's own module is imported as any other.
    cached = {path.name.partition(".")[0] for path in installed.library.rglob("*.pyc")}
    assert cached == {"__init__", "bundle"}


def test_an_edit_takes_effect_at_once(installed: Installed) -> None:
    times = os.stat(installed.word)
    installed.word.write_text("WORD = 'new'\n")  # of the same length
    os.utime(installed.word, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert installed.run() == "new inner SourceFileLoader True"
    installed.word.write_text("WORD = 'newer'\n")
    os.utime(installed.word, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert installed.run() == "newer inner SourceFileLoader True"


def test_a_bundle_of_an_older_version_is_not_read(installed: Installed) -> None:
    content = installed.bundle.read_bytes()
    magic = importlib.util.MAGIC_NUMBER
    assert content.startswith(magic + b"pod")
    installed.bundle.write_bytes(magic + content[len(magic) + 4 :])  # as before formats had numbers
    assert installed.run() == "old inner SourceFileLoader True"


def test_a_module_that_went_is_not_there(installed: Installed) -> None:
    shutil.rmtree(installed.library / "storage/deep")
    done = subprocess.run([str(installed.bin / "pod")], capture_output=True, text=True, check=False)
    assert "No module named 'storage.deep'" in done.stderr


@pytest.mark.parametrize("kept", [0, 3, 12, 15, 16, 40, 200, -100, -1])
def test_a_bundle_that_was_cut_does_not_matter(installed: Installed, kept: int) -> None:
    installed.bundle.write_bytes(installed.bundle.read_bytes()[:kept])
    assert installed.run().startswith("old inner ")


@pytest.mark.parametrize("place", [0, 4, 8, 15, 16, 30, 200])
def test_a_bundle_that_ends_in_zeros_does_not_matter(installed: Installed, place: int) -> None:
    content = installed.bundle.read_bytes()
    installed.bundle.write_bytes(content[:place] + bytes(len(content) - place))
    assert installed.run().startswith("old inner ")


def test_a_bundle_of_another_interpreter_does_not_matter(installed: Installed) -> None:
    content = installed.bundle.read_bytes()
    installed.bundle.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert installed.run() == "old inner SourceFileLoader True"


def test_no_bundle_does_not_matter(installed: Installed) -> None:
    installed.bundle.unlink()
    assert installed.run() == "old inner SourceFileLoader True"


def test_a_process_that_began_before_an_installation_goes_on_with_its_own_sources(installed: Installed) -> None:
    program = f"""
import subprocess, sys
sys.path[0:0] = [{str(installed.library)!r}]
from runtime import bundle
bundle.install({str(installed.bundle)!r})
subprocess.run({[LAUNCHER, sys.executable, str(installed.bin), str(installed.library)]!r}, check=True)
from pod.__main__ import main
main()
"""
    (installed.library / "pod/longer.py").write_text("# moves all the others in the file\n" * 100)
    done = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "old inner Loader True"


def test_what_is_imported_together_is_there_before(installed: Installed) -> None:
    assert installed.group() == "first second pod.first storage.deep.last Loader"
    cached = {path.name.partition(".")[0] for path in installed.library.rglob("*.pyc")}
    assert cached == {"__init__", "__main__", "bundle"}


def test_an_edit_of_what_is_imported_together_takes_effect_at_once(installed: Installed) -> None:
    installed.first.write_text("WORD = 'other'\n")
    assert installed.group() == "other second pod.first storage.deep.last SourceFileLoader"


def test_what_is_imported_together_and_went_is_not_there(installed: Installed) -> None:
    installed.first.unlink()
    (installed.library / "pod/__main__.py").write_text("def main():\n    import pod.group\n")
    done = subprocess.run([str(installed.bin / "pod")], capture_output=True, text=True, check=False)
    assert "cannot import name 'first' from 'pod'" in done.stderr


def test_an_error_in_what_is_imported_together_is_told(installed: Installed) -> None:
    (installed.library / "pod/failing.py").write_text(
        "import sys\nif hasattr(sys, 'fails'):\n    raise OSError('it fails')\n"
    )
    (installed.library / "pod/together.py").write_text('TOGETHER = {"pod.group": ((), ("pod.failing",))}\n')
    main = "import sys\ndef main():\n    sys.fails = True\n"
    main += "    for _ in range(2):\n        try:\n            import pod.group\n        except OSError as error:\n"
    main += "            print(error, 'pod.failing' in sys.modules)\n"
    (installed.library / "pod/__main__.py").write_text(main)
    installed.launch()
    assert installed.run() == "it fails False\nfirst second Loader"


def test_only_what_is_read_is_kept(installed: Installed) -> None:
    """The command line is declared by annotations and described by docstrings; elsewhere they tell readers only.

    But dataclasses works one out for a class that has none.
    """
    text = '"""Told."""\nclass C:\n    """Told."""\ndef f(a: int) -> str:\n    """Told."""\n'
    text += '@lambda made: made\nclass D:\n    """Told."""\n'
    text += "WORD = repr([__doc__, C.__doc__, D.__doc__, f.__doc__, f.__annotations__])\n"
    installed.word.write_text(text)
    (installed.library / "pod/cli").mkdir()
    (installed.library / "pod/cli/__init__.py").write_text(text)
    (installed.library / "pod/__main__.py").write_text(
        "def main():\n    from pod import cli\n    from runtime import word\n    print(word.WORD, cli.WORD)\n"
    )
    installed.launch()
    kept = "['Told.', 'Told.', 'Told.', 'Told.', {'a': <class 'int'>, 'return': <class 'str'>}]"
    assert installed.run() == f"[None, None, 'Told.', None, {{}}] {kept}"


def test_a_package_that_fails_after_its_modules_is_not_there(installed: Installed) -> None:
    (installed.library / "storage/wide/__init__.py").write_text(
        "from storage.wide import second\nimport sys\nif hasattr(sys, 'fails'):\n    raise OSError('it fails')\n"
    )
    main = "import sys\ndef main():\n    sys.fails = True\n    try:\n        import pod.group\n    except OSError:\n"
    main += "        print('storage.wide' in sys.modules)\n    del sys.fails\n    import pod.group\n"
    (installed.library / "pod/__main__.py").write_text(main)
    installed.launch()
    assert installed.run().splitlines() == ["False", "first second pod.first Loader"]
