"""A tiny static program that makes system calls from a list, and forks a child again and again, at an interval.

It is what a container's monitor runs for health checks: all that leads a process into the container (namespaces,
control groups, identity, seccomp filter, execve) is settled once, by Python, and repeated by a few hundred bytes of
machine code without any interpreter. The program itself stays outside of the container's pid namespace and of the
control groups by which processes are found: what is in there cannot see it. As with the trampoline, /proc/self/exe of
its children leads to a sealed memfd that nobody can change.

The list is an array of `struct step { u64 number, arguments[6], store, mode, more }`. `store` is the address that the
result is written to, so that it can be an argument of a later step; of the modes see below. The parent waits for its
child, notes how that went in a page that it shares (runtime/answers.py), and writes it to a pipe as well unless whoever
listens there wants to hear of nothing but failures: to wake another process up is a fifth of what a check costs. So it
keeps the time itself, too: it sleeps for the interval, and goes back to where the list is to be repeated from. At the
end of the list nothing could be executed: the child says so on its standard error and exits with 127 or 126, as a shell
would.

The child may borrow the program's memory (CLONE_VM) without the parent having to stand still: that writes to none of
what the child uses, and reads nothing until it has ended.

The code is made from the assembly below by `as` and `objcopy -O binary -j .text`; tests assemble it again and compare.
"""

from __future__ import annotations

import struct

from runtime import answers
from runtime.moments import SECOND
from runtime.syscalls import MACHINE
from runtime.trampoline import BASE, HEADERS, elf

# What a step's result means.
IGNORE = 0  # nothing
MUST = 1  # a failure ends the program: it says `more` on its standard error and exits with 126
FORK = 2  # MUST; the parent waits for its child
EXECUTE = 3  # a failure: 127 in the end if all were of a file that is not there, else 126
END = 4  # the end of the list
TRY_FORK = 5  # a failure: the next step; the child goes on at the step whose address is `more`
NOTE = 6  # IGNORE; success is noted
UNLESS_NOTED = 7  # MUST; left out if success was noted
UNLESS = 8  # a success: this time nothing is run, which the answer tells by the status SKIPPED

_PAGE = 0x10000000  # where the program has the page that it shares

X86_64_ASSEMBLY = """
.intel_syntax noprefix
start:
  mov rbx, [rip + data]                 # the step
  mov r15, [rip + data + 72]            # the page
  xor r12d, r12d                        # 1: something was there but could not be executed
  xor r14d, r14d                        # 1: success was noted
step:
  mov rcx, [rbx + 64]
  cmp ecx, 4
  je missing
  cmp ecx, 7
  jne make
  test r14d, r14d
  jnz next
make:
  mov rax, [rbx]
  mov rdi, [rbx + 8]
  mov rsi, [rbx + 16]
  mov rdx, [rbx + 24]
  mov r10, [rbx + 32]
  mov r8, [rbx + 40]
  mov r9, [rbx + 48]
  syscall
  mov rcx, [rbx + 56]
  test rcx, rcx
  jz result
  mov [rcx], rax
result:
  mov rcx, [rbx + 64]
  test rax, rax
  js failed
  cmp ecx, 8
  je skip
  cmp ecx, 6
  jne forked
  mov r14d, 1
  jmp next
forked:
  cmp ecx, 2
  je parent
  cmp ecx, 5
  jne next
parent:
  test rax, rax
  jnz wait
  cmp ecx, 2
  je next
  mov rbx, [rbx + 72]
  jmp step
failed:
  cmp ecx, 3
  je execute
  cmp ecx, 1
  je say
  cmp ecx, 2
  je say
  cmp ecx, 7
  je say
next:
  add rbx, 80
  jmp step
execute:
  cmp eax, -2                           # ENOENT, ENOTDIR
  je next
  cmp eax, -20
  je next
  mov r12d, 1
  jmp next
missing:
  lea rcx, [rip + data + 8]
  test r12d, r12d
  jz text
  add rcx, 16
text:
  mov rsi, [rcx]
  mov rdx, [rcx + 8]
  mov r13d, 127
  sub r13d, r12d
  jmp tell
say:
  mov rcx, [rbx + 72]
  lea rsi, [rcx + 8]
  mov rdx, [rcx]
  mov r13d, 126
tell:
  mov edi, 2
  mov eax, 1
  syscall
  mov edi, r13d
  jmp exit
wait:
  mov r13, rax
again:
  mov rdi, r13
  lea rsi, [r15 + 48]
  xor edx, edx
  xor r10d, r10d
  mov eax, 61                           # wait4(child, &page->now.status, 0, NULL)
  syscall
  cmp eax, -4                           # EINTR
  je again
answer:
  xor edi, edi
  lea rsi, [r15 + 32]
  mov eax, 228                          # clock_gettime(CLOCK_REALTIME, &page->now.ended)
  syscall
  mov rax, [r15]                        # page->answers[page->count % 64] = page->now
  mov ecx, eax
  and ecx, 63
  lea rcx, [rcx + rcx * 4]
  lea rdi, [r15 + rcx * 8 + 64]
  lea rsi, [r15 + 16]
  mov ecx, 5
  rep movsq
  inc rax
  mov rdx, rax
  xchg [r15], rdx                       # ++page->count, seen by all before the wish is looked at
  cmp rax, [r15 + 8]                    # page->wish
  jae tell_all
  cmp dword ptr [r15 + 48], 0
  je sleep
tell_all:
  mov edi, [rip + data + 48]
  lea rsi, [r15 + 16]
  mov edx, 40
  mov eax, 1                            # write(response_fd, &page->now, 40)
  syscall
sleep:
  mov edi, 1
  xor esi, esi
  lea rdx, [rip + data + 56]
  xor r10d, r10d
  mov eax, 230                          # clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, NULL)
  syscall
  mov rbx, [rip + data + 40]
  test eax, eax
  jz step
  mov edi, 126
exit:
  mov eax, 231
  syscall
skip:
  mov dword ptr [r15 + 48], -1
  jmp answer
.balign 8
data:         # struct step *; two texts, each as address and length; struct step *; int; struct timespec; struct page *
"""

