"""The order of a step's mounts among all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pod.build.mounts import ordering

SYSTEM = ["/proc", "/dev", "/sys", "/dev/pts", "/sys/fs/cgroup", "/dev/shm"]


def mount(target: str, source: str = "", *options: str) -> dict[str, Any]:
    return {"destination": target, "type": "bind" if source else "tmpfs", "source": source, "options": list(options)}


def targets(mounts: list[str], added: list[dict[str, Any]]) -> list[str]:
    joined = ordering.joined([mount(target) for target in mounts], added)
    return [f"{one['source']}{one['destination']}" for one in joined]


def test_no_mount_hides_one_below_it_and_those_of_the_system_come_first() -> None:
    rest = ["/x", "/etc/hosts", "/run/.containerenv", "/o/z"]
    added = [mount("/o/z/f"), mount("/o"), mount("/etc"), mount("//dev"), mount("/")]
    expected = ["/", "/x", "/o", "/etc", "//dev", "/etc/hosts", "/run/.containerenv", "/o/z", "/o/z/f"]
    assert targets([*SYSTEM, *rest], added) == SYSTEM + expected
    assert targets(SYSTEM, []) == SYSTEM
    assert targets([], [mount("/b"), mount("/a")]) == ["/b", "/a"]


def test_the_later_of_two_at_one_place_stays_the_later() -> None:
    assert targets(["/etc/hosts"], [mount("/etc/hosts", "own")]) == ["/etc/hosts", "own/etc/hosts"]


def test_what_has_no_place_below_a_mount_that_is_only_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("")
    (tmp_path / "z").mkdir()
    source = str(tmp_path)
    engine = ["/etc/hosts", "/etc/resolv.conf", "/etc/z", "/etc/z/inner", "/etcetera"]
    kept = ["/etcetera", f"{source}/etc", "/etc/hosts", "/etc/z", "/etc/z/inner"]
    assert targets(engine, [mount("/etc", source, "rbind", "ro")]) == kept
    everything = ["/etcetera", f"{source}/etc", *engine[:4]]
    assert targets(engine, [mount("/etc", source, "rbind", "rw")]) == everything
    assert targets(["/t/a"], [mount("/t", "", "ro")]) == ["/t"]
    assert targets([], [mount("/t", "", "ro"), mount("/t/a")]) == ["/t", "/t/a"]
    file = f"{source}/hosts"
    assert targets(["/f/a"], [mount("/f", file, "ro")]) == [f"{file}/f", "/f/a"]
