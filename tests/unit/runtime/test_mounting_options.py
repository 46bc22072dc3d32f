from __future__ import annotations

import pytest

from runtime.errors import SpecError
from runtime.kernel import (
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
)
from runtime.mounting.mounts import Mount
from runtime.mounting.options import MountOptions


def test_sorts_options() -> None:
    options = MountOptions(["rbind", "ro", "nosuid", "rslave", "mode=755", "size=1m"])
    assert options.bind
    assert options.recursive
    assert options.attributes.set == MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID
    assert options.attributes.clear == 0
    assert options.propagation == [(MS_SLAVE, True)]
    assert options.parameters() == [("mode", "755"), ("size", "1m")]


def test_the_last_of_two_contradictions_counts() -> None:
    assert MountOptions(["ro", "rw"]).attributes.set == 0
    assert MountOptions(["ro", "rw"]).attributes.clear == MOUNT_ATTR_RDONLY
    again = MountOptions(["rw", "ro"]).attributes
    assert (again.set, again.clear) == (MOUNT_ATTR_RDONLY, 0)


def test_access_times_clear_the_whole_field() -> None:
    assert MountOptions(["noatime"]).attributes.clear == MOUNT_ATTR__ATIME
    attributes = MountOptions(["noatime", "relatime"]).attributes
    assert not attributes.set & MOUNT_ATTR_NOATIME


def test_bind_does_not_take_back_rbind() -> None:
    assert MountOptions(["rbind", "bind"]).recursive
    assert MountOptions(["bind", "rbind"]).recursive
    assert not MountOptions(["bind"]).recursive


def test_recursive_attributes_and_propagation_are_told_from_plain_ones() -> None:
    options = MountOptions(["rro", "nodev", "private", "rshared"])
    assert options.recursive_attributes.set == MOUNT_ATTR_RDONLY
    assert options.attributes.set == MOUNT_ATTR_NODEV
    assert options.propagation == [(MS_PRIVATE, False), (MS_SHARED, True)]


@pytest.mark.parametrize("option", ["defaults", "async", "loud", "silent", "nomand"])
def test_options_without_a_meaning_here_are_dropped(option: str) -> None:
    assert MountOptions([option]).data == []


def test_what_is_not_known_is_for_the_file_system() -> None:
    options = MountOptions(["lowerdir=/a:/b,userxattr", "newinstance"])
    assert options.parameters() == [("lowerdir", "/a:/b"), ("userxattr", None), ("newinstance", None)]


def test_a_mount_is_normalised() -> None:
    mount = Mount({"destination": "data//x/./y", "type": "bind", "source": "src"}, "/bundle")
    assert mount.destination == "/data/x/y"
    assert mount.source == "/bundle/src"
    assert mount.options.bind


def test_a_bind_mount_needs_a_source_and_others_a_type() -> None:
    with pytest.raises(SpecError, match="has no source"):
        Mount({"destination": "/x", "options": ["bind"]}, "/bundle")
    with pytest.raises(SpecError, match="has no type"):
        Mount({"destination": "/x"}, "/bundle")
