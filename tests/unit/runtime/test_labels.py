from __future__ import annotations

from pathlib import Path

import pytest

from runtime import labels
from runtime.errors import OCIRuntimeError


@pytest.mark.parametrize(
    ("enabled", "profile", "entered"),
    [("Y\n", "box", "box"), ("N\n", "box", ""), (None, "box", ""), ("Y\n", "unconfined", ""), ("Y\n", "", "")],
)
def test_a_profile_is_entered_where_it_is_enforced(
    tmp_path: Path, enabled: str | None, profile: str, entered: str
) -> None:
    if enabled is not None:
        (tmp_path / "enabled").write_text(enabled)
    assert labels.check(profile, "", apparmor=str(tmp_path / "enabled"), selinux=str(tmp_path / "no")) == entered


def test_a_label_of_selinux_is_refused_where_it_would_be_enforced(tmp_path: Path) -> None:
    (tmp_path / "enforce").write_text("1")
    with pytest.raises(OCIRuntimeError, match="not supported yet"):
        labels.check("", "system_u:x", selinux=str(tmp_path / "enforce"))
    assert labels.check("", "system_u:x", selinux=str(tmp_path / "no")) == ""
