"""The flags that `run` and `create` share: their declaration, and what they come to.

`run` and `create` name `create_options` as their SHARED declaration and hand it all that the command line says.
"""

from __future__ import annotations

import os
import sys

from pod import mounts, values
from pod.create import CreateOptions
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.container_config import Namespaces

_LONGEST_HOSTNAME = 64  # __NEW_UTS_LEN
_LOG_DRIVERS = ("k8s-file", "none")


class Request:
    """What the command line says beside the container's own options."""

    __slots__ = ("cidfile", "image", "platform", "pull", "quiet", "replace", "rootfs", "tls_verify")

    def __init__(self, image: str) -> None:
        self.image = image
        self.rootfs = False
        self.pull = "missing"
        self.platform = ""
        self.quiet = False
        self.replace = False
        self.cidfile = ""
        self.tls_verify: bool | None = None


def create_options(
    image: Annotated[str, Argument(metavar="IMAGE", help="The image, or a directory with --rootfs")],
    command: Annotated[list[str] | None, Argument(metavar="[COMMAND [ARG...]]", help="What to run in it")] = None,
    *,
    annotation: Annotated[
        list[str] | None, Option("--annotation", metavar="strings", help="Add annotations to container (key=value)")
    ] = None,
    cap_add: Annotated[
        list[str] | None, Option("--cap-add", metavar="strings", help="Add capabilities to the container")
    ] = None,
    cap_drop: Annotated[
        list[str] | None, Option("--cap-drop", metavar="strings", help="Drop capabilities from the container")
    ] = None,
    cgroups: Annotated[
        str, Option("--cgroups", metavar="string", help='Control groups of the container ("enabled"|"disabled")')
    ] = "enabled",
    cidfile: Annotated[str, Option("--cidfile", metavar="string", help="Write the container ID to the file")] = "",
    cpus: Annotated[str, Option("--cpus", metavar="float", help="Number of CPUs, 0.000 means no limit")] = "",
    cpuset_cpus: Annotated[
        str, Option("--cpuset-cpus", metavar="string", help="CPUs in which to allow execution (0-3, 0,1)")
    ] = "",
    entrypoint: Annotated[
        str | None,
        Option("--entrypoint", metavar="string", help="Overwrite the default ENTRYPOINT of the image (text or JSON)"),
    ] = None,
    env: Annotated[
        list[str] | None,
        Option("--env", "-e", metavar="stringArray", help="Set environment variables in container (K=V, K, or K*)"),
    ] = None,
    env_file: Annotated[
        list[str] | None, Option("--env-file", metavar="strings", help="Read in a file of environment variables")
    ] = None,
    group_add: Annotated[
        list[str] | None, Option("--group-add", metavar="strings", help="Add additional groups to the process")
    ] = None,
    hostname: Annotated[str, Option("--hostname", "-h", metavar="string", help="Set container hostname")] = "",
    init: Annotated[
        bool, Option("--init", help="Run an init binary inside the container that forwards signals and reaps processes")
    ] = False,
    init_path: Annotated[
        str, Option("--init-path", metavar="string", help="Path to the container-init binary (catatonit, tini)")
    ] = "",
    interactive: Annotated[
        bool, Option("--interactive", "-i", help="Make STDIN available to the contained process")
    ] = False,
    ipc: Annotated[str, Option("--ipc", metavar="string", help="IPC namespace to use (private, host)")] = "private",
    label: Annotated[
        list[str] | None, Option("--label", "-l", metavar="stringArray", help="Set metadata on container (key=value)")
    ] = None,
    log_driver: Annotated[
        str, Option("--log-driver", metavar="string", help="Logging driver for the container (k8s-file, none)")
    ] = "",
    memory: Annotated[
        str, Option("--memory", "-m", metavar="<number>[<unit>]", help="Memory limit (unit = b, k, m or g)")
    ] = "",
    mount: Annotated[
        list[str] | None,
        Option("--mount", metavar="stringArray", help="Attach a filesystem mount (type=bind|volume|tmpfs,target=…)"),
    ] = None,
    name: Annotated[str, Option("--name", metavar="string", help="Assign a name to the container")] = "",
    network: Annotated[
        str, Option("--network", "--net", metavar="string", help="Connect the container to a network (none, host)")
    ] = "",
    pid: Annotated[str, Option("--pid", metavar="string", help="PID namespace to use (private, host)")] = "private",
    pids_limit: Annotated[
        int | None, Option("--pids-limit", metavar="int", help="Tune container pids limit (-1 for unlimited)")
    ] = None,
    platform: Annotated[str, Option("--platform", metavar="string", help="Platform of the image (linux/arm64)")] = "",
    privileged: Annotated[bool, Option("--privileged", help="Give extended privileges to container")] = False,
    pull: Annotated[
        str, Option("--pull", metavar="string", help='Pull image policy ("always"|"missing"|"never"|"newer")')
    ] = "missing",
    quiet: Annotated[bool, Option("--quiet", "-q", help="Suppress output information when pulling images")] = False,
    read_only: Annotated[bool, Option("--read-only", help="Make containers root filesystem read-only")] = False,
    replace: Annotated[bool, Option("--replace", help="If a container with the same name exists, replace it")] = False,
    rm: Annotated[bool, Option("--rm", help="Remove container after exit")] = False,
    rootfs: Annotated[
        bool, Option("--rootfs", help="The first argument is not an image but the rootfs to the exploded container")
    ] = False,
    security_opt: Annotated[
        list[str] | None,
        Option("--security-opt", metavar="stringArray", help="Security options (no-new-privileges, seccomp=FILE, …)"),
    ] = None,
    shm_size: Annotated[
        str, Option("--shm-size", metavar="<number>[<unit>]", help="Size of /dev/shm (unit = b, k, m or g)")
    ] = "",
    stop_signal: Annotated[
        str, Option("--stop-signal", metavar="string", help="Signal to stop a container. Default is SIGTERM")
    ] = "",
    stop_timeout: Annotated[
        int | None,
        Option("--stop-timeout", metavar="uint", min=0, help="Seconds to wait on stop before the container is killed"),
    ] = None,
    tls_verify: Annotated[
        bool | None, Option("--tls-verify", help="Require HTTPS and verify certificates when contacting registries")
    ] = None,
    tmpfs: Annotated[
        list[str] | None,
        Option("--tmpfs", metavar="tmpfs", help="Mount a temporary filesystem (tmpfs) into a container"),
    ] = None,
    tty: Annotated[bool, Option("--tty", "-t", help="Allocate a pseudo-TTY for container")] = False,
    ulimit: Annotated[
        list[str] | None, Option("--ulimit", metavar="stringArray", help="Ulimit options (name=soft[:hard])")
    ] = None,
    user: Annotated[
        str | None, Option("--user", "-u", metavar="string", help="Username or UID (format: <name|uid>[:<group|gid>])")
    ] = None,
    userns: Annotated[
        str, Option("--userns", metavar="string", help="User namespace to use (host, keep-id[:uid=,gid=])")
    ] = "",
    uts: Annotated[str, Option("--uts", metavar="string", help="UTS namespace to use (private, host)")] = "private",
    volume: Annotated[
        list[str] | None,
        Option("--volume", "-v", metavar="stringArray", help="Bind mount a volume ([SOURCE:]TARGET[:OPTIONS])"),
    ] = None,
    workdir: Annotated[
        str | None, Option("--workdir", "-w", metavar="string", help="Working directory inside the container")
    ] = None,
) -> tuple[CreateOptions, Request]:
    """Return what is asked of the container, and what is asked beside. Raises PodError for what makes no sense."""
    options = CreateOptions()
    options.command, options.name, options.auto_remove = command or [], name, rm
    options.annotations = _annotations(annotation or [])
    options.cap_add, options.cap_drop = _comma_separated(cap_add), _comma_separated(cap_drop)
    options.cgroups = _cgroups(cgroups)
    options.entrypoint = _entrypoint(entrypoint)
    options.env = _environment(env or [], env_file or [])
    options.group_add = group_add or []
    options.hostname = _hostname(hostname)
    options.init_path = _init(init_path) if init or init_path else ""
    options.stdin, options.tty = interactive, tty
    options.labels = dict(values.parse_pair(item, "label") for item in label or [])
    options.log_driver = _log_driver(log_driver)
    options.mounts = _mounts(volume or [], mount or [], tmpfs or [])
    options.namespaces = _namespaces(network=network, pid=pid, ipc=ipc, uts=uts, userns=userns)
    options.pids_limit = pids_limit
    options.privileged, options.read_only = privileged, read_only
    options.security_options = security_opt or []
    options.resources = _resources(memory=memory, cpus=cpus, cpuset_cpus=cpuset_cpus)
    if shm_size:
        options.shm_size = values.parse_size(shm_size)
    options.stop_signal = values.parse_signal(stop_signal) if stop_signal else None
    if stop_timeout is not None:
        options.stop_timeout = min(stop_timeout, values.LONGEST_TIMEOUT)
    options.ulimits = [values.parse_ulimit(item) for item in ulimit or []]
    options.user, options.workdir = user, _workdir(workdir)
    options.create_command = sys.argv
    request = Request(image)
    request.cidfile, request.platform, request.pull, request.quiet = cidfile, platform, pull, quiet
    request.replace, request.rootfs, request.tls_verify = replace, rootfs, tls_verify
    return options, request


