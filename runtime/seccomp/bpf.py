"""An assembler for classic BPF as seccomp runs it, which writes a program from its end to its beginning.

All jumps go forward, so whoever writes backwards knows every target. A label is an instruction's distance from the end.
Conditional jumps reach 255 instructions; what lies farther gets a jump (or a copy of the return) in between.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Compare = Callable[["Program", int, str, int, int, tuple[int, int]], int]

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
JUMP = 0x05  # BPF_JMP | BPF_JA
JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_GREATER = 0x25
JUMP_GREATER_EQUAL = 0x35
RETURN = 0x06  # BPF_RET | BPF_K

# struct seccomp_data
NUMBER = 0
ARCHITECTURE = 4
ARGUMENTS = 16

MAX_INSTRUCTIONS = 4096
_REACH = 255
_instruction = struct.Struct("=HBBI")


class Program:
    """A program under construction."""

    def __init__(self) -> None:
        self._reversed: list[bytes] = []
        self._returns: dict[int, int] = {}  # label -> value

    def __len__(self) -> int:
        return len(self._reversed)

    def assemble(self) -> bytes:
        """Return the array of struct sock_filter."""
        return b"".join(reversed(self._reversed))

    def emit(self, code: int, k: int, jt: int = 0, jf: int = 0) -> int:
        """Put an instruction in front of all others; return its label."""
        self._reversed.append(_instruction.pack(code, jt, jf, k))
        return len(self._reversed) - 1

    def give(self, value: int) -> int:
        """Return the label of an instruction that ends the filter with `value`."""
        label = self.emit(RETURN, value)
        self._returns[label] = value
        return label

    def jump(self, code: int, k: int, true: int, false: int) -> int:
        """Compare A with `k` and go on at one of two labels."""
        false = self._near(false, 1)
        true = self._near(true, 0)
        here = len(self._reversed)
        return self.emit(code, k, here - true - 1, here - false - 1)

    def goto(self, label: int) -> int:
        """Make sure that the next instruction written can fall through to `label`."""
        return label if label == len(self._reversed) - 1 else self._hop(label)

    def _near(self, label: int, more: int) -> int:
        """Return a label for the same place within reach, after `more` further instructions."""
        distance = len(self._reversed) - label - 1
        return label if distance + more <= _REACH else self._hop(label)

    def _hop(self, label: int) -> int:
        if label in self._returns:
            return self.give(self._returns[label])
        return self.emit(JUMP, len(self._reversed) - label - 1)


def search(program: Program, segments: Sequence[tuple[int, int]]) -> int:
    """Write a balanced decision tree over A: (first value, label) in ascending order, the first one from 0."""
    middle = len(segments) // 2
    if middle == 0:
        return segments[0][1]
    high = search(program, segments[middle:])
    low = search(program, segments[:middle])
    return program.jump(JUMP_GREATER_EQUAL, segments[middle][0], high, low)


def compare(program: Program, index: int, operator: str, mask: int, value: int, labels: tuple[int, int]) -> int:
    """Write the comparison of a 64-bit argument; `labels` are where to go when it holds and when not."""
    true, false = labels
    if operator in ("NE", "LT", "LE"):
        operator, true, false = {"NE": "EQ", "LT": "GE", "LE": "GT"}[operator], false, true
    offset = ARGUMENTS + 8 * index
    last = {"EQ": JUMP_EQUAL, "GE": JUMP_GREATER_EQUAL, "GT": JUMP_GREATER}[operator]
    low = _word(program, offset, mask & 0xFFFFFFFF, last, value & 0xFFFFFFFF, true, false)
    if operator == "EQ":
        if mask >> 32 == 0 and value >> 32 == 0:
            return low
        return _word(program, offset + 4, mask >> 32, JUMP_EQUAL, value >> 32, low, false)
    equal = program.jump(JUMP_EQUAL, value >> 32, low, false)
    program.jump(JUMP_GREATER, value >> 32, true, equal)
    return program.emit(LOAD, offset + 4)


def compare_word(program: Program, index: int, operator: str, mask: int, value: int, labels: tuple[int, int]) -> int:
    """Write the comparison of the low 32 bits of an argument."""
    true, false = labels
    if operator in ("NE", "LT", "LE"):
        operator, true, false = {"NE": "EQ", "LT": "GE", "LE": "GT"}[operator], false, true
    code = {"EQ": JUMP_EQUAL, "GE": JUMP_GREATER_EQUAL, "GT": JUMP_GREATER}[operator]
    return _word(program, ARGUMENTS + 8 * index, mask & 0xFFFFFFFF, code, value & 0xFFFFFFFF, true, false)


def _word(program: Program, offset: int, mask: int, code: int, value: int, true: int, false: int) -> int:
    program.jump(code, value, true, false)
    if mask != 0xFFFFFFFF:
        program.emit(AND, mask)
    return program.emit(LOAD, offset)
