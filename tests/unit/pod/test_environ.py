"""Our own variables without os.environ."""

from __future__ import annotations

import os
import posix
import subprocess
import sys

import pytest

from pod import environ


def test_a_variable_that_is_set_and_one_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(posix.environ, b"POD_TEST", b"a=b")
    monkeypatch.delitem(posix.environ, b"POD_OTHER", raising=False)
    assert environ.value("POD_TEST") == "a=b"
    assert environ.value("POD_OTHER") == ""


@pytest.mark.parametrize("language", ["C", "C.UTF-8", "POSIX"])
def test_bytes_that_are_no_text_are_as_the_library_has_them(language: str) -> None:
    program = (
        "import os, posix; from pod import environ; print(os.environ == environ.variables(), "
        "os.environ['X'] == environ.value('X'), os.fsencode(environ.value('X')) == posix.environ[b'X'])"
    )
    environment: dict[bytes, bytes] = {b"X": b"a\xff\xc3\xa4", b"\xfeY": b"\xfd", b"LANG": language.encode()}
    source = os.path.dirname(os.path.dirname(environ.__file__))
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=source, capture_output=True, check=True
    )
    assert result.stdout.split() == [b"True"] * 3
