"""Profiles that are refused, what libseccomp has no part in, and the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime import jsontext, seccomp
from runtime.errors import SpecError
from runtime.seccomp.profile import parse_table
from runtime.seccomp.tables import TABLES
from tests.unit.runtime.seccomp_oracle import Simulator

X86_64, X86, ARM64 = 0xC000003E, 0x40000003, 0xC00000B7
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0, 0x50001, 0x50026
NUMBERS = {abi: parse_table(text) for abi, text in TABLES.items()}


def allow(*names: str, args: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", "args": args}


def profile(*rules: dict[str, Any], default: str = "SCMP_ACT_ERRNO", **more: Any) -> dict[str, Any]:
    return {"defaultAction": default, "syscalls": list(rules), **more}


def decide(document: dict[str, Any], audit: int, number: int, *arguments: int, machine: str = "x86_64") -> int:
    program = seccomp.compile_profile(document, machine)
    return Simulator(program).run((audit, number, (*arguments, *(0,) * (6 - len(arguments)))))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "unknown action None"),
        (profile(default="SCMP_ACT_SING"), "unknown action 'SCMP_ACT_SING'"),
        (profile({"names": ["read"], "action": "ALLOW"}), "unknown action 'ALLOW'"),
        (profile({"names": ["read"], "action": "SCMP_ACT_KILL", "errnoRet": 1}), "SCMP_ACT_KILL has no errno"),
        (profile(default="SCMP_ACT_ALLOW", defaultErrnoRet=1), "SCMP_ACT_ALLOW has no errno"),
        (profile(defaultErrnoRet=70000), "errnoRet 70000"),
        (profile(architectures=["x86"]), "unknown architecture 'x86'"),
        (profile({"names": ["write"], "action": "SCMP_ACT_NOTIFY"}), "SCMP_ACT_NOTIFY cannot be used for write"),
        (profile(allow("read", args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}])), "argument index 6"),
        (profile(allow("read", args=[{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}])), "value -1"),
        (profile(allow("read", args=[{"index": 0, "value": 1 << 64, "op": "SCMP_CMP_EQ"}])), "unsigned 64-bit"),
        (
            profile(allow("read", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_IS"}])),
            "unknown operator 'SCMP_CMP_IS'",
        ),
    ],
)
def test_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        seccomp.compile_profile(document, "x86_64")


def test_unknown_machine_is_refused() -> None:
    with pytest.raises(SpecError, match="no system call numbers for vax"):
        seccomp.compile_profile(profile(), "vax")


def test_a_profile_too_large_is_refused() -> None:
    rules = [
        allow("read", args=[{"index": index % 6, "value": value, "op": "SCMP_CMP_EQ"} for index in range(6)])
        for value in range(300)
    ]
    with pytest.raises(SpecError, match="the kernel takes 4096"):
        seccomp.compile_profile(profile(*rules), "x86_64")


def test_an_architecture_that_is_not_listed_is_killed() -> None:
    document = profile(allow("read"))
    assert decide(document, X86_64, 0) == ALLOW
    assert decide(document, X86, NUMBERS["X86"]["read"]) == KILL
    assert decide(document, X86_64, NUMBERS["X32"]["read"]) == KILL
    assert decide(document, ARM64, NUMBERS["AARCH64"]["read"]) == KILL
    assert decide(document, ARM64, NUMBERS["AARCH64"]["read"], machine="aarch64") == ALLOW


def test_the_native_architecture_is_always_there() -> None:
    document = profile(allow("read"), architectures=["SCMP_ARCH_X86", "SCMP_ARCH_PPC64LE"])
    assert decide(document, X86_64, 0) == ALLOW
    assert decide(document, X86, NUMBERS["X86"]["read"]) == ALLOW


@pytest.mark.parametrize(
    ("default", "more", "beyond"),
    [
        ("SCMP_ACT_ERRNO", {}, ENOSYS),
        ("SCMP_ACT_ERRNO", {"defaultErrnoRet": 22}, ENOSYS),
        ("SCMP_ACT_ERRNO", {"defaultErrnoRet": 38}, ENOSYS),
        ("SCMP_ACT_KILL", {}, KILL),
        ("SCMP_ACT_TRACE", {"defaultErrnoRet": 3}, 0x7FF00003),
    ],
)
def test_calls_newer_than_the_profile_seem_not_to_exist(default: str, more: dict[str, Any], beyond: int) -> None:
    document = profile(allow("read", "openat2"), default=default, **more)
    newest = NUMBERS["X86_64"]["openat2"]
    assert decide(document, X86_64, newest) == ALLOW
    assert decide(document, X86_64, newest + 1) == beyond
    if default == "SCMP_ACT_ERRNO":
        assert decide(document, X86_64, newest - 1) == 0x50000 | more.get("defaultErrnoRet", 1)


def test_a_rule_that_repeats_the_default_still_counts_as_known() -> None:
    document = profile(allow("read"), {"names": ["openat2"], "action": "SCMP_ACT_ERRNO"})
    assert decide(document, X86_64, NUMBERS["X86_64"]["openat2"]) == EPERM


def test_socketcall_and_ipc_have_the_rules_of_what_they_reach() -> None:
    x86: dict[str, Any] = {"architectures": ["SCMP_ARCH_X86"]}
    document = profile(allow("accept", "shmat"), **x86)
    assert decide(document, X86, 102, 5) == ALLOW
    assert decide(document, X86, 102, 4) == EPERM
    assert decide(document, X86, 117, 21) == ALLOW
    assert decide(document, X86, 117, 0x10000 | 21) == ALLOW  # the version in the upper half
    assert decide(document, X86, 117, 22) == EPERM


def test_conditions_that_socketcall_hides_are_decided_on_the_safe_side() -> None:
    x86: dict[str, Any] = {"architectures": ["SCMP_ARCH_X86"]}
    condition = [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]
    laxer = profile(allow("socket", args=condition), **x86)
    assert decide(laxer, X86, NUMBERS["X86"]["socket"], 40) == ALLOW
    assert decide(laxer, X86, 102, 1) == EPERM
    stricter = profile(
        {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": condition}, default="SCMP_ACT_ALLOW", **x86
    )
    assert decide(stricter, X86, NUMBERS["X86"]["socket"], 41) == ALLOW
    assert decide(stricter, X86, 102, 1) == EPERM


def test_flags() -> None:
    assert seccomp.filter_flags({}) == 4
    assert seccomp.filter_flags({"flags": []}) == 0
    assert seccomp.filter_flags({"flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"]}) == 3
    with pytest.raises(SpecError, match="unknown flag 'LOUD'"):
        seccomp.filter_flags({"flags": ["LOUD"]})


class TestCache:
    document = profile(allow("read"))

    def test_hit_is_what_was_compiled(self, tmp_path: Path) -> None:
        directory = tmp_path / "cache"
        compiled = seccomp.compile_profile(self.document)
        assert seccomp.cached(self.document, str(directory)) == compiled
        assert seccomp.cached(jsontext.dumps(self.document), str(directory)) == compiled
        (file,) = directory.iterdir()
        assert (directory.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
        # The content is used, not compiled anew: a change shows.
        file.write_bytes(file.read_bytes()[:-8] + b"\0" * 8)
        assert seccomp.cached(self.document, str(directory)) == compiled[:-8] + b"\0" * 8

    def test_another_profile_or_machine_is_another_key(self, tmp_path: Path) -> None:
        seccomp.cached(self.document, str(tmp_path / "c"), "x86_64")
        seccomp.cached(self.document, str(tmp_path / "c"), "aarch64")
        seccomp.cached(profile(allow("write")), str(tmp_path / "c"), "x86_64")
        assert len(list((tmp_path / "c").iterdir())) == 3

    @pytest.mark.parametrize("damage", ["empty", "truncated", "other key", "link", "writable"])
    def test_what_is_not_ours_is_not_used(self, tmp_path: Path, damage: str) -> None:
        compiled = seccomp.cached(self.document, str(tmp_path / "c"))
        (file,) = (tmp_path / "c").iterdir()
        good = file.read_bytes()
        bad = {"empty": b"", "truncated": good[:-3], "other key": b"\0" * 60 + good[60:]}.get(
            damage, good[:-8] + b"bad-bad-"
        )
        file.write_bytes(bad)
        if damage == "link":
            file.rename(tmp_path / "target")
            file.symlink_to(tmp_path / "target")
        elif damage == "writable":
            file.chmod(0o666)
        assert seccomp.cached(self.document, str(tmp_path / "c")) == compiled
        assert file.read_bytes() == good
        assert file.lstat().st_mode & 0o777 == 0o600

    def test_a_cache_that_cannot_be_written_does_not_matter(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        compiled = seccomp.compile_profile(self.document)
        assert seccomp.cached(self.document, str(tmp_path / "file")) == compiled
        assert seccomp.cached(self.document, str(tmp_path / "no" / "where")) == compiled

    def test_a_directory_that_others_can_write_to_is_not_used(self, tmp_path: Path) -> None:
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o777)
        seccomp.cached(self.document, str(tmp_path / "open"))
        assert not list((tmp_path / "open").iterdir())

    def test_a_hit_imports_neither_tables_nor_compiler(self, tmp_path: Path) -> None:
        seccomp.cached(self.document, str(tmp_path / "c"))
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); from runtime import seccomp;"
            " seccomp.cached(sys.argv[2], sys.argv[3]);"
            " print(*(name for name in sys.modules if name.startswith('runtime.seccomp')))"
        )
        root = os.path.dirname(os.path.dirname(seccomp.__path__[0]))
        arguments = [root, jsontext.dumps(self.document), str(tmp_path / "c")]
        output = subprocess.check_output([sys.executable, "-I", "-S", "-c", code, *arguments], text=True)
        assert output.split() == ["runtime.seccomp"]
