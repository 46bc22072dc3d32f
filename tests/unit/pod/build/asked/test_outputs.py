"""What --output says, and the words for what it cannot say."""

from __future__ import annotations

import pytest

from pod.build.asked.outputs import Output, parse
from pod.errors import PodError


def test_where_files_go() -> None:
    assert parse("dir/below") == parse("type=local,dest=dir/below") == Output("local", "dir/below")
    assert parse("dest=a.tar,type=tar") == Output("tar", "a.tar")
    assert parse("-") == parse("type=tar,dest=-") == Output("tar", "")
    assert parse("-").to_stdout
    assert parse("type=oci,dest=a.tar") == Output("oci", "a.tar")
    assert parse("type=oci,dest=-").to_stdout
    assert parse("dir").of("linux/arm/v7") == Output("local", "dir/linux_arm_v7")
    with pytest.raises(PodError, match="one platform"):
        parse("-").of("linux/amd64")
    with pytest.raises(PodError, match="image of one platform"):
        parse("type=oci,dest=a.tar").of("linux/amd64")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'missing required key "dest" in build output option: ""'),
        ("type=local", 'missing required key "dest" in build output option: "type=local"'),
        ("dest=x", 'missing required key "type" in build output option: "dest=x"'),
        ("type=zip,dest=x", 'invalid type "zip" selected for build output options "type=zip,dest=x"'),
        ("type=local,x", 'invalid build output options "type=local,x", expected format key=value'),
        ("type=local,mode=1", 'unrecognized key "mode" in build output option: "type=local,mode=1"'),
        ("type=tar,type=tar", 'duplicate "type" not supported'),
        ("type=local,dest=-", 'only "type=tar" can be used with "dest=-"'),
    ],
)
def test_what_cannot_be_said(text: str, message: str) -> None:
    with pytest.raises(PodError) as raised:
        parse(text)
    assert message in str(raised.value)
    assert raised.value.hint
