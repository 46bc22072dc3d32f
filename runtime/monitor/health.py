"""Health checks: when a container is probed, what a result means, and what is done about it.

The settings come from the engine as plain values (see pod.containers.health.checks); a probe is a program that has been
prepared (see runtime.probe): it stays, forks one process into the container at each interval, and notes how that went
in a page that both share (runtime.answers). While all is well the monitor sleeps over most of that: it is told of
failures and output at once, and takes the rest into its log by the dozen; commands look into the page, too. Where a
process cannot be prepared, a command line is run instead. Status, streak and log are podman's
(podman-healthcheck-run(1)).
"""

from __future__ import annotations

import posix
import time

from runtime import answers
from runtime.moments import SECOND, milliseconds_until, rfc3339
from runtime.monitor.eventlog import quoted
from runtime.monitor.restarting import STOPPED
from runtime.monitor.verdict import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any

    from runtime.monitor.loop import Loop
else:
    import _signal

_KILL = 9
# What is kept of a probe's output when there is to be no limit.
_MOST_OUTPUT = 1 << 20
_CHUNK = 32768
_HIGH = 10  # Above the numbers that the probe wants.
_F_DUPFD_CLOEXEC, _F_ADD_SEALS, _ALL_SEALS = 1030, 1033, 0xF
_DEFAULT_SIGNALS = [number for number in range(1, 32) if number not in (_KILL, _signal.SIGSTOP)]
_FDS = ("memory", "response", "output", "record", "page")


