"""Flags on how the process and its surroundings look from inside, and on what it has from the caller."""

from __future__ import annotations

from pod.containers.inside import identities
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.cli.flags.request import Request

_LONGEST_HOSTNAME = 64  # __NEW_UTS_LEN


def declare(
    request: Request,
    *,
    add_host: Annotated[
        list[str] | None,
        Option(
            "--add-host",
            metavar="strings",
            help="Add a custom host-to-IP mapping (host[;host...]:ip, or host:host-gateway)",
        ),
    ] = None,
    env_host: Annotated[
        bool | None, Option("--env-host", help="Use all current host environment variables in container")
    ] = None,
    env_merge: Annotated[
        list[str] | None,
        Option(
            "--env-merge", metavar="stringArray", help="Preprocess environment variables from image before injecting"
        ),
    ] = None,
    group_entry: Annotated[str, Option("--group-entry", metavar="string", help="Entry to write to /etc/group")] = "",
    hostname: Annotated[str, Option("--hostname", "-h", metavar="string", help="Set container hostname")] = "",
    hosts_file: Annotated[
        str,
        Option(
            "--hosts-file",
            metavar="string",
            help="Base file to create the /etc/hosts file inside the container (path, image or none)",
        ),
    ] = "",
    hostuser: Annotated[
        list[str] | None,
        Option("--hostuser", metavar="strings", help="Host user account to add to /etc/passwd within container"),
    ] = None,
    http_proxy: Annotated[
        bool | None, Option("--http-proxy", help="Set proxy environment variables in the container from the host")
    ] = None,
    no_hostname: Annotated[
        bool, Option("--no-hostname", help="Do not create /etc/hostname within the container")
    ] = False,
    no_hosts: Annotated[bool | None, Option("--no-hosts", help="Do not create /etc/hosts within the container")] = None,
    passwd: Annotated[bool, Option("--passwd", help="Add entries to /etc/passwd and /etc/group")] = True,
    passwd_entry: Annotated[str, Option("--passwd-entry", metavar="string", help="Entry to write to /etc/passwd")] = "",
    personality: Annotated[
        str, Option("--personality", metavar="string", help="Configure execution domain (LINUX, LINUX32)")
    ] = "",
    preserve_fd: Annotated[
        list[str] | None,
        Option("--preserve-fd", metavar="ints", help="Pass the listed file descriptors into the container"),
    ] = None,
    preserve_fds: Annotated[
        int, Option("--preserve-fds", metavar="uint", min=0, help="Pass a number of additional file descriptors on")
    ] = 0,
    tz: Annotated[str, Option("--tz", metavar="string", help="Set timezone in container")] = "",
    umask: Annotated[str, Option("--umask", metavar="string", help="Set umask in container")] = "",
    unsetenv: Annotated[
        list[str] | None, Option("--unsetenv", metavar="strings", help="Unset environment default variables")
    ] = None,
    unsetenv_all: Annotated[bool, Option("--unsetenv-all", help="Unset all default environment variables")] = False,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    if len(hostname.encode("utf-8", "surrogateescape")) > _LONGEST_HOSTNAME:
        raise PodError(f'invalid hostname "{hostname}": longer than {_LONGEST_HOSTNAME} bytes')
    if add_host and no_hosts:
        raise PodError("--no-hosts and --add-host cannot be set together")
    if hosts_file and no_hosts:
        raise PodError("--no-hosts and --hosts-file cannot be set together")
    request.hostname = hostname
    request.preserve = descriptors(preserve_fds, preserve_fd)
    unset = [name for item in unsetenv or [] for name in item.split(",") if name]
    if env_host is not None or http_proxy is not None or env_merge or unset or unsetenv_all:
        from pod.containers.inside.environment import Variables

        asked = request.variables = Variables()
        asked.host, asked.http_proxy, asked.merge = env_host, http_proxy, env_merge or []
        asked.unset, asked.unset_all = unset, unsetenv_all
    said = {
        "umask": identities.umask(umask) if umask else "",
        "timezone": identities.timezone(tz),
        "personality": identities.personality(personality) if personality else "",
        "unset_env": unset,
        "unset_env_all": unsetenv_all,
        "passwd_entry": identities.entry(passwd_entry, "--passwd-entry"),
        "group_entry": identities.entry(group_entry, "--group-entry"),
        "host_users": _host_users(hostuser or []),
        "hosts_file": identities.hosts_file(hosts_file),
        "add_hosts": identities.add_hosts(add_host or []),
    }
    request.identity |= {name: value for name, value in said.items() if value}
    if no_hosts is not None:
        request.identity["hosts"] = not no_hosts
    request.identity |= {"passwd": passwd, "hostname_file": not no_hostname}


def _host_users(names: list[str]) -> list[str]:
    if names:
        from pod.containers.inside import accounts

        for name in names:
            accounts.host_user(name)
    return names


def descriptors(count: int, others: list[str] | None) -> tuple[int, ...]:
    """Return the numbers that --preserve-fds and --preserve-fd name. Raises PodError for those that are not open."""
    import posix

    listed = [text for item in others or [] for text in item.split(",")]
    for text in listed:
        if not (text.isascii() and text.isdecimal() and 3 <= int(text) < 2**31):
            raise PodError(f'invalid file descriptor "{text}" for --preserve-fd: write numbers from 3 on')
    found = sorted({*range(3, 3 + count), *map(int, listed)})
    for number in found:
        try:
            posix.fstat(number)
        except OSError:
            raise PodError(
                f"file descriptor {number} is not available - the preserve-fds option requires that file descriptors"
                " must be passed"
            ) from None
    return tuple(found)
