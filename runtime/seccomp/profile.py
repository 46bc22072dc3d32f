"""OCI `linux.seccomp` (runtime-spec, config-linux.md, "Seccomp") resolved to numbers and return values, for each ABI.

Where the specification is silent this does what runc and crun do with libseccomp: the first unconditional rule of a
system call wins and displaces conditional ones, a rule with the default action is ignored, unknown names are skipped,
an entry that compares one argument twice stands for several entries.
"""

from __future__ import annotations

from runtime.errors import SpecError
from runtime.seccomp.tables import TABLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

X32_BIT = 0x40000000
_WORD = 0xFFFFFFFF
_LONG = 0xFFFFFFFFFFFFFFFF

KILL = 0x00000000
ERRNO = 0x00050000
NOTIFY = 0x7FC00000
TRACE = 0x7FF00000
ALLOW = 0x7FFF0000
ACTIONS = {
    "SCMP_ACT_KILL": KILL,
    "SCMP_ACT_KILL_THREAD": KILL,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_NOTIFY": NOTIFY,
    "SCMP_ACT_TRACE": TRACE,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": ALLOW,
}
OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_EPERM, _ENOSYS = 1, 38

# The value that struct seccomp_data.arch has; whether arguments are compared with 64 bits.
AUDIT = {
    "X86_64": (0xC000003E, True),
    "X32": (0xC000003E, False),
    "X86": (0x40000003, False),
    "AARCH64": (0xC00000B7, True),
    "ARM": (0x40000028, False),
}
# The ABI of a machine (uname -m), and those that its kernel can run besides.
MACHINES = {
    "x86_64": ("X86_64", "X86", "X32"),
    "aarch64": ("AARCH64", "ARM"),
    "i386": ("X86",),
    "i486": ("X86",),
    "i586": ("X86",),
    "i686": ("X86",),
    "armv7l": ("ARM",),
    "armv8l": ("ARM",),
}
# x86: what socketcall(2) and ipc(2) reach, with the number of the call in their first argument.
_SOCKETCALL = (
    "socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown"
    " setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg"
)
_IPC = "1 semop semget semctl semtimedop 11 msgsnd msgrcv msgget msgctl 21 shmat shmdt shmget shmctl"


def parse_table(text: str) -> dict[str, int]:
    """Read one of the tables: names that count up, numbers that set the count."""
    numbers, number = {}, 0
    for word in text.split():
        if word.isdigit():
            number = int(word)
        else:
            numbers[word] = number
            number += 1
    return numbers


# One comparison: argument, operator, mask, value.
Condition = tuple[int, str, int, int]
# What happens at a system call: a return value, or (conditions that must all hold, return value) in order.
Conditional = tuple[tuple[tuple[Condition, ...], int], ...]
Outcome = int | Conditional


class Abi:
    """What a profile says about the system calls of one ABI."""

    __slots__ = ("audit", "highest", "name", "outcomes", "wide")

    def __init__(self, name: str) -> None:
        self.name = name
        self.audit, self.wide = AUDIT[name]
        self.outcomes: dict[int, Outcome] = {}
        self.highest = -1  # the highest number that the profile names

    def add(self, number: int, conditions: tuple[Condition, ...], value: int) -> None:
        """Add one rule to what the rules before it say."""
        present = self.outcomes.get(number)
        if isinstance(present, int):
            return
        self.outcomes[number] = (*(present or ()), (conditions, value)) if conditions else value


class Resolved:
    """A whole profile."""

    __slots__ = ("abis", "default", "newer")

    def __init__(self, abis: list[Abi], default: int, newer: int) -> None:
        self.abis = abis
        self.default = default
        self.newer = newer  # for numbers above all that the profile names


def resolve(profile: dict[str, Any], machine: str, *, strict: bool = False) -> Resolved:
    """Resolve a profile for a machine; SpecError for what the specification does not allow.

    `strict` also refuses names of system calls that no architecture has.
    """
    default = _return_value(profile.get("defaultAction"), profile.get("defaultErrnoRet"))
    if default == NOTIFY:
        # It would hold for write, too (as runc).
        raise SpecError("seccomp: SCMP_ACT_NOTIFY cannot be the default action")
    # A profile that knows nothing of a newer system call should not break the programs that probe for it (as runc).
    newer = ERRNO | _ENOSYS if default & 0xFFFF0000 == ERRNO else default
    abis = [Abi(name) for name in _architectures(profile.get("architectures"), machine)]
    rules = [_Rule(entry, default) for entry in profile.get("syscalls") or ()]
    if strict:
        _refuse_unknown(rules)
    for abi in abis:
        numbers = parse_table(TABLES[abi.name])
        for rule in rules:
            rule.apply(abi, numbers, default)
    return Resolved(abis, default, newer)


def _refuse_unknown(rules: list[_Rule]) -> None:
    known = {name for text in TABLES.values() for name in text.split()}
    for rule in rules:
        for name in rule.names:
            if name not in known:
                raise SpecError(f"seccomp: unknown system call {name!r}")


