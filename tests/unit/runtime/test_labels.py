from __future__ import annotations

import os
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
    document = {"apparmorProfile": profile}
    found = labels.read_labels(document, apparmor=str(tmp_path / "enabled"), selinux=str(tmp_path / "no"))
    assert (found.apparmor, found.selinux, bool(found)) == (entered, "", bool(entered))


def test_a_label_of_selinux_is_taken_where_it_is_enforced(tmp_path: Path) -> None:
    (tmp_path / "enforce").write_text("1")
    document = {"selinuxLabel": "system_u:system_r:container_t:s0:c1,c2"}
    found = labels.read_labels(document, selinux=str(tmp_path / "enforce"))
    assert found.selinux == document["selinuxLabel"]
    assert not labels.read_labels(document, selinux=str(tmp_path / "no"))


def test_labels_are_written_where_the_kernel_reads_them(tmp_path: Path) -> None:
    attributes = tmp_path / "self" / "attr"
    attributes.mkdir(parents=True)
    for name in ("exec", "keycreate"):
        (attributes / name).touch()
    proc = os.open(tmp_path, os.O_PATH)
    try:
        found = labels.Labels("", "a_u:b_r:c_t")
        found.enter_at_execve(proc)
        assert (attributes / "exec").read_text() == "a_u:b_r:c_t"
        found.label_keys(proc, True)
        assert (attributes / "keycreate").read_text() == "a_u:b_r:c_t"
        (attributes / "exec").write_text("")
        labels.Labels("box", "").enter_at_execve(proc)
        assert (attributes / "exec").read_text() == "exec box"
        (attributes / "keycreate").unlink()
        with pytest.raises(OCIRuntimeError, match="label keys"):
            found.label_keys(proc, True)
        labels.Labels("box", "").label_keys(proc, True)
    finally:
        os.close(proc)
