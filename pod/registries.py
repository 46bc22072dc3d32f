"""How this user talks to registries: auth files, certificates, and what the flags of pull and login come to."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from pod import __version__, registries_conf
from pod.errors import PodError
from pod.settings import current
from storage import platform as platforms
from storage.registry.configuration import AUTH_FILES
from storage.registry.options import RegistryOptions

if TYPE_CHECKING:
    from pod.config import Config
    from storage.platform import Platform


def runtime_auth_file(config: Config) -> str | None:
    """Return the auth file that podman keeps until the reboot, None where this user has no such directory."""
    directory = os.environ.get("XDG_RUNTIME_DIR")
    if directory:
        return f"{directory}/containers/auth.json"
    return None if config.rootless else "/run/containers/0/auth.json"


def own_auth_file(config: Config) -> str:
    """Return the auth file that `login` writes, which outlives reboots."""
    settings = os.environ.get("XDG_CONFIG_HOME") or f"{config.home}/.config"
    return f"{settings}/containers/auth.json"


def auth_files(config: Config) -> tuple[str, ...]:
    """Return where credentials may be, in the order of containers-auth.json(5)."""
    named = docker_auth_file()
    if named:
        return (named,)
    usual = (f"{config.home}/.docker/config.json", f"{config.home}/.dockercfg")
    files = (runtime_auth_file(config), own_auth_file(config), *usual)
    return tuple(path for path in files if path is not None)


def docker_auth_file() -> str:
    """Return docker's file if the user says where docker's files are, by `--config` or the environment."""
    directory = current.config or os.environ.get("DOCKER_CONFIG")
    return f"{directory}/config.json" if directory else ""


def named_auth_file(authfile: str) -> str | None:
    """Return the one auth file that the user names, by flag or environment."""
    return authfile or os.environ.get("REGISTRY_AUTH_FILE") or None


def certificate_directories(config: Config) -> tuple[str, ...]:
    """Return the certs.d directories of containers-certs.d(5)."""
    own = (f"{config.home}/.config/containers/certs.d",) if config.rootless else ()
    return (*own, "/etc/containers/certs.d", "/etc/docker/certs.d")


def options(
    config: Config,
    *,
    authfile: str = "",
    compat_auth_file: str = "",
    creds: str = "",
    cert_dir: str = "",
    tls_verify: bool | None = None,
    retry: int | None = None,
    retry_delay: str = "",
) -> RegistryOptions:
    """Return the options for a registry from what flags, environment and files say.

    A docker-compatible auth file is one that docker shall be able to use, too: what only registries.conf knows of, it
    does not.
    Raises PodError, or BadConfigurationError for a registries.conf that cannot be.
    """
    if cert_dir and not os.path.isdir(cert_dir):
        raise PodError(f"certificate directory {cert_dir}: no such directory")
    configuration = registries_conf.load(config)
    if compat_auth_file:
        if authfile:
            raise PodError(
                "options for paths to the credential file and to the Docker-compatible credential file can not be set "
                "simultaneously"
            )
        configuration = replace(configuration, credential_helpers=(AUTH_FILES,))
    return RegistryOptions(
        auth_file=compat_auth_file or named_auth_file(authfile),
        auth_files=auth_files(config),
        credentials=credentials(creds) if creds else None,
        tls_verify=tls_verify,
        cert_dirs=certificate_directories(config),
        cert_dir=cert_dir or None,
        environment=dict(os.environ),
        user_agent=f"pod/{__version__}",
        retries=3 if retry is None else retry,
        retry_delay=duration(retry_delay) if retry_delay else 1.0,
        configuration=configuration,
        note=_note if current.debug else None,
    )


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def credentials(text: str) -> tuple[str, str]:
    """Read USER[:PASSWORD]; a password that is left out is asked for."""
    user, colon, password = text.partition(":")
    if not user:
        raise PodError("credentials can't be empty")
    if not colon:
        password = typed_password("give it as well: --creds USER:PASSWORD")
    return user, password


def typed_password(hint: str) -> str:
    """Return a password that is typed unseen, be it empty. Raises PodError, with a hint, if nobody can type."""
    import getpass

    if sys.stdin is None or not sys.stdin.isatty():
        raise PodError("could not read password from terminal: standard input is not a terminal", hint=hint)
    try:
        return getpass.getpass("Password: ")
    except EOFError:
        raise PodError("could not read password from terminal: it was closed", hint=hint) from None


def platform(text: str = "", *, arch: str = "", os: str = "", variant: str = "") -> Platform | None:
    """Return the platform that the flags ask for; None if they ask for none."""
    if text and (arch or os or variant):
        raise PodError("--platform option can not be specified with --arch, --os or --variant")
    if text:
        return platforms.parse(text)
    if not (arch or os or variant):
        return None
    host = platforms.host()
    return platforms.parse("/".join(filter(None, (os or host.os, arch or host.architecture, variant))))


def duration(text: str) -> float:
    """Return the seconds of a Go duration such as 1m30s or 500ms."""
    from pod.times import parse_duration

    try:
        nanoseconds = parse_duration(text)
    except ValueError:
        nanoseconds = -1
    if nanoseconds < 0:
        raise PodError(f'invalid duration "{text}"', hint="a duration is written 30s, 5m or 1h30m")
    return nanoseconds / 1e9
