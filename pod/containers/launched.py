"""A program that this command has launched and still has the link to: start, attach, wait, detach.

The first process of a container (launch.py) and a further one (execs.py) differ in what remains of them at their end.
"""

from __future__ import annotations

from pod import rootless
from runtime.errors import OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from runtime.monitor.spawn import MonitorLink


class Launched:
    """A process that waits for its start, its monitor, and where that keeps its files.

    Whoever starts it ends with `wait` or `detach`: these see to it that nothing remains which should not.
    """

    __slots__ = ("directory", "engine", "id", "link")

    def __init__(self, engine: Engine, identity: str, directory: str, link: MonitorLink) -> None:
        self.engine = engine
        self.id = identity
        self.directory = directory
        self.link = link

    @property
    def pid(self) -> int:
        """The process on the host."""
        return self.link.pid

    def start(self) -> None:
        """Let the program run. Raises what kept it from being executed; then nothing of it is left."""
        try:
            self.link.start()
        except OCIRuntimeError as error:
            rootless.explain_single_id(self.engine.config, error)
            raise

    def attach(self) -> int:
        """Return the attach connection that was there before the start, once; it is the caller's to close."""
        descriptor, self.link.attach_fd = self.link.attach_fd, -1
        return descriptor

    def resize(self, height: int, width: int) -> None:
        """Tell the monitor the size of the terminal."""
        from pod.containers import attach

        attach.resize(self.directory, height, width)

    def wait(self) -> int:
        """Return the exit code after the end of the program and its monitor, and remove what it leaves."""
        code = self.link.wait()
        self.remove()
        return code

    def detach(self) -> None:
        """Leave the program to its monitor; one that has ended already, it has left to us."""
        self.release()
        self.link.detach()
        self.remove_if_ended()

    def remove_if_ended(self) -> None:
        """Remove what a program leaves that ended before this command detached.

        To be called after detaching: the record is written before the monitor looks who is there, so nothing slips
        through.
        """
        if self.has_ended():
            self.remove()

    def release(self) -> None:
        """Let the program live on when this command ends."""

    def abandon(self) -> None:
        """Leave the program, for nobody reads its output any more."""
        self.detach()

    def has_ended(self) -> bool:
        """Tell whether the monitor has written the exit record."""
        raise NotImplementedError

    def remove(self) -> None:
        """Remove what is not to remain after the end."""
        raise NotImplementedError
