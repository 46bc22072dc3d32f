"""The variables of a container: of the image, of the host, of containers.conf, and of the command line.

Source: podman-run(1), Environment. Later ones overrule: --env-host, --http-proxy, containers.conf, the image,
--env-file, --env; --env-merge and --unsetenv change what came before the last two.
"""

from __future__ import annotations

from pod import environ, values
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pod.containers.configuration import ContainerConfig

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")


class Variables:
    """What the command line says of the environment beyond the variables themselves; None: containers.conf decides."""

    __slots__ = ("host", "http_proxy", "merge", "unset", "unset_all")

    def __init__(self) -> None:
        self.host: bool | None = None
        self.http_proxy: bool | None = None
        self.merge: list[str] = []
        self.unset: list[str] = []
        self.unset_all = False


def compose(
    image: dict[str, str], said: dict[str, str], asked: Variables | None, settings: dict[str, Any]
) -> dict[str, str]:
    """Return the variables of a new container; `said` are those of --env-file and --env, which overrule all others."""
    asked = asked or Variables()
    host = environ.variables()
    result: dict[str, str] = {}
    if settings.get("env_host", False) if asked.host is None else asked.host:
        result |= host
    if settings.get("http_proxy", True) if asked.http_proxy is None else asked.http_proxy:
        for name in PROXIES:
            result.update((key, host[key]) for key in (name, name.upper()) if key in host)
    result |= values.parse_env(list(settings.get("env") or ()), host)
    result |= image
    for item in asked.merge:
        _merge(result, item)
    for name in result if asked.unset_all else asked.unset:
        result = {key: value for key, value in result.items() if key != name}
    return result | said


def of_image(image_config: dict[str, Any]) -> dict[str, str]:
    """Return the image's variables; what is not KEY=VALUE is dropped, never taken from the host (CVE-2026-57231)."""
    pairs = (item.partition("=") for item in image_config.get("Env") or [] if isinstance(item, str))
    return {key: value for key, equals, value in pairs if key and equals}


def of_program(config: ContainerConfig | dict[str, Any]) -> dict[str, str]:
    """Return the variables of a container's program, but for those that only its image's files and secrets tell."""
    identity = config["identity"]
    env = {} if identity["unset_env_all"] else {"PATH": PATH, "container": "podman"}
    if config["tty"] and not identity["unset_env_all"]:
        env["TERM"] = "xterm"
    return {key: value for key, value in env.items() if key not in identity["unset_env"]} | config["env"]


def _merge(variables: dict[str, str], item: str) -> None:
    """Change a variable that is there by --env-merge NAME=TEXT, in which $NAME and ${NAME} stand for values."""
    name, equals, text = item.partition("=")
    if not name or not equals:
        raise PodError(f'invalid --env-merge "{item}": write NAME=VALUE')
    if name in variables or name == "PATH":
        variables[name] = expand(text, {"PATH": PATH} | variables)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with its $NAME and ${NAME} replaced, by nothing for those that are not there."""
    result = []
    position = 0
    while position < len(text):
        letter = text[position]
        position += 1
        if letter != "$":
            result.append(letter)
            continue
        if text[position : position + 1] == "{" and "}" in text[position:]:
            end = text.index("}", position)
            name, position = text[position + 1 : end], end + 1
        else:
            end = position
            while end < len(text) and (text[end].isalnum() or text[end] == "_"):
                end += 1
            name, position = text[position:end], end
        result.append(variables.get(name, "") if name else "$")
    return "".join(result)
