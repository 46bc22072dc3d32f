from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.containers.mounts import mount as mounts
from pod.containers.mounts.flag import parse_mount
from pod.containers.mounts.mount import Mount
from pod.errors import PodError


def document(mount: Mount) -> tuple[str, str, str, list[str]]:
    return mount.type, mount.source, mount.target, mount.options


def test_bind_volume() -> None:
    assert document(mounts.parse_volume("/src:/dst")) == ("bind", "/src", "/dst", ["rbind", "rprivate"])
    assert document(mounts.parse_volume("/src:/dst:ro,Z")) == ("bind", "/src", "/dst", ["ro", "rbind", "rprivate"])
    assert document(mounts.parse_volume("/s:/d:rslave,bind")) == ("bind", "/s", "/d", ["rslave", "bind"])


def test_named_and_anonymous_volumes() -> None:
    assert document(mounts.parse_volume("data:/var/lib")) == ("volume", "data", "/var/lib", [])
    assert not mounts.parse_volume("data:/var/lib:nocopy").copy
    anonymous = mounts.parse_volume("/var/lib/data")
    assert (anonymous.type, anonymous.source, anonymous.anonymous) == ("volume", "", True)


@pytest.mark.parametrize(
    "text", ["", ":", "a:b", "/a:b", "a:/b:c:d", "a:/b:bogus", "a:/b:ro,rw", ":/b", "bad name:/b", "/a:", "_x:/b"]
)
def test_nonsense_volume(text: str) -> None:
    with pytest.raises(PodError):
        mounts.parse_volume(text)


def test_mount_types() -> None:
    (bind,) = parse_mount("type=bind,source=/a,target=/b,readonly")
    assert document(bind) == ("bind", "/a", "/b", ["ro", "rbind", "rprivate"])
    (bind,) = parse_mount("type=bind,src=/a,dst=/b,ro=false,bind-propagation=rshared")
    assert document(bind) == ("bind", "/a", "/b", ["rw", "rshared", "rbind"])
    assert document(parse_mount("type=volume,source=v,destination=/b")[0]) == ("volume", "v", "/b", [])
    (tmpfs,) = parse_mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700")
    assert document(tmpfs) == (
        "tmpfs",
        "",
        "/t",
        ["rprivate", "nosuid", "nodev", "tmpcopyup", "size=1048576", "mode=700"],
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "type=bind,source=/a",
        "type=cdrom,target=/b",
        "type=tmpfs,target=/b,bogus=1",
        "type=tmpfs,target=b",
    ],
)
def test_nonsense_mount(text: str) -> None:
    with pytest.raises(PodError):
        parse_mount(text)


def test_tmpfs() -> None:
    assert document(mounts.parse_tmpfs("/run:size=64m,exec,suid")) == (
        "tmpfs",
        "",
        "/run",
        ["rprivate", "nodev", "tmpcopyup", "size=64m", "exec", "suid"],
    )


def test_documents_round_trip() -> None:
    mount = mounts.parse_volume("data:/var/lib:ro,nocopy")
    assert Mount.from_document(mount.to_document()).to_document() == mount.to_document()


@given(st.text(alphabet="abc/:.,=roZ-", max_size=20))
def test_any_text_is_a_mount_or_an_error(text: str) -> None:
    for parse in (mounts.parse_volume, lambda text: parse_mount(text)[0], mounts.parse_tmpfs):
        try:
            assert parse(text).target.startswith("/")
        except PodError:
            pass
