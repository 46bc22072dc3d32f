"""What --timestamp and its like come to, alone and together."""

from __future__ import annotations

import pytest

from pod.build.asked.times import Times, times_of, with_epoch
from pod.build.cache import keys
from pod.errors import PodError
from storage.layers.write import FileTimes


def test_what_is_asked_for() -> None:
    assert times_of(None, None, rewrite=True, arguments={}) == Times()
    assert times_of("7", None, rewrite=False, arguments={}) == Times(7, FileTimes(7, exact=True))
    assert times_of(None, "7", rewrite=False, arguments={}) == Times(7)
    assert times_of(None, "7", rewrite=True, arguments={"SOURCE_DATE_EPOCH": "8"}) == Times(7, FileTimes(7))
    assert times_of(None, None, rewrite=False, arguments={"SOURCE_DATE_EPOCH": "8"}) == Times(8)
    with pytest.raises(PodError, match="timestamp and source-date-epoch would be ambiguous if allowed together"):
        times_of("1", "2", rewrite=False, arguments={})
    with pytest.raises(PodError, match="for --source-date-epoch"):
        times_of(None, "", rewrite=False, arguments={})
    for text in ("", "x", "-1", "1.5", "²", "9" * 12):
        with pytest.raises(PodError, match="for --timestamp"):
            times_of(text, None, rewrite=False, arguments={})


def test_the_argument_that_tells_the_epoch() -> None:
    assert with_epoch({"A": "b"}, None) == {"A": "b"}
    assert with_epoch({"SOURCE_DATE_EPOCH": "1"}, "2") == {"SOURCE_DATE_EPOCH": "1"}
    assert with_epoch({}, "2") == {"SOURCE_DATE_EPOCH": "2"}


def test_only_what_changes_files_has_other_keys() -> None:
    exact, latest = Times(7, FileTimes(7, exact=True)), Times(7, FileTimes(7))
    found = {keys.with_times("k", one) for one in (Times(), Times(7), exact, latest, Times(8, FileTimes(8)))}
    assert len(found) == 5
    assert keys.with_times("k", Times()) == "k"
    assert keys.with_times("k", Times(7)) == keys.with_times("k", Times(8))