AARCH64_ASSEMBLY = """
start:
  adr x20, data
  ldr x19, [x20]
  ldr x25, [x20, #72]
  mov w21, #0
  mov w22, #0
step:
  ldr x9, [x19, #64]
  cmp w9, #4
  b.eq missing
  cmp w9, #7
  b.ne make
  cbnz w22, next
make:
  ldr x8, [x19]
  ldp x0, x1, [x19, #8]
  ldp x2, x3, [x19, #24]
  ldp x4, x5, [x19, #40]
  svc #0
  ldr x10, [x19, #56]
  cbz x10, result
  str x0, [x10]
result:
  ldr x9, [x19, #64]
  tbnz x0, #63, failed
  cmp w9, #8
  b.eq skip
  cmp w9, #6
  b.ne forked
  mov w22, #1
  b next
forked:
  cmp w9, #2
  b.eq parent
  cmp w9, #5
  b.ne next
parent:
  cbnz x0, wait
  cmp w9, #2
  b.eq next
  ldr x19, [x19, #72]
  b step
failed:
  cmp w9, #3
  b.eq execute
  cmp w9, #1
  b.eq say
  cmp w9, #2
  b.eq say
  cmp w9, #7
  b.eq say
next:
  add x19, x19, #80
  b step
execute:
  cmn x0, #2
  b.eq next
  cmn x0, #20
  b.eq next
  mov w21, #1
  b next
missing:
  add x9, x20, #8
  cbz w21, text
  add x9, x9, #16
text:
  ldp x1, x2, [x9]
  mov w23, #127
  sub w23, w23, w21
  b tell
say:
  ldr x9, [x19, #72]
  ldr x2, [x9]
  add x1, x9, #8
  mov w23, #126
tell:
  mov x0, #2
  mov x8, #64
  svc #0
  mov w0, w23
  b exit
wait:
  mov x24, x0
again:
  mov x0, x24
  add x1, x25, #48
  mov x2, #0
  mov x3, #0
  mov x8, #260
  svc #0
  cmn x0, #4
  b.eq again
answer:
  mov x0, #0
  add x1, x25, #32
  mov x8, #113
  svc #0
  ldr x9, [x25]
  and x10, x9, #63
  add x10, x10, x10, lsl #2
  add x10, x25, x10, lsl #3
  ldp x11, x12, [x25, #16]
  ldp x13, x14, [x25, #32]
  ldr x15, [x25, #48]
  stp x11, x12, [x10, #64]
  stp x13, x14, [x10, #80]
  str x15, [x10, #96]
  add x9, x9, #1
  dmb ish
  str x9, [x25]
  dmb ish
  ldr x11, [x25, #8]
  cmp x9, x11
  b.hs tell_all
  ldr w11, [x25, #48]
  cbz w11, sleep
tell_all:
  ldr w0, [x20, #48]
  add x1, x25, #16
  mov x2, #40
  mov x8, #64
  svc #0
sleep:
  mov x0, #1
  mov x1, #0
  add x2, x20, #56
  mov x3, #0
  mov x8, #115
  svc #0
  ldr x19, [x20, #40]
  cbz x0, step
  mov w0, #126
exit:
  mov x8, #94
  svc #0
skip:
  mov w9, #-1
  str w9, [x25, #48]
  b answer
.balign 8
data:
"""
_X86_64_CODE = bytes.fromhex(
    "488b1db10100004c8b3df20100004531e44531f6488b4b4083f9040f849f00000083f90775054585"
    "f6757a488b03488b7b08488b7310488b53184c8b53204c8b43284c8b4b300f05488b4b384885c974"
    "03488901488b4b404885c0783483f9080f844501000083f906750841be01000000eb3283f9027405"
    "83f90575284885c00f858100000083f902741a488b5b48eb8383f903741883f901744783f9027442"
    "83f907743d4883c350e966ffffff83f8fe74f283f8ec74ed41bc01000000ebe5488d0df900000045"
    "85e474044883c110488b31488b510841bd7f0000004529e5eb11488b4b48488d7108488b1141bd7e"
    "000000bf02000000b8010000000f054489efe99d0000004989c54c89ef498d773031d24531d2b83d"
    "0000000f0583f8fc74e831ff498d7720b8e40000000f05498b0789c183e13f488d0c89498d7ccf40"
    "498d7710b905000000f348a548ffc04889c2498717493b4708730741837f300074168b3d80000000"
    "498d7710ba28000000b8010000000f05bf0100000031f6488d156a0000004531d2b8e60000000f05"
    "488b1d4900000085c00f8475feffffbf7e000000b8e70000000f0541c74730ffffffffe96affffff"
)
_AARCH64_CODE = bytes.fromhex(
    "140f0010930240f9992640f91500805216008052692240f93f110071a00500543f1d007141000054"
    "56040035680240f9608640a9628e41a9649642a9010000d46a1e40f94a0000b4400100f9692240f9"
    "0002f8b73f210071c00b00543f1900716100005436008052120000143f090071600000543f150071"
    "c1010054a00400b53f09007160010054732640f9e2ffff173f0d0071200100543f05007180020054"
    "3f090071400200543f1d00710002005473420191d8ffff171f0800b1a0ffff541f5000b160ffff54"
    "35008052f9ffff17892200915500003429410091210940a9f70f8052f702154b05000014692640f9"
    "220140f921210091d70f8052400080d2080880d2010000d4e003172a2f000014f80300aae00318aa"
    "21c30091020080d2030080d2882080d2010000d41f1000b120ffff54000080d221830091280e80d2"
    "010000d4290340f92a1540924a090a8b2a0f0a8b2b3341a92d3b42a92f1b40f94b3104a94d3905a9"
    "4f3100f929050091bf3b03d5290300f9bf3b03d52b0740f93f010beb620000542b3340b9cb000034"
    "803240b921430091020580d2080880d2010000d4200080d2010080d282e20091030080d2680e80d2"
    "010000d4931640f9a0f2ffb4c00f8052c80b80d2010000d409008012293300b9d7ffff171f2003d5"
)
# machine: (e_machine, code)
CODE = {"x86_64": (62, _X86_64_CODE), "aarch64": (183, _AARCH64_CODE)}
# By name: (x86_64, aarch64); those that runtime.syscalls knows are taken from there.
_NUMBERS = {
    "write": (1, 64),
    "mmap": (9, 222),
    "close": (3, 57),
    "clone": (56, 220),
    "execve": (59, 221),
    "chdir": (80, 49),
    "umask": (95, 166),
    "setsid": (112, 157),
    "setgroups": (116, 159),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "fchown": (93, 55),
    "openat": (257, 56),
    "faccessat": (269, 48),
    "clock_gettime": (228, 113),
    "rt_sigaction": (13, 134),
}
_STEP = 80
_HEADER = 80
_PROT_READ_WRITE, _MAP_SHARED_FIXED = 3, 0x11
_CLOCK_REALTIME = 0
_FIRST_ARGUMENT = 8


