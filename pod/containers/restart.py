"""Restart policies: what users write, and what the engine and a container's monitor tell each other about them.

The monitor acts on them (runtime.monitor.restarting).
"""

from __future__ import annotations

import posix

from pod import environ
from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from pod.config import Config
    from pod.state import Container

    class RestartPolicy(TypedDict):
        """What --restart comes to."""

        policy: str  # no, on-failure, always, unless-stopped
        maximum: int  # how often on-failure starts it again; 0 is no limit


DEFAULT: RestartPolicy = {"policy": "no", "maximum": 0}
_POLICIES = ("no", "on-failure", "always", "unless-stopped")
# The monitor's files (runtime.monitor.restarting), and what wakes it.
_STOPPED = "stopped"  # in the directory of the container, too: see remember_stop
_RESTARTING = "restarting"
_POKE = b"4 0 0\n"
NETWORKS = b"6 0 0\n"  # for `poke`: the networks have changed


def parse(text: str) -> RestartPolicy:
    """Return the policy that a user names. Raises PodError, with podman's words."""
    name, colon, count = text.partition(":")
    if colon and name != "on-failure":
        raise PodError("restart policy retries can only be specified with on-failure restart policy")
    maximum = 0
    if colon:
        try:
            maximum = int(count)
        except ValueError:
            raise PodError(
                f'parsing restart policy retry count: strconv.Atoi: parsing "{count}": invalid syntax'
            ) from None
        if maximum <= 0:
            raise PodError("must specify restart policy retry count as a number greater than 0")
    name = "no" if name in ("", "never") else name
    if name not in _POLICIES:
        raise PodError(
            f'running container create option: "{text}" is not a valid restart policy: invalid argument',
            hint="known are no, on-failure[:n], always, unless-stopped",
        )
    return {"policy": name, "maximum": maximum}


def of_init(policy: RestartPolicy) -> RestartPolicy:
    """Return what a policy is for a container that runs before the others of its pod, which wait for its good end.

    As in Kubernetes: "always" tries again until it has done its work, and no more after that.
    """
    return {"policy": "on-failure", "maximum": 0} if policy["policy"] in ("always", "unless-stopped") else policy


def mark_stopped(config: Config, container_id: str) -> None:
    """Let a container's end, which is about to come or has come, be followed by no restart.

    Only after this the caller may look whether the container has a process: its monitor does the same in turn. The
    mark goes with the container's next start by a command.
    """
    directory = config.monitor_dir(container_id)
    try:
        posix.close(posix.open(f"{directory}/{_STOPPED}", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600))
    except FileNotFoundError:
        return  # it has never been started since the machine was
    poke(directory)


def remember_stop(config: Config, container: Container) -> None:
    """Let a container whose policy is unless-stopped not be started at the next boot: its user stops it.

    A unit of systemd that stops containers, as pod-restart.service does at shutdown, says by a variable that it is one.
    """
    if (container.config["restart"] or DEFAULT)["policy"] != "unless-stopped" or environ.value("PODMAN_SYSTEMD_UNIT"):
        return
    path = f"{config.container_dir(container.id)}/{_STOPPED}"
    posix.close(posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600))


def starts_on_boot(config: Config, container: Container) -> bool:
    """Tell whether a container is to be started when the machine is."""
    policy = (container.config["restart"] or DEFAULT)["policy"]
    stopped = f"{config.container_dir(container.id)}/{_STOPPED}"
    return policy == "always" or (policy == "unless-stopped" and not paths.exists(stopped))


def unmark_stopped(config: Config, container_id: str) -> None:
    """Take the mark back: the container did not end after all."""
    try:
        posix.unlink(f"{config.monitor_dir(container_id)}/{_STOPPED}")
    except FileNotFoundError:
        pass


def poke(directory: str, word: bytes = _POKE) -> None:
    """Have the monitor that keeps its files in `directory` look what is wanted of it, if there is one."""
    try:
        control = posix.open(f"{directory}/ctl", posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    except OSError:
        return
    try:
        posix.write(control, word)
    except OSError:
        pass
    finally:
        posix.close(control)


def is_stopped(config: Config, container_id: str) -> bool:
    """Tell whether the container's end is wanted."""
    return paths.exists(f"{config.monitor_dir(container_id)}/{_STOPPED}")


def is_awaited(config: Config, container_id: str) -> bool:
    """Tell whether a living monitor waits to start the container again."""
    return paths.exists(f"{config.monitor_dir(container_id)}/{_RESTARTING}")


def count(config: Config, container_id: str) -> int:
    """Return how often the policy has started the container again since a user did."""
    try:
        with open(f"{config.container_dir(container_id)}/restarts", encoding="utf-8") as file:
            return int(file.read() or 0)
    except (FileNotFoundError, ValueError):
        return 0


def described(policy: RestartPolicy) -> dict[str, str | int]:
    """Return a policy as `inspect` tells it."""
    return {"Name": policy["policy"], "MaximumRetryCount": policy["maximum"]}
