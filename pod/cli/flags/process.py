"""Flags on the process: what runs, as whom, where, and with which variables."""

from __future__ import annotations

from pod import environ, values
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


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
    options.group_add = _groups(options, group_add or [])
    if init:
        from pod.containers.inside import identities

        options.init_path = identities.find_init(init_path)
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
    own = environ.variables()
    for path in files:
        result |= values.read_env_file(path, own)
    return result | values.parse_env(items, own)


def _groups(options: CreateOptions, items: list[str]) -> list[str]:
    names = [name for item in items for name in item.split(",") if name]
    if "keep-groups" in names:
        if len(names) > 1:
            raise PodError("the '--group-add keep-groups' option is not allowed with any other --group-add options")
        options.identity["keep_groups"] = True
        return []
    return names


def _workdir(path: str | None) -> str | None:
    if path and not path.startswith("/"):
        raise PodError(f'the working directory "{path}" is invalid, it needs to be an absolute path')
    return path
