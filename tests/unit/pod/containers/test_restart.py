"""Restart policies as users write them."""

from __future__ import annotations

import pytest

from pod.containers import restart
from pod.errors import PodError


@pytest.mark.parametrize(
    ("text", "policy", "maximum"),
    [
        ("", "no", 0),
        ("no", "no", 0),
        ("never", "no", 0),
        ("always", "always", 0),
        ("unless-stopped", "unless-stopped", 0),
        ("on-failure", "on-failure", 0),
        ("on-failure:3", "on-failure", 3),
    ],
)
def test_policies(text: str, policy: str, maximum: int) -> None:
    assert restart.parse(text) == {"policy": policy, "maximum": maximum}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", '"foo" is not a valid restart policy'),
        ("always:3", "restart policy retries can only be specified with on-failure restart policy"),
        ("on-failure:x", 'strconv.Atoi: parsing "x": invalid syntax'),
        ("on-failure:0", "must specify restart policy retry count as a number greater than 0"),
        ("on-failure:-1", "must specify restart policy retry count as a number greater than 0"),
    ],
)
def test_bad_policies(text: str, message: str) -> None:
    with pytest.raises(PodError, match=message):
        restart.parse(text)
