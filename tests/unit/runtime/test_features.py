"""The features document says what the code does: each list is tried on the code that it describes."""

from __future__ import annotations

from typing import Any

import pytest

from runtime import features, schema
from runtime.errors import SpecError
from runtime.mounting.options import MountOptions
from runtime.seccomp import compile_profile, filter_flags

DOCUMENT: dict[str, Any] = features.document("pod-runtime", "1", checkpoint=True)
LINUX = DOCUMENT["linux"]


def configuration(**linux: Any) -> dict[str, Any]:
    return {"ociVersion": "1.0.0", "root": {"path": "r"}, "linux": linux}


def test_mount_options_are_not_left_to_the_file_system() -> None:
    assert {"rro", "rbind", "nosuid", "tmpcopyup", "idmap", "rslave"} <= set(DOCUMENT["mountOptions"])
    assert MountOptions(DOCUMENT["mountOptions"]).data == []
    assert MountOptions(["size=1m"]).data == ["size=1m"]


def test_namespaces_and_memory_policies_are_accepted() -> None:
    schema.check_document(configuration(namespaces=[{"type": kind} for kind in LINUX["namespaces"]]))
    for mode in LINUX["memoryPolicy"]["modes"]:
        schema.check_document(configuration(memoryPolicy={"mode": mode, "flags": LINUX["memoryPolicy"]["flags"]}))


def test_what_is_not_enabled_is_refused() -> None:
    assert LINUX["intelRdt"] == {"enabled": False}
    with pytest.raises(SpecError):
        schema.check_document(configuration(intelRdt={"closID": "x"}))


def test_seccomp_compiles() -> None:
    seccomp = LINUX["seccomp"]
    for action in seccomp["actions"]:
        compile_profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getpid"], "action": action}]})
    for operator in seccomp["operators"]:
        rule = {"index": 0, "value": 1, "valueTwo": 1, "op": operator}
        entry = {"names": ["close"], "action": "SCMP_ACT_ERRNO", "args": [rule]}
        compile_profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry]})
    compile_profile({"defaultAction": "SCMP_ACT_ALLOW", "architectures": seccomp["archs"]})
    assert filter_flags({"defaultAction": "SCMP_ACT_ALLOW", "flags": seccomp["supportedFlags"]})
    with pytest.raises(SpecError):
        compile_profile({"defaultAction": "SCMP_ACT_NONSENSE"})


def test_its_form() -> None:
    assert DOCUMENT["hooks"][0] == "prestart"
    assert DOCUMENT["annotations"]["org.opencontainers.pod-runtime.checkpoint.enabled"] == "true"
    assert "CAP_CHECKPOINT_RESTORE" in LINUX["capabilities"]
