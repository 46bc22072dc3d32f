"""A resolved profile becomes a BPF program: architecture, then a balanced tree over the numbers, then the arguments."""

from __future__ import annotations

from runtime.errors import SpecError
from runtime.seccomp import bpf
from runtime.seccomp.profile import KILL, X32_BIT, Abi, Outcome, Resolved, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def compile_profile(profile: dict[str, Any], machine: str, *, strict: bool = False) -> bytes:
    """Compile OCI `linux.seccomp` for a machine (as `uname -m` says) to an array of struct sock_filter."""
    program = bpf.Program()
    resolved = resolve(profile, machine, strict=strict)
    groups: dict[int, list[Abi]] = {}
    for abi in resolved.abis:
        groups.setdefault(abi.audit, []).append(abi)
    no_match = program.give(KILL)
    # The native ABI is written last, and so it is the first in the program.
    trees = [
        (audit, _tree(program, _segments(abis, resolved), resolved.default)) for audit, abis in reversed(groups.items())
    ]
    for audit, tree in trees:
        no_match = program.jump(bpf.JUMP_EQUAL, audit, tree, no_match)
    program.goto(no_match)
    program.emit(bpf.LOAD, bpf.ARCHITECTURE)
    if len(program) > bpf.MAX_INSTRUCTIONS:
        raise SpecError(f"seccomp: the profile needs {len(program)} instructions, the kernel takes 4096")
    return program.assemble()


# From this number on up to the next segment's: what happens, and whether arguments have 64 bits.
Segment = tuple[int, Outcome, bool]


def _segments(abis: list[Abi], resolved: Resolved) -> list[Segment]:
    """Divide the 2^32 numbers of one audit architecture into runs with one outcome."""
    segments: list[Segment] = []
    for abi in abis:
        base = X32_BIT if abi.name == "X32" else 0
        _append(segments, (base, resolved.default, abi.wide))
        previous: Outcome = resolved.default
        following = base
        for number in sorted(abi.outcomes):
            outcome = abi.outcomes[number]
            if number != following and previous != resolved.default:
                _append(segments, (following, resolved.default, abi.wide))
                previous = resolved.default
            if outcome != previous:
                _append(segments, (number, outcome, abi.wide))
            previous, following = outcome, number + 1
        _append(segments, (following, resolved.default, abi.wide))
        if abi.highest >= 0:
            _append(segments, (abi.highest + 1, resolved.newer, abi.wide))
    if abis[-1].name == "X86_64":
        _append(segments, (X32_BIT, KILL, True))
        # A tracer sets -1 to make the kernel skip a system call: no reason to kill (as libseccomp).
        _append(segments, (0xFFFFFFFF, resolved.default, True))
    return segments


def _append(segments: list[Segment], new: Segment) -> None:
    if segments and segments[-1][0] == new[0]:
        segments.pop()
    last = segments[-1] if segments else None
    if last is None or last[1] != new[1] or (last[2] != new[2] and not isinstance(new[1], int)):
        segments.append(new)


def _tree(program: bpf.Program, segments: list[Segment], default: int) -> int:
    """Write the outcomes and the search for them; return the label where it begins."""
    leaves: dict[tuple[Outcome, bool], int] = {}
    labels = []
    for first, outcome, wide in segments:
        key = (outcome, wide)
        if key not in leaves:
            leaves[key] = _leaf(program, outcome, bpf.compare if wide else bpf.compare_word, default)
        labels.append((first, leaves[key]))
    program.goto(bpf.search(program, labels))
    return program.emit(bpf.LOAD, bpf.NUMBER)


def _leaf(program: bpf.Program, outcome: Outcome, compare: bpf.Compare, default: int) -> int:
    """Write what happens at one system call; of several conditional rules the first that matches decides."""
    if isinstance(outcome, int):
        return program.give(outcome)
    otherwise = program.give(default)
    for conditions, value in reversed(outcome):
        matched = program.give(value)
        for index, operator, mask, number in reversed(conditions):
            matched = compare(program, index, operator, mask, number, (matched, otherwise))
        otherwise = matched
    return otherwise
