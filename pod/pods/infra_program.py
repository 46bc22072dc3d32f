"""The program of a pod's infra container: it waits, and buries processes that nobody else does.

It blocks the signals that end it (INT and TERM, as with catatonit) and CHLD, which are then delivered even to the first
process of a process namespace, and takes them one after the other: CHLD makes it reap, the others exit with 0.

The code is made from the assembly below by `as` and `objcopy -O binary -j .text`; tests assemble it again and compare.
"""

from __future__ import annotations

from runtime.syscalls import MACHINE
from runtime.trampoline import elf

X86_64_ASSEMBLY = """
.intel_syntax noprefix
start:                                  # rt_sigprocmask(SIG_BLOCK, &signals, NULL, 8)
  xor edi, edi
  lea rsi, [rip + signals]
  xor edx, edx
  mov r10d, 8
  mov eax, 14
  syscall
wait:                                   # rt_sigtimedwait(&signals, NULL, NULL, 8)
  lea rdi, [rip + signals]
  xor esi, esi
  xor edx, edx
  mov r10d, 8
  mov eax, 128
  syscall
  cmp eax, 17
  je reap
  test eax, eax
  jle wait
  xor edi, edi                          # exit_group(0)
  mov eax, 231
  syscall
reap:                                   # wait4(-1, NULL, WNOHANG, NULL)
  mov rdi, -1
  xor esi, esi
  mov edx, 1
  xor r10d, r10d
  mov eax, 61
  syscall
  test eax, eax
  jg reap
  jmp wait
.balign 8
signals:
  .quad 0x14002
"""

AARCH64_ASSEMBLY = """
start:
  mov x0, #0
  adr x1, signals
  mov x2, #0
  mov x3, #8
  mov x8, #135
  svc #0
wait:
  adr x0, signals
  mov x1, #0
  mov x2, #0
  mov x3, #8
  mov x8, #137
  svc #0
  cmp w0, #17
  b.eq reap
  cmp w0, #0
  b.le wait
  mov x0, #0
  mov x8, #94
  svc #0
reap:
  mov x0, #-1
  mov x1, #0
  mov x2, #1
  mov x3, #0
  mov x8, #260
  svc #0
  cmp w0, #0
  b.gt reap
  b wait
.balign 8
signals:
  .quad 0x14002
"""

_X86_64_CODE = bytes.fromhex(
    "31ff488d355700000031d241ba08000000b80e0000000f05488d3d4100000031f631d241ba080000"
    "00b8800000000f0583f811740d85c07edf31ffb8e70000000f0548c7c7ffffffff31f6ba01000000"
    "4531d2b83d0000000f0585c07fe4ebb80240010000000000"
)
_AARCH64_CODE = bytes.fromhex(
    "000080d261030010020080d2030180d2e81080d2010000d4c0020010010080d2020080d2030180d2"
    "281180d2010000d41f440071c00000541f000071edfeff54000080d2c80b80d2010000d400008092"
    "010080d2220080d2030080d2882080d2010000d41f0000712cffff54ebffff170240010000000000"
)
# machine: (e_machine, code)
CODE = {"x86_64": (62, _X86_64_CODE), "aarch64": (183, _AARCH64_CODE)}


def image(machine: str = MACHINE) -> bytes:
    """Return the program, an ELF file."""
    return elf(*CODE[machine])
