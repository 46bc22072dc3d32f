from __future__ import annotations

from typing import Any

import pytest

from pod.build.language.instructions import Mount
from pod.build.language.mounts import parse_mount
from pod.errors import PodError


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("target=/a", {"target": "/a"}),
        ("from=a", {"from_": "a"}),
        ("type=bind,src=b,dst=/a,from=c,rw", {"source": "b", "target": "/a", "from_": "c", "read_only": False}),
        ("TYPE=BIND,Destination=/a,RO=true", {"target": "/a", "read_only": True}),
        ("type=bind,source=b,target=/a,readwrite=false", {"source": "b", "target": "/a", "read_only": True}),
        (
            "type=cache,target=/a,id=b,sharing=Locked,from=c,source=d,mode=0700,uid=1,gid=2,readonly",
            {
                "type": "cache",
                "target": "/a",
                "id": "b",
                "sharing": "locked",
                "from_": "c",
                "source": "d",
                "mode": 0o700,
                "uid": 1,
                "gid": 2,
                "read_only": True,
            },
        ),
        ("type=tmpfs,dst=/a,size=64m", {"type": "tmpfs", "target": "/a", "size": 64 << 20}),
        (
            "type=secret,id=a,required,mode=0444,env=B",
            {"type": "secret", "id": "a", "required": True, "mode": 0o444, "env": "B"},
        ),
        ("required=false,target=/a,type=secret", {"type": "secret", "target": "/a"}),
        ("type=ssh", {"type": "ssh"}),
        ("type=ssh,id=a,target=/b", {"type": "ssh", "id": "a", "target": "/b"}),
        ('type=bind,"source=a,b",target=/c', {"source": "a,b", "target": "/c"}),
        # What only podman takes.
        ("type=bind,target=/a,Z", {"target": "/a", "options": ("Z",)}),
        (
            "type=tmpfs,target=/a,noexec=true,nosuid=1,nodev=false,tmpcopyup=true",
            {"type": "tmpfs", "target": "/a", "options": ("noexec", "nosuid", "tmpcopyup")},
        ),
        (
            "type=cache,target=/a,z,U=true,relabel=shared,nosuid",
            {"type": "cache", "target": "/a", "options": ("z", "U=true", "relabel=shared", "nosuid")},
        ),
        ("type=tmpfs,target=/a,tmpcopyup", {"type": "tmpfs", "target": "/a", "options": ("tmpcopyup",)}),
    ],
)
def test_mount(text: str, fields: dict[str, Any]) -> None:
    assert parse_mount(text) == Mount(text, **fields)


def test_restrictions_whose_value_is_a_variable_or_nonsense() -> None:
    text = "type=tmpfs,target=/a,noexec=$n"
    assert parse_mount(text).options == ()
    assert parse_mount(text, lambda value: value.replace("$n", "true")).options == ("noexec",)
    with pytest.raises(PodError, match='invalid value for noexec: "maybe"'):
        parse_mount("type=tmpfs,target=/a,noexec=maybe")


def test_a_type_that_is_a_variable() -> None:
    text = "type=$t,id=x,target=/a"
    assert parse_mount(text) == Mount(text, id="x", target="/a", has_variables=True)
    assert parse_mount(text, lambda value: value.replace("$t", "cache")) == Mount(
        text, type="cache", id="x", target="/a"
    )