def _annotations(items: list[str]) -> dict[str, str]:
    for item in items:
        if "=" not in item:
            raise PodError(f'invalid annotation "{item}": annotations must be formatted KEY=VALUE')
    return dict(values.parse_pair(item, "annotation") for item in items)


def _hostname(name: str) -> str:
    if len(os.fsencode(name)) > _LONGEST_HOSTNAME:
        raise PodError(f'invalid hostname "{name}": longer than {_LONGEST_HOSTNAME} bytes')
    return name


def _cgroups(mode: str) -> bool:
    if mode not in ("enabled", "no-conmon", "disabled"):
        raise PodError(f'invalid cgroup mode "{mode}"', hint="known are enabled and disabled")
    return mode != "disabled"


def _comma_separated(items: list[str] | None) -> list[str]:
    return [name for item in items or [] for name in item.split(",") if name]


def _entrypoint(text: str | None) -> list[str] | None:
    if text is None:
        return None
    if text.startswith("["):
        from runtime import jsontext

        try:
            words = jsontext.loads(text)
        except ValueError:
            return [text]
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return words
    return [text] if text else []


def _environment(items: list[str], files: list[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for path in files:
        result |= values.read_env_file(path, os.environ)
    return result | values.parse_env(items, os.environ)


def _init(path: str) -> str:
    candidates = [path] if path else ["/usr/libexec/podman/catatonit", "/usr/bin/catatonit", "/usr/bin/tini-static"]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return os.path.abspath(candidate)
    raise PodError(
        f"container-init binary not found on the host: stat {candidates[0]}: no such file or directory",
        hint="as root: apt install catatonit",
    )


def _log_driver(name: str) -> str:
    if name in ("", "json-file"):
        return "k8s-file"
    if name not in _LOG_DRIVERS:
        raise PodError(f'invalid log driver "{name}"', hint="known are " + ", ".join(_LOG_DRIVERS))
    return name


def _mounts(volumes: list[str], mount: list[str], tmpfs: list[str]) -> list[mounts.Mount]:
    return [
        *(mounts.parse_volume(item) for item in volumes),
        *(mounts.parse_mount(item) for item in mount),
        *(mounts.parse_tmpfs(item) for item in tmpfs),
    ]


def _namespaces(*, network: str, pid: str, ipc: str, uts: str, userns: str) -> Namespaces:
    for flag, value in (("pid", pid), ("ipc", ipc), ("uts", uts)):
        if value not in ("private", "host"):
            raise PodError(f'invalid --{flag} "{value}"', hint="known are private and host")
    if network not in ("", "private", "none", "host"):
        raise PodError(f'network "{network}" is not known: network not found', hint="known are none, host and private")
    if userns not in ("", "host") and userns.partition(":")[0] != "keep-id":
        raise PodError(f'unrecognized namespace mode "{userns}" passed to --userns', hint="known are host and keep-id")
    return {"network": network or "private", "pid": pid, "ipc": ipc, "uts": uts, "user": userns or "host"}


def _resources(*, memory: str, cpus: str, cpuset_cpus: str) -> dict[str, dict[str, int | str]]:
    resources: dict[str, dict[str, int | str]] = {}
    if memory and (limit := values.parse_size(memory)):
        resources["memory"] = {"limit": limit, "swap": limit * 2}
    cpu: dict[str, int | str] = {}
    if cpus and float_or_zero(cpus) != 0:
        cpu["quota"], cpu["period"] = values.parse_cpus(cpus)
    if cpuset_cpus:
        cpu["cpus"] = values.parse_cpuset(cpuset_cpus)
    if cpu:
        resources["cpu"] = cpu
    return resources


def float_or_zero(text: str) -> float:
    """Return the number, 1 for what is none (so that its own parser complains)."""
    try:
        return float(text)
    except ValueError:
        return 1


def _workdir(path: str | None) -> str | None:
    if path and not path.startswith("/"):
        raise PodError(f'the working directory "{path}" is invalid, it needs to be an absolute path')
    return path