class Health:
    """The health of one container, and the probe that is under way."""

    def __init__(self, settings: dict[str, Any], began: float) -> None:
        self.settings = settings
        self.verdict = Verdict(startup=settings["startup"] is not None)
        self.began = began
        self.next = began  # when the next check begins, or has begun
        self.log: list[str] = []  # the entries, each as JSON
        self.pid = 0  # of the program that probes
        self.memory = self.response = self.output = self.record = self.page = -1
        self.seen = 0  # of the answers in that page
        self.wish = answers.LOUD  # what stands there
        self.is_seen = False  # by commands, too
        self.heard_by: tuple[int, ...] = ()  # the descriptors to poll for input
        self.room = 1  # the length of the file that is open as `record`
        self.deadline = 0.0  # when the next check must have ended; 0: there is no program that would begin it
        self.late = False
        self.is_heedless = False  # the program that probes does not look whether the container is paused
        self.taken = b""

    @property
    def check(self) -> dict[str, Any]:
        """The check that is due: the one of the start-up until that has passed."""
        found: dict[str, Any] = self.settings["normal" if self.verdict.passed else "startup"]
        return found

    def freeze(self) -> dict[str, Any]:
        """Return what `thaw` needs; the probe itself goes along as a descriptor of a sealed file."""
        verdict = self.verdict
        return {
            "settings": self.settings,
            "verdict": (verdict.status, verdict.streak, verdict.passed, verdict.successes, verdict.failures),
            "own": {name: getattr(self, name) for name in ("began", "next", "log", "pid", "room", *_FDS)},
            "probing": (self.deadline, self.late, self.is_heedless, self.taken, self.seen, self.wish, self.is_seen),
        }

    @staticmethod
    def thaw(state: dict[str, Any]) -> Health:
        """Make it again from what `freeze` returned."""
        health = Health(state["settings"], 0.0)
        for name, value in state["own"].items():
            setattr(health, name, value)
        health.heard_by = (health.response, health.output) if health.pid else ()
        verdict = health.verdict
        verdict.status, verdict.streak, verdict.passed, verdict.successes, verdict.failures = state["verdict"]
        health.deadline, health.late, health.is_heedless, health.taken, *rest = state["probing"]
        health.seen, health.wish, health.is_seen = rest
        return health

    def fds(self) -> list[int]:
        """Return the descriptors that must survive an exec."""
        return [fd for fd in (getattr(self, name) for name in _FDS) if fd >= 0]

    def moment(self) -> float:
        """Return when `tick` has something to do."""
        return self.deadline or self.next

    def watch(self, loop: Loop) -> list[tuple[int, int]]:
        """Look after the checks for as long as nothing else happens; return what was heard then, if anything.

        With many containers that are checked every second this is nearly all that their monitors do, and each time the
        processor knows nothing of them any more. So it leaves out what the loop does for all that may happen.
        """
        poll, probes = loop.poller.poll, self.heard_by
        while True:
            events: list[tuple[int, int]] = poll(milliseconds_until(self.deadline or self.next))
            for fd, _ in events:
                if fd not in probes:
                    return events
            if events:
                # Looked at after it, and so after the end of the probe, the output would be there if there were any.
                self._hear(loop, is_told=events[0][0] == self.response, is_silent=len(events) == 1)
            else:
                self.tick(loop, time.monotonic())
            if self.heard_by is not probes or loop.kill_at:
                return []

    def tick(self, loop: Loop, now: float) -> None:
        """Begin to check, or end the check that takes too long."""
        if now < self.moment():
            return
        if not self.deadline:
            self._begin(loop, now)
        elif _is_paused(loop.directory):
            self.deadline = now + self.check["timeout"]  # nothing in there would answer: it gets its time anew
        elif self._look(loop):
            # Else an answer has put the deadline off.
            if now >= self.deadline > 0.0:
                self._cut_off(loop, now)
        elif self.deadline:
            self.deadline = max(self.deadline, now + self.check["timeout"])

    def _cut_off(self, loop: Loop, now: float) -> None:
        self.late = True
        self.deadline = now + 3600.0  # nothing more can be done but wait for its end
        self._wish(answers.LOUD)
        self._kill()
        self._look(loop)

    def hurry(self, loop: Loop) -> None:
        """Check now; a check that is under way will do."""
        if not (self.pid and self._look(loop)):
            self.close(loop)
            self.next = 0.0

    def heard(self, loop: Loop, fd: int) -> None:
        """Take what the probe has written, or its end."""
        self._hear(loop, is_told=fd == self.response)

    def _hear(self, loop: Loop, *, is_told: bool, is_silent: bool = False) -> None:
        """Look what the program has done; it has said so (`is_told`), and nothing but that (`is_silent`)."""
        told = b"output"
        if is_told:
            try:
                told = posix.read(self.response, _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                told = b""
        is_checking = self._look(loop, is_silent=is_silent and is_told)
        if not told and self.pid:
            # The program has gone, and with it the check.
            self.close(loop)
            if is_checking:
                self._done(loop, 126)

    def _look(self, loop: Loop, *, is_silent: bool = False) -> bool:
        """Take the checks that have ended since the last look; return whether one is under way.

        The output is of that one, or else of the last that has ended; what was written between the checks is of none.
        `is_silent`: it is known that there is no output.
        """
        if self.wish != answers.LOUD:
            self._wish(answers.LISTENING)
        _, found, is_checking = answers.read(self.page, self.seen)
        self.seen += len(found)
        if not is_silent:
            self._take_output()
        taken, self.taken = self.taken, b""
        program = self.pid
        if self._is_well() and not any(status for _, _, status in found) and not (taken or self.late):
            self._log_quietly(found)
        else:
            for number, answer in enumerate(found, 1):
                if self.pid == program:
                    self._answer(loop, answer, b"" if is_checking or number < len(found) else taken)
        if self.pid != program:
            return False
        if is_checking:
            self.taken = taken
        is_quiet = self.is_seen and bool(found) and not taken and self._is_well()
        self._wish(answers.quiet(self.seen) if is_quiet else answers.LOUD)
        return is_checking

    def _is_well(self) -> bool:
        """Tell whether one more success changes nothing."""
        verdict = self.verdict
        return (
            verdict.passed
            and verdict.status == "healthy"
            and not (verdict.streak or self.is_heedless or self.settings["log_events"])
        )

    def _wish(self, what: int) -> None:
        """Have the program tell this; what it has not told before that can be seen is in the page."""
        if self.wish != what:
            self.wish = what
            answers.wish(self.page, what)

    def _answer(self, loop: Loop, answer: answers.Answer, taken: bytes) -> None:
        began, ended, status = answer
        if status == answers.SKIPPED:
            self._skip(loop, ended)
        else:
            self.taken = taken
            self._done(loop, 128 + (status & 127) if status & 127 else status >> 8 & 255, (began, ended))

    def _log_quietly(self, found: list[answers.Answer]) -> None:
        """Log checks that went well and said nothing."""
        if found:
            self._expect(found[-1][1])
            most = self.settings["max_count"]
            for began, ended, _ in found[-most:]:
                self._log(began, ended, 0, "")
            self.write()

    def _skip(self, loop: Loop, ended: int) -> None:
        """Wait while the container is paused; check at once if what says so was left by a `pause` that was killed."""
        if _is_paused(loop.directory):
            self._expect(ended)
            return
        self.close(loop)
        self._begin(loop, time.monotonic(), is_heedless=True)

    def _expect(self, ended: int) -> None:
        """Wait for the next check: the program has begun to sleep at `ended`, in nanoseconds since 1970."""
        check = self.check
        # This clock may be set, so it is not believed for more than a second, or for an interval that was slept over.
        longest = SECOND if self.wish == answers.LOUD else max(SECOND, int(check["interval"] * SECOND))
        since = min(max(0, time.time_ns() - ended), longest) / SECOND
        self.next = time.monotonic() - since + check["interval"]
        self.deadline = self.next + check["timeout"]
        self.late, self.taken = False, b""

    def close(self, loop: Loop) -> None:
        """End the program that probes, wait for that (it holds the container's namespaces), and log what went well."""
        if self.pid:
            self._kill()
            try:
                posix.kill(self.pid, _KILL)
                posix.waitpid(self.pid, 0)
            except OSError:
                pass  # it has been reaped
            self.pid = 0
            if self.wish != answers.LOUD:
                _, found, _ = answers.read(self.page, self.seen)
                self._log_quietly(found[: next((at for at, answer in enumerate(found) if answer[2]), len(found))])
        self.seen, self.wish, self.is_seen = 0, answers.LOUD, False
        self.deadline = 0.0
        self.heard_by = ()
        for name in _FDS:
            fd = getattr(self, name)
            if fd >= 0:
                loop.forget(fd)
            setattr(self, name, -1)

    def write(self) -> None:
        """Write down how the container is; a full disk leaves what was there."""
        verdict = self.verdict
        text = f'{{"Status":"{verdict.status}","FailingStreak":{verdict.streak},"Log":[{",".join(self.log)}]}}'
        content = text.encode("ascii", "replace")
        try:
            if self.record >= 0 and len(content) < self.room:
                # A rename costs more than the probe's own fork. One write within a file that stays as long as it is
                # leaves it whole, if we are killed as well; a reader that meets it half done reads again.
                posix.pwrite(self.record, content.ljust(self.room - 1) + b"\n", 0)
            else:
                self._write_anew(content)
        except OSError:
            pass

    def _write_anew(self, content: bytes) -> None:
        """Put a new file, with some room, in the place of the old one."""
        path = self.settings["file"]
        self.room = len(content) * 2
        if self.record >= 0:
            posix.close(self.record)
            self.record = -1
        fd = posix.open(path + b".tmp", posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
        try:
            posix.write(fd, content.ljust(self.room - 1) + b"\n")
            posix.rename(path + b".tmp", path)
        except OSError:
            posix.close(fd)
            raise
        self.record = fd

    def _begin(self, loop: Loop, now: float, *, is_heedless: bool = False) -> None:
        self.next, self.late, self.taken, self.is_heedless = now, False, b"", is_heedless
        try:
            self._spawn(loop.directory, is_heedless=is_heedless)
            self.deadline = now + self.check["timeout"]
        except OSError as error:
            self.taken = f"cannot run the health check: {error.strerror}\n".encode()
            self.close(loop)
            self._done(loop, 126)

    def _spawn(self, directory: bytes, *, is_heedless: bool) -> None:
        """Start the program that probes while this directory has no file `paused`, or all the same.

        Its descriptors must not be those that it gets.
        """
        import fcntl

        def high(fd: int) -> int:
            copy = fcntl.fcntl(fd, _F_DUPFD_CLOEXEC, _HIGH)
            posix.close(fd)
            return copy

        nothing, response, output = (tuple(map(high, posix.pipe2(posix.O_CLOEXEC))) for _ in range(3))
        posix.close(nothing[1])  # an input that has ended; the host's /dev/null is not for a container to change
        pidfd = high(posix.pidfd_open(self.settings["pid"]))
        self.memory = high(_sealed(self.check["image"]))
        place = nothing[0]
        if not is_heedless:
            place = high(posix.open(directory, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC))
        self.page = high(self._make_page(directory))
        given = (nothing[0], output[1], output[1], pidfd, response[1], place, self.page)
        try:
            self.pid = posix.posix_spawn(
                f"/proc/self/fd/{self.memory}",
                ["pod-health"],
                {},
                file_actions=[(posix.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(given)],
                setsigdef=_DEFAULT_SIGNALS,
            )
        finally:
            for fd in {*given} - {self.page}:
                posix.close(fd)
            self.response, self.output = response[0], output[0]
        for fd in (self.response, self.output):
            posix.set_blocking(fd, False)
        self.heard_by = (self.response, self.output)

    def _make_page(self, directory: bytes) -> int:
        """Make the page for the answers; commands look into it unless the log is a file of the user's."""
        if self.settings["is_own_file"]:
            try:
                fd = answers.create(directory + b"/answers")
            except OSError:
                pass  # a full disk
            else:
                self.is_seen = True
                return fd
        return answers.create_unnamed()

    def _take_output(self) -> None:
        """Read what there is, and keep no more than what the log takes."""
        most = self.settings["max_size"] or _MOST_OUTPUT
        for _ in range(64):
            try:
                data = posix.read(self.output, _CHUNK)
            except OSError:
                break
            if not data:
                break
            if len(self.taken) < most:
                self.taken = (self.taken + data)[:most]

    def _kill(self) -> None:
        """Kill the process in the container, with all of its process group."""
        try:
            fd = posix.open(f"/proc/{self.pid}/task/{self.pid}/children", posix.O_RDONLY | posix.O_CLOEXEC)
            children = [int(word) for word in posix.read(fd, 4096).split()]
            posix.close(fd)
        except OSError:
            children = []
        for child in children:
            for kill in (posix.killpg, posix.kill):
                try:
                    kill(child, _KILL)
                except OSError:
                    pass

    def _done(self, loop: Loop, code: int, times: tuple[int, int] | None = None) -> None:
        """Take the result of a check; `times`: when it began and ended, if that is not now."""
        check, settings, verdict = self.check, self.settings, self.verdict
        began, ended = times or (time.time_ns(),) * 2
        taken = self.taken
        if self.late:
            code = -1
            taken = f"healthcheck command exceeded timeout of {check['timeout']:g}s\n".encode() + taken
        self._expect(ended)
        if not self.pid:
            self.deadline = 0.0
        before, startup = verdict.status, not verdict.passed
        now = time.monotonic()
        in_start_period = now - self.began < settings["start_period"]
        never = verdict.add(code == 0, settings, in_start_period=in_start_period)
        if startup and verdict.passed:
            self.close(loop)  # the next check is another program
            self.next = now
        elif self.is_heedless:
            self.close(loop)
        size = settings["max_size"]
        text = taken.decode("utf-8", "replace") if taken else ""
        text = text[:size] if size else text
        self._log(began, ended, code, text)
        self.write()
        if verdict.status != before or settings["log_events"]:
            fields: dict[str, str | int] = {"HealthStatus": verdict.status, "HealthFailingStreak": verdict.streak}
            if settings["log_events"]:
                fields["HealthLog"] = text
            loop.events.write("health_status", fields)
        if verdict.status != before:
            loop.health_changed(verdict.status)
        if never:
            act(loop, "restart", settings)
        elif verdict.status == "unhealthy":
            act(loop, settings["on_failure"], settings)

    def _log(self, began: int, ended: int, code: int, text: str) -> None:
        self.log.append(
            f'{{"Start":"{rfc3339(began)}","End":"{rfc3339(ended)}","ExitCode":{code},"Output":{quoted(text)}}}'
        )
        if self.settings["max_count"]:
            del self.log[: -self.settings["max_count"]]


def act(loop: Loop, action: str, settings: dict[str, Any]) -> None:
    """Do what is to be done about a container that is not healthy: none, kill, stop, restart."""
    if action == "none" or loop.status is not None or loop.again:
        return
    if action == "stop":
        posix.close(
            posix.open(loop.directory + b"/" + STOPPED, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        )
    loop.again = action == "restart"
    signal = _KILL if action == "kill" or not settings["stop_timeout"] else settings["stop_signal"]
    if signal != _KILL:
        loop.kill_at, loop.times_out = time.monotonic() + settings["stop_timeout"], False
    loop.signal(signal)


def _is_paused(directory: bytes) -> bool:
    """Tell whether the container is paused; see pod.containers.status.read_freezer for the file."""
    told = directory + b"/paused"
    if not posix.access(told, posix.F_OK):
        return False  # as nearly always, and cheaper to find so than by an exception
    try:
        path, _space, value = _read(told).strip().rpartition(b" ")
        return bool(path) and _read(path).strip() == value
    except OSError:
        return False


def _read(path: bytes) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, 4096)
    finally:
        posix.close(fd)


def _sealed(image: bytes) -> int:
    """Return a file of memory that has the program and that nobody can change."""
    import fcntl

    flags = posix.MFD_CLOEXEC | posix.MFD_ALLOW_SEALING
    try:
        fd = posix.memfd_create("pod-health", flags | 0x10)  # MFD_EXEC
    except OSError:
        fd = posix.memfd_create("pod-health", flags)  # before Linux 6.3 every memfd was executable
    posix.write(fd, image)
    posix.fchmod(fd, 0o555)
    fcntl.fcntl(fd, _F_ADD_SEALS, _ALL_SEALS)
    return fd
