"""The last step into a container: a tiny static program in a sealed memfd, which only calls execve.

Whatever a container's init was before its execve can be found through /proc/self/exe: by `CMD ["/proc/self/exe"]`, by a
script that starts with `#!/proc/self/exe`, by an ELF file with that interpreter. If it were the host's Python, the
container could run it with its own libraries, and open it for writing later (CVE-2019-5736). So Python executes
this program, by fd, and this program executes the container's: all that /proc/self/exe leads to is a few hundred bytes
which nobody can change. Until then PR_SET_DUMPABLE 0 protects the process.

Its argument list is the path to execute, followed by the argument list to give. Before the execve it makes the error
fd close-on-exec and, if there is one, loads the seccomp filter behind the code (only with no_new_privs: then the filter
need not allow execveat); after a failed execve it writes errno to the error fd, 4 bytes, and exits with 127. Executed a
second time, by a container's `#!/proc/self/exe`, it finds the error fd closed and just exits.

The code is made from the assembly below by `as` and `objcopy -O binary -j .text`; tests assemble it again and compare.
"""

from __future__ import annotations

import fcntl
import posix
import struct
from errno import EINVAL

from runtime.kernel import (
    F_ADD_SEALS,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    MFD_ALLOW_SEALING,
    MFD_CLOEXEC,
    MFD_EXEC,
)
from runtime.syscalls import MACHINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

X86_64_ASSEMBLY = """
.intel_syntax noprefix
start:                                  # fcntl(error_fd, F_SETFD, FD_CLOEXEC)
  mov edi, [rip + data]
  mov esi, 2
  mov edx, 1
  mov eax, 72
  syscall
  test eax, eax                         # closed: we were executed again, by way of /proc/self/exe
  jnz end
  movzx ecx, word ptr [rip + data + 8]
  test ecx, ecx
  jz run
  lea rax, [rip + data + 16]            # struct sock_fprog on the stack
  push rax
  push rcx
  mov edi, 1                            # seccomp(SECCOMP_SET_MODE_FILTER, flags, &fprog)
  mov esi, [rip + data + 4]
  mov rdx, rsp
  mov eax, 317
  syscall
  pop rcx
  pop rcx
  test rax, rax
  js fail
run:                                    # execve(argv[0], argv + 1, envp)
  mov rcx, [rsp]
  mov rdi, [rsp + 8]
  lea rsi, [rsp + 16]
  lea rdx, [rsp + rcx*8 + 16]
  mov eax, 59
  syscall
fail:                                   # write(error_fd, &errno, 4); exit_group(127)
  neg eax
  push rax
  mov edi, [rip + data]
  mov rsi, rsp
  mov edx, 4
  mov eax, 1
  syscall
end:
  mov edi, 127
  mov eax, 231
  syscall
.balign 8
data:                                   # int error_fd; int flags; short length; (padding); struct sock_filter[]
"""

AARCH64_ASSEMBLY = """
start:
  adr x9, data
  ldr w0, [x9]
  mov x1, #2
  mov x2, #1
  mov x8, #25
  svc #0
  cbnz x0, end
  ldrh w10, [x9, #8]
  cbz w10, run
  add x11, x9, #16
  stp x10, x11, [sp, #-16]!
  mov x0, #1
  ldr w1, [x9, #4]
  mov x2, sp
  mov x8, #277
  svc #0
  add sp, sp, #16
  tbnz x0, #63, fail
run:
  ldr x10, [sp]
  ldr x0, [sp, #8]
  add x1, sp, #16
  add x2, x1, x10, lsl #3
  mov x8, #221
  svc #0
fail:
  neg w0, w0
  str x0, [sp, #-16]!
  ldr w0, [x9]
  mov x1, sp
  mov x2, #4
  mov x8, #64
  svc #0
end:
  mov x0, #127
  mov x8, #94
  svc #0
.balign 8
data:
"""

_X86_64_CODE = bytes.fromhex(
    "8b3d8a000000be02000000ba01000000b8480000000f0585c075620fb70d7600000085c97425488d"
    "05730000005051bf010000008b355a0000004889e2b83d0100000f0559594885c0781a488b0c2448"
    "8b7c2408488d742410488d54cc10b83b0000000f05f7d8508b3d220000004889e6ba04000000b801"
    "0000000f05bf7f000000b8e70000000f050f1f8000000000"
)
_AARCH64_CODE = bytes.fromhex(
    "49040010200140b9410080d2220080d2280380d2010000d4200300b52a1140794a0100342b410091"
    "ea2fbfa9200080d2210540b9e2030091a82280d2010000d4ff430091e000f8b7ea0340f9e00740f9"
    "e1430091220c0a8ba81b80d2010000d4e003004be00f1ff8200140b9e1030091820080d2080880d2"
    "010000d4e00f80d2c80b80d2010000d4"
)
# machine: (e_machine, code, e_flags)
CODE = {"x86_64": (62, _X86_64_CODE), "aarch64": (183, _AARCH64_CODE)}

BASE = 0x400000
HEADERS = 64 + 2 * 56
_PT_LOAD, _PT_GNU_STACK = 1, 0x6474E551
_READ, _WRITE, _EXECUTE = 4, 2, 1


def image(error_fd: int, program: bytes = b"", flags: int = 0, machine: str = MACHINE) -> bytes:
    """Return the ELF file that reports to `error_fd` and loads the seccomp filter `program`, if not empty."""
    data = struct.pack("=iiHxxxxxx", error_fd, flags, len(program) // 8) + program
    number, code = CODE[machine]
    return elf(number, code + data)


def elf(machine: int, content: bytes, *, writable: bool = False) -> bytes:
    """Return an ELF file that has code, from its beginning, and data in one segment; `machine` is its e_machine."""
    size = HEADERS + len(content)
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, machine, 1, BASE + HEADERS, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    access = _READ | _EXECUTE | (_WRITE if writable else 0)
    load = struct.pack("<IIQQQQQQ", _PT_LOAD, access, 0, BASE, BASE, size, size, 0x10000)
    stack = struct.pack("<IIQQQQQQ", _PT_GNU_STACK, _READ | _WRITE, 0, 0, 0, 0, 0, 16)
    return header + load + stack + content


def prepare(error_fd: int, program: bytes = b"", flags: int = 0) -> int:
    """Return a sealed, close-on-exec memfd with the program."""
    try:
        memfd = posix.memfd_create("pod-exec", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC)
    except OSError as error:
        if error.errno != EINVAL:
            raise
        # Before Linux 6.3 every memfd was executable.
        memfd = posix.memfd_create("pod-exec", MFD_CLOEXEC | MFD_ALLOW_SEALING)
    posix.write(memfd, image(error_fd, program, flags))
    posix.fchmod(memfd, 0o555)
    fcntl.fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
    return memfd


def execute(
    memfd: int, path: str, arguments: list[str], environment: dict[str, str], *, by_fd: bool = True
) -> NoReturn:
    """Become the program at `path`; OSError if not even the trampoline can be executed.

    `by_fd=False` is for a seccomp filter that is already loaded and forbids execveat: then the memfd is named through
    the container's /proc. If a hostile image has something else there, it is run as the container would be anyhow.
    """
    try:
        posix.execve(memfd if by_fd else f"/proc/self/fd/{memfd}", [path, *arguments], environment)
    except OSError as error:
        # Such as E2BIG: the number of our descriptor would tell nobody anything.
        error.filename = path
        raise
