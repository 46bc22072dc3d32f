"""CRIU, asked over its RPC: one request to a `criu swrk` of our own (https://criu.org/RPC, criu's images/rpc.proto).

The messages are protocol buffers, of which so little is needed that these few lines encode and decode it.
"""

from __future__ import annotations

import _socket
import posix

from runtime.errors import OCIRuntimeError
from runtime.sync import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Value = bool | int | str | bytes
    Field = tuple[int, Value]
    # What happens meanwhile: its name, the pid of the container's first process, descriptors that came with it.
    Notify = Callable[[str, int, list[int]], None]

PROGRAM = "criu"
DUMP, RESTORE, PRE_DUMP, _NOTIFY = 1, 2, 4, 6
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MESSAGE = 9  # of struct criu_resp: what went wrong, in words
_LONGEST_MESSAGE = 1 << 20
_MOST_FDS = 4
# struct criu_opts: the fields that we use.
IMAGES_DIR_FD, PID, LEAVE_RUNNING, EXT_UNIX_SK, TCP_ESTABLISHED, SHELL_JOB, FILE_LOCKS = 1, 2, 3, 4, 5, 7, 8
LOG_LEVEL, LOG_FILE, PAGE_SERVER, NOTIFY_SCRIPTS, ROOT, PARENT_IMAGE, TRACK_MEMORY, AUTO_DEDUP = range(9, 17)
WORK_DIR_FD, LINK_REMAP, EXTERNAL_MOUNT, MANAGE_CGROUPS, RESTORE_SIBLING, INHERIT_FD = 17, 18, 23, 24, 26, 27
MANAGE_CGROUPS_MODE, EXTERNAL, EMPTY_NS, FREEZE_CGROUP, TCP_SKIP_IN_FLIGHT, LAZY_PAGES = 34, 37, 38, 44, 46, 48
STATUS_FD, ORPHAN_PTS_MASTER, TCP_CLOSE, LSM_PROFILE, LSM_MOUNT_CONTEXT, NETWORK_LOCK = 49, 50, 52, 53, 63, 64
NFTABLES = 2


class CriuError(OCIRuntimeError):
    """CRIU is not there, or could not do it."""


def encode(fields: Iterable[Field]) -> bytes:
    """Return a message of these fields."""
    message = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            message += _varint(number << 3 | _VARINT) + _varint(int(value) & (1 << 64) - 1)
        else:
            data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
            message += _varint(number << 3 | _BYTES) + _varint(len(data)) + data
    return bytes(message)


def _varint(number: int) -> bytes:
    result = bytearray()
    while number > 0x7F:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*result, number))


def decode(message: bytes) -> dict[int, int | bytes]:
    """Return the fields of a message by number; of a repeated one the last."""
    found: dict[int, int | bytes] = {}
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        kind = key & 7
        if kind == _VARINT:
            found[key >> 3], position = _read_varint(message, position)
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind, 0)
        if kind == _BYTES:
            length, position = _read_varint(message, position)
        elif not length:
            raise ValueError(f"unknown wire type {kind}")
        if position + length > len(message):
            raise ValueError("it is cut off")
        found[key >> 3] = message[position : position + length]
        position += length
    return found


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while position < len(message) and shift < 64:
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
    raise ValueError("a number is cut off")


def find(name: str, path: str) -> str:
    """Return the program, looked for along `path` unless its name says where it is."""
    places = [name] if "/" in name else [f"{directory}/{name}" for directory in (path or _DEFAULT_PATH).split(":")]
    for place in places:
        if posix.access(place, posix.X_OK):
            return place
    raise CriuError(
        f"to checkpoint and restore needs criu, and `{name}` was not found",
        hint="install Debian's package criu, or say --criu PATH",
    )


def has_iptables() -> bool:
    """Tell whether CRIU will find the program by which it keeps packets out meanwhile, unless told otherwise."""
    return any(posix.access(f"{directory}/iptables-restore", posix.X_OK) for directory in _DEFAULT_PATH.split(":"))


def run(program: str, kind: int, options: list[Field], log: str, notify: Notify, prepare: Callable[[], None]) -> int:
    """Ask for one thing, and return the pid of what was restored; `prepare` is called in the process that is CRIU's.

    `log`: where CRIU writes what it does, to say in an error what went wrong.
    """
    end, peer = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC, 0)
    child = posix.fork()
    if child == 0:
        _become(program, kind, peer, prepare)
    peer.close()
    try:
        end.send(encode(((1, kind), (2, encode(options)), (4, False))))
        return _converse(end, kind, log, notify)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise _failure(kind, "it ended without an answer", log) from error
    finally:
        end.close()
        posix.waitpid(child, 0)


def _become(program: str, kind: int, peer: _socket.socket, prepare: Callable[[], None]) -> None:
    try:
        prepare()
        fd = peer.fileno()
        posix.set_inheritable(fd, True)
        null = posix.open("/dev/null", posix.O_RDWR)
        for number in (0, 1, 2):
            posix.dup2(null, number)
        posix.execve(program, [PROGRAM, "swrk", str(fd)], {"PATH": _DEFAULT_PATH})
    except BaseException as error:  # it is told in CRIU's stead
        peer.send(encode(((1, kind), (2, False), (_MESSAGE, describe(error)))))
    finally:
        posix._exit(127)


def _converse(end: _socket.socket, kind: int, log: str, notify: Notify) -> int:
    while True:
        data, ancillary, _flags, _address = end.recvmsg(_LONGEST_MESSAGE, _socket.CMSG_SPACE(4 * _MOST_FDS))
        if not data:
            raise _failure(kind, "it ended without an answer", log)
        fds = [
            int.from_bytes(content[at : at + 4], "little")
            for level, what, content in ancillary
            if (level, what) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
            for at in range(0, len(content), 4)
        ]
        try:
            answer = decode(data)
            if answer.get(1) == _NOTIFY:
                told = decode(_bytes(answer, 5))
                notify(_bytes(told, 1).decode(), _number(told, 2), fds)
                end.send(encode(((1, _NOTIFY), (3, True))))
                continue
            if not answer.get(2):
                raise _failure(kind, _bytes(answer, _MESSAGE).decode(errors="replace"), log, _number(answer, 7))
            return _number(decode(_bytes(answer, 4)), 1)
        except ValueError as error:
            raise CriuError(f"criu's answer is malformed: {error}") from error


def _bytes(fields: dict[int, int | bytes], number: int) -> bytes:
    value = fields.get(number, b"")
    return value if isinstance(value, bytes) else b""


def _number(fields: dict[int, int | bytes], number: int) -> int:
    value = fields.get(number, 0)
    return value if isinstance(value, int) else 0


def _failure(kind: int, message: str, log: str, errno: int = 0) -> CriuError:
    """Return what went wrong: what CRIU says, else its errno, and the first error in its log."""
    verb = {DUMP: "checkpoint", PRE_DUMP: "checkpoint", RESTORE: "restore"}[kind]
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            # Such as `(00.028269) Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds`.
            lines = [line.partition("): ")[2].strip() for line in file if "Error (" in line]
    except OSError:
        lines = []
    told = [message.strip(), *lines[:1], posix.strerror(errno) if errno else ""]
    reason = ": ".join([part for part in told if part][:2]) or "it does not say why"
    return CriuError(f"criu could not {verb} the container: {reason}", hint=f"`{log}` and `criu check` say more")
