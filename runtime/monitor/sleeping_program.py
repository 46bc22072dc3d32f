"""The program that a monitor is while nothing happens: a few hundred bytes that wait for its descriptors and signals.

Whatever comes, it executes the interpreter that the monitor was before, with the arguments that it got itself, and
reads nothing: data, connections and blocked signals are still there for that one. See dormant.py.

Behind the code lies what it works on: int count; (padding); the signals it waits for; the name for `ps`; the pause
after which it tries again what failed; struct pollfd[FDS], of which the first is its signalfd; the interpreter's path.
The code is made from the assembly below by `as` and `objcopy -O binary -j .text`; tests assemble it again and compare.
"""

from __future__ import annotations

from runtime.syscalls import MACHINE
from runtime.trampoline import elf

X86_64_ASSEMBLY = """
.intel_syntax noprefix
start:                                  # prctl(PR_SET_NAME, name)
  mov edi, 15
  lea rsi, [rip + data + 16]
  mov eax, 157
  syscall
  mov edi, -1                           # signalfd4(-1, &signals, 8, SFD_CLOEXEC)
  lea rsi, [rip + data + 8]
  mov edx, 8
  mov r10d, 0x80000
  mov eax, 289
  syscall
  mov [rip + data + 48], eax
wait:                                   # poll(fds, count, -1)
  lea rdi, [rip + data + 48]
  mov esi, [rip + data]
  mov edx, -1
  mov eax, 7
  syscall
  cmp eax, -4
  je wait
  test eax, eax
  jle pause
  mov rcx, [rsp]                        # execve(path, argv, envp)
  lea rdi, [rip + data + 2096]
  lea rsi, [rsp + 8]
  lea rdx, [rsp + rcx*8 + 16]
  mov eax, 59
  syscall
pause:                                  # nanosleep(&pause, NULL)
  lea rdi, [rip + data + 32]
  xor esi, esi
  mov eax, 35
  syscall
  jmp wait
.balign 8
data:
"""

AARCH64_ASSEMBLY = """
start:
  adr x19, data
  mov x0, #15
  add x1, x19, #16
  mov x8, #167
  svc #0
  mov x0, #-1
  add x1, x19, #8
  mov x2, #8
  mov x3, #0x80000
  mov x8, #74
  svc #0
  str w0, [x19, #48]
wait:
  add x0, x19, #48
  ldr w1, [x19]
  mov x2, #0
  mov x3, #0
  mov x4, #8
  mov x8, #73
  svc #0
  cmn w0, #4
  b.eq wait
  cmp w0, #0
  b.le pause
  ldr x9, [sp]
  add x0, x19, #2096
  add x1, sp, #8
  add x2, x1, x9, lsl #3
  add x2, x2, #8
  mov x8, #221
  svc #0
pause:
  add x0, x19, #32
  mov x1, #0
  mov x8, #101
  svc #0
  b wait
.balign 8
data:
"""

_X86_64_CODE = bytes.fromhex(
    "bf0f000000488d358c000000b89d0000000f05bfffffffff488d3571000000ba0800000041ba0000"
    "0800b8210100000f05890581000000488d3d7a0000008b3544000000baffffffffb8070000000f05"
    "83f8fc74e285c07e1c488b0c24488d3d54080000488d742408488d54cc10b83b0000000f05488d3d"
    "2c00000031f6b8230000000f05ebb090"
)
_AARCH64_CODE = bytes.fromhex(
    "93040010e00180d261420091e81480d2010000d40000809261220091020180d20301a0d2480980d2"
    "010000d4603200b960c20091610240b9020080d2030080d2040180d2280980d2010000d41f100031"
    "00ffff541f0000710d010054e90340f960c22091e1230091220c098b42200091a81b80d2010000d4"
    "60820091010080d2a80c80d2010000d4eaffff171f2003d5"
)
# machine: (e_machine, code)
CODE = {"x86_64": (62, _X86_64_CODE), "aarch64": (183, _AARCH64_CODE)}

FDS = 256
PATH = 48 + 8 * FDS
DATA = 4096


def image(machine: str = MACHINE) -> bytes:
    """Return the program with nothing in its data yet; nothing for a machine that it is not written for."""
    if machine not in CODE:
        return b""
    number, code = CODE[machine]
    return elf(number, code + bytes(DATA), writable=True)
