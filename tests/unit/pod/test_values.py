from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod import values
from pod.errors import PodError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024),
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("64mb", 64 << 20),
        ("64MiB", 64 << 20),
        ("1.5g", 3 << 29),
        ("0", 0),
        ("10b", 10),
    ],
)
def test_size(text: str, size: int) -> None:
    assert values.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "m", "-1m", "1x", "1mm", "nan", "inf", "1e9g9", "0x10", "99999999999999999999p"])
def test_nonsense_size(text: str) -> None:
    with pytest.raises(PodError, match="invalid size"):
        values.parse_size(text)


@given(st.text(max_size=12))
def test_sizes_are_numbers_or_errors(text: str) -> None:
    try:
        assert values.parse_size(text) >= 0
    except PodError:
        pass


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("nofile=10", ("nofile", 10, 10)),
        ("nofile=10:20", ("nofile", 10, 20)),
        ("core=-1", ("core", -1, -1)),
        ("core=0:-1", ("core", 0, -1)),
    ],
)
def test_ulimit(text: str, limit: tuple[str, int, int]) -> None:
    assert values.parse_ulimit(text) == limit


@pytest.mark.parametrize(
    "text", ["nofile", "nofile=", "nofile=x", "bogus=1", "nofile=20:10", "nofile=-1:10", "nofile=1:2:3"]
)
def test_nonsense_ulimit(text: str) -> None:
    with pytest.raises(PodError, match=r"ulimit option .* requires name=SOFT:HARD, failed to be parsed"):
        values.parse_ulimit(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("9", 9), ("KILL", 9), ("SIGKILL", 9), ("term", 15)),
        *(("RTMIN", 34), ("RTMIN+3", 37), ("SIGRTMIN+3", 37), ("rtmax-1", 63)),
    ],
)
def test_signal(text: str, number: int) -> None:
    assert values.parse_signal(text) == number


@pytest.mark.parametrize(
    "text", ["", "0", "65", "NOSUCH", "SIG_DFL", "KILL+1", "RTMIN+x", "RTMIN-1", "RTMAX+1", "RTMIN+999", "-9"]
)
def test_nonsense_signal(text: str) -> None:
    with pytest.raises(PodError, match="invalid signal"):
        values.parse_signal(text)


def test_environment_takes_values_names_and_beginnings() -> None:
    environ = {"HOME": "/root", "LC_ALL": "C", "LC_TIME": "de"}
    assert values.parse_env(["A=b=c", "HOME", "NOSUCH", "LC_*", "E="], environ) == {
        "A": "b=c",
        "HOME": "/root",
        "LC_ALL": "C",
        "LC_TIME": "de",
        "E": "",
    }


def test_environment_file(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("# comment\n\nA=1\n  B=two words\nHOME\n")
    assert values.read_env_file(str(path), {"HOME": "/h"}) == {"A": "1", "B": "two words", "HOME": "/h"}
    with pytest.raises(PodError, match=r"parsing env file .*no such file or directory"):
        values.read_env_file(str(tmp_path / "missing"), {})
    path.write_text("bad name=1\n")
    with pytest.raises(PodError, match="has white spaces, poorly formatted name"):
        values.read_env_file(str(path), {})


@pytest.mark.parametrize(
    ("number", "name"),
    [(15, "SIGTERM"), (9, "SIGKILL"), (17, "SIGCHLD"), (6, "SIGABRT"), (37, "SIGRTMIN+3"), (34, "SIGRTMIN")],
)
def test_names_of_signals(number: int, name: str) -> None:
    assert values.signal_name(number) == name
    assert values.parse_signal(name) == number