def _architectures(names: list[str] | None, machine: str) -> list[str]:
    """Return the ABIs to filter: the native one always; those that this kernel cannot run never."""
    if machine not in MACHINES:
        raise SpecError(f"seccomp: no system call numbers for {machine}", hint="run without a seccomp profile")
    native, *others = MACHINES[machine]
    for name in names or ():
        if not isinstance(name, str) or not name.startswith("SCMP_ARCH_"):
            raise SpecError(f"seccomp: unknown architecture {name!r}")
    return [native, *(name for name in others if f"SCMP_ARCH_{name}" in (names or ()))]


def _return_value(action: Any, errno: Any) -> int:
    """Return the SECCOMP_RET value of an action."""
    value = ACTIONS.get(action)
    if value is None:
        raise SpecError(f"seccomp: unknown action {action!r}")
    if value in (ERRNO, TRACE):
        errno = _EPERM if errno is None else errno
        if not isinstance(errno, int) or not 0 <= errno <= 0xFFFF:
            raise SpecError(f"seccomp: errnoRet {errno!r} is not between 0 and 65535")
        return value | errno
    if errno is not None:
        raise SpecError(f"seccomp: {action} has no errno, but {errno!r} is given")
    return value


class _Rule:
    """One entry of `syscalls`."""

    def __init__(self, entry: dict[str, Any], default: int) -> None:
        self.names: list[str] = entry.get("names") or []
        self.value = _return_value(entry.get("action"), entry.get("errnoRet"))
        if self.value == NOTIFY and "write" in self.names:
            # What has failed between filter and execve is reported by a write (as runc).
            raise SpecError("seccomp: SCMP_ACT_NOTIFY cannot be used for write")
        conditions = tuple(_condition(argument) for argument in entry.get("args") or ())
        indexes = [condition[0] for condition in conditions]
        self.alternatives: tuple[tuple[Condition, ...], ...] = (conditions,)
        if len(set(indexes)) != len(indexes):
            self.alternatives = tuple((condition,) for condition in conditions)

    def apply(self, abi: Abi, numbers: dict[str, int], default: int) -> None:
        """Add what this entry says to an ABI."""
        multiplexed = abi.name == "X86"
        simple = self.alternatives == ((),)
        for name in self.names:
            number = numbers.get(name)
            if simple and not (multiplexed and name in _MULTIPLEXED):
                # The same as below, for the many entries that are a list of names.
                if number is not None:
                    if number > abi.highest:
                        abi.highest = number
                    if self.value != default and not isinstance(abi.outcomes.get(number), int):
                        abi.outcomes[number] = self.value
                continue
            if number is not None:
                abi.highest = max(abi.highest, number)
            if self.value == default:
                continue
            for conditions in self.alternatives:
                if multiplexed:
                    self._apply_multiplexed(abi, numbers, name, conditions, default)
                if number is not None:
                    abi.add(number, conditions if abi.wide else _narrow(conditions), self.value)

    def _apply_multiplexed(
        self, abi: Abi, numbers: dict[str, int], name: str, conditions: tuple[Condition, ...], default: int
    ) -> None:
        """Add the rule for socketcall and ipc.

        These take the arguments from memory, where a filter cannot look: a conditional rule that is stricter than the
        default then holds always, one that is laxer never.
        """
        for multiplexer, calls, mask in (("socketcall", _SOCKET_CALLS, _WORD), ("ipc", _IPC_CALLS, 0xFFFF)):
            call = calls.get(name)
            if call is not None and (not conditions or _strictness(self.value) < _strictness(default)):
                abi.add(numbers[multiplexer], ((0, "EQ", mask, call),), self.value)


_SOCKET_CALLS = parse_table("1 " + _SOCKETCALL)
_IPC_CALLS = parse_table(_IPC)
_MULTIPLEXED = frozenset((*_SOCKET_CALLS, *_IPC_CALLS))


def _strictness(value: int) -> int:
    """Order return values as the kernel does when filters disagree: the lowest wins."""
    action = value & 0xFFFF0000
    return action - (1 << 32) if action & 0x80000000 else action


def _condition(argument: dict[str, Any]) -> Condition:
    index, value, second = argument.get("index"), argument.get("value"), argument.get("valueTwo") or 0
    operator = str(argument.get("op")).removeprefix("SCMP_CMP_")
    if operator not in OPERATORS:
        raise SpecError(f"seccomp: unknown operator {argument.get('op')!r}")
    if not isinstance(index, int) or not 0 <= index <= 5:
        raise SpecError(f"seccomp: argument index {index!r} is not between 0 and 5")
    for number in (value, second):
        if not isinstance(number, int) or not 0 <= number <= _LONG:
            raise SpecError(f"seccomp: argument value {number!r} is not an unsigned 64-bit number")
    assert isinstance(value, int)
    if operator == "MASKED_EQ":
        return index, "EQ", value, second & value
    return index, operator, _LONG, value


def _narrow(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Cut conditions to 32 bits, as the arguments of a 32-bit ABI are."""
    return tuple((index, operator, mask & _WORD, value & _WORD) for index, operator, mask, value in conditions)
