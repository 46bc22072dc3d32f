"""Drop-ins of a file, and several files in one."""

from __future__ import annotations

from pod.quadlet import bundles, dropins


def test_directories_the_most_special_first() -> None:
    assert dropins.directories("web.container") == ["web.container.d", "container.d"]
    assert dropins.directories("a-b-c.pod") == ["a-b-c.pod.d", "a-b-.pod.d", "a-.pod.d", "pod.d"]
    assert dropins.directories("a-b@i-j.container") == [
        "a-b@i-j.container.d",
        "a-b@.container.d",
        "a-@.container.d",
        "a-.container.d",
        "container.d",
    ]


def test_of_one_name_the_most_special_counts_and_all_are_read_in_the_order_of_their_names() -> None:
    files = {
        "container.d": [["/etc/container.d/10-a.conf", "/etc/container.d/30-c.conf"]],
        "web.container.d": [
            ["/run/web.container.d/20-b.conf"],
            ["/etc/web.container.d/10-a.conf", "/etc/web.container.d/20-b.conf"],
        ],
        "other.container.d": [["/etc/other.container.d/05.conf"]],
    }
    assert dropins.choose("web.container", files) == [
        "/etc/web.container.d/10-a.conf",
        "/run/web.container.d/20-b.conf",
        "/etc/container.d/30-c.conf",
    ]


def test_several_files_in_one() -> None:
    text = "# FileName=web\n[Container]\nImage=x\n---\n\n# FileName=data.volume\n[Unit]\nA=1\n[Volume]\n --- \n---\n"
    assert bundles.split(text) == [
        ("web.container", "# FileName=web\n[Container]\nImage=x", 1),
        ("data.volume", "\n# FileName=data.volume\n[Unit]\nA=1\n[Volume]", 5),
    ]


def test_parts_without_a_name_or_of_no_kind_have_none() -> None:
    text = "[Container]\n---\n# FileName=x\n[Unit]\n---\n# FileName=../x\n[Pod]\n"
    assert [(name, first) for name, _, first in bundles.split(text)] == [("", 1), ("", 3), ("", 6)]


def test_which_files_are_several() -> None:
    assert bundles.is_bundle("web.quadlets")
    assert not bundles.is_bundle(".quadlets")
    assert not bundles.is_bundle("web.container")