class Step:
    """One system call of the list."""

    __slots__ = ("arguments", "mode", "more", "number", "store")

    def __init__(self, number: int, arguments: tuple[int, ...], mode: int, more: int) -> None:
        self.number = number
        self.arguments = arguments
        self.mode = mode
        self.more: int | Step = more
        self.store: tuple[Step, int] | int = 0


class Steps:
    """A list in the making, and the data that its arguments point to."""

    def __init__(self, machine: str = MACHINE) -> None:
        self._machine, self._code = CODE[machine]
        self._column = 1 if machine == "aarch64" else 0
        self._steps: list[Step] = []
        self._header = BASE + HEADERS + len(self._code)
        self._base = self._header + _HEADER
        self._data = b""
        self._first: Step

    def data(self, content: bytes) -> int:
        """Add data; return its address."""
        self._data += bytes(-len(self._data) % 8)
        address = self._base + len(self._data)
        self._data += content
        return address

    def text(self, text: str | bytes) -> int:
        """Add a C string; return its address."""
        return self.data((text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text) + b"\0")

    def array(self, texts: list[str]) -> int:
        """Add a null-terminated array of C strings; return its address."""
        addresses = [self.text(text) for text in texts]
        return self.data(struct.pack(f"<{len(addresses) + 1}Q", *addresses, 0))

    def add(self, name: str, *arguments: int, mode: int = MUST, doing: str = "") -> Step:
        """Add a system call; `doing` is what a failure keeps from being done."""
        more = 0
        if mode in (MUST, FORK, UNLESS_NOTED):
            said = f"the health check cannot {doing or name}\n".encode()
            more = self.data(struct.pack("<Q", len(said)) + said)
        step = Step(self._number(name), arguments, mode, more)
        self._steps.append(step)
        return step

    def _number(self, name: str) -> int:
        from runtime.syscalls import _NUMBERS as others

        numbers: tuple[int, int] = _NUMBERS.get(name) or others[name]
        return numbers[self._column]

    def share(self, fd: int) -> None:
        """Map the page that answers go to (runtime/answers.py)."""
        protection = _PROT_READ_WRITE
        self.add("mmap", _PAGE, answers.SIZE, protection, _MAP_SHARED_FIXED, fd, 0, doing="share its answers")

    def repeat(self) -> None:
        """Let what follows be done again and again, for the first time at once."""
        self._first = self.add("clock_gettime", _CLOCK_REALTIME, _PAGE + answers.BEGAN)

    def image(self, response: int, interval: int, missing: str, denied: str) -> bytes:
        """Return the ELF file. `response` is the descriptor for the answers; `interval` is in nanoseconds.

        The texts are for a program that is not there, and for one that cannot be executed.
        """
        self._steps.append(Step(0, (), END, 0))
        texts: list[int] = []
        for said in (missing.encode(), denied.encode()):
            texts += (self.data(said), len(said))
        self._data += bytes(-len(self._data) % 8)
        first = self._base + len(self._data)
        places = {id(step): first + index * _STEP for index, step in enumerate(self._steps)}
        packed = b"".join(self._pack(step, places) for step in self._steps)
        repeated, pause = places[id(self._first)], divmod(interval, SECOND)
        header = struct.pack("<10Q", first, *texts, repeated, response, *pause, _PAGE)
        return elf(self._machine, self._code + header + self._data + packed, writable=True)

    def _pack(self, step: Step, places: dict[int, int]) -> bytes:
        arguments = [*step.arguments, *([0] * (6 - len(step.arguments)))]
        store = step.store
        if isinstance(store, tuple):
            store = places[id(store[0])] + _FIRST_ARGUMENT + 8 * store[1]
        more = places[id(step.more)] if isinstance(step.more, Step) else step.more
        values = (step.number, *arguments, store, step.mode, more)
        return struct.pack("<10Q", *(value & 0xFFFFFFFFFFFFFFFF for value in values))
