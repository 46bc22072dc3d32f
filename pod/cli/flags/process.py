"""Flags on the process: what runs, as whom, where, and with which variables."""

from __future__ import annotations

import os

from pod import values
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions

_LONGEST_HOSTNAME = 64  # __NEW_UTS_LEN


def declare(
    options: CreateOptions,
    *,
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
    user: Annotated[
        str | None, Option("--user", "-u", metavar="string", help="Username or UID (format: <name|uid>[:<group|gid>])")
    ] = None,
    workdir: Annotated[
        str | None, Option("--workdir", "-w", metavar="string", help="Working directory inside the container")
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    options.entrypoint = _entrypoint(entrypoint)
    options.env = _environment(env or [], env_file or [])
    options.group_add = group_add or []
    options.hostname = _hostname(hostname)
    options.init_path = _init(init_path) if init or init_path else ""
    options.user, options.workdir = user, _workdir(workdir)


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


def _hostname(name: str) -> str:
    if len(os.fsencode(name)) > _LONGEST_HOSTNAME:
        raise PodError(f'invalid hostname "{name}": longer than {_LONGEST_HOSTNAME} bytes')
    return name


def _init(path: str) -> str:
    candidates = [path] if path else ["/usr/libexec/podman/catatonit", "/usr/bin/catatonit", "/usr/bin/tini-static"]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return os.path.abspath(candidate)
    raise PodError(
        f"container-init binary not found on the host: stat {candidates[0]}: no such file or directory",
        hint="as root: apt install catatonit",
    )


def _workdir(path: str | None) -> str | None:
    if path and not path.startswith("/"):
        raise PodError(f'the working directory "{path}" is invalid, it needs to be an absolute path')
    return path
