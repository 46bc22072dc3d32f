"""`pod login`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.config import Config
    from storage.registry.options import RegistryOptions


def main(
    registry: Annotated[str, Argument(metavar="[REGISTRY]")] = "",
    authfile: Annotated[
        str,
        Option(
            "--authfile",
            metavar="string",
            help="path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override",
        ),
    ] = "",
    cert_dir: Annotated[
        str,
        Option("--cert-dir", metavar="string", help="use certificates at the specified path to access the registry"),
    ] = "",
    get_login: Annotated[bool, Option("--get-login", help="Return the current login user for the registry")] = False,
    password: Annotated[str, Option("--password", "-p", metavar="string", help="Password for registry")] = "",
    password_stdin: Annotated[bool, Option("--password-stdin", help="Take the password from stdin")] = False,
    tls_verify: Annotated[
        bool | None,
        Option("--tls-verify", help="Require HTTPS and verify certificates when contacting registries"),
    ] = None,
    username: Annotated[str, Option("--username", "-u", metavar="string", help="Username for registry")] = "",
    verbose: Annotated[bool, Option("--verbose", "-v", help="Write more detailed information to stdout")] = False,
) -> None:
    """Login to a container registry on a specified server."""
    import os

    from pod import config as configuration
    from pod import registries
    from pod.errors import PodError
    from pod.settings import current
    from storage import credentials

    server = key(registry)
    config = configuration.load(current)
    options = registries.options(config, authfile=authfile, cert_dir=cert_dir, tls_verify=tls_verify)
    if get_login:
        user = credentials.logged_in_user(options.searched_auth_files, server, environment=os.environ)
        if user is None:
            raise PodError(f"not logged into {server}")
        print(user)
        return
    if password_stdin and password:
        raise PodError("can't specify both --password-stdin and --password")
    if password_stdin and not username:
        raise PodError("must provide --username with --password-stdin")
    if not username and not password and valid_already(server, options):
        print(f"Existing credentials are valid. Already logged in to {server}")
        return
    username = username or asked_user(server, options)
    file = options.auth_file or registries.own_auth_file(config)
    credentials.login(server, username, password or secret(password_stdin), auth_file=file, options=options)
    if options.auth_file is None:
        forget_older(config, server)
    if verbose:
        print(f"Used:  {file}")
    print("Login Succeeded!")


def key(registry: str) -> str:
    """Return the registry, with the namespace if one is given, as auth files have it.

    Raises PodError for what is no registry.
    """
    from pod.errors import PodError
    from pod.registries import DEFAULT_REGISTRY

    name = registry.removeprefix("https://").removeprefix("http://").rstrip("/")
    if "@" in name or any(letter.isspace() for letter in name):
        raise PodError(f'"{registry}" is not a registry')
    return name or DEFAULT_REGISTRY


def valid_already(server: str, options: RegistryOptions) -> bool:
    """Whether the credentials that are kept still do."""
    from storage import credentials
    from storage.errors import StorageError
    from storage.registry.client import RegistryClient

    if not credentials.lookup(options.searched_auth_files, server, environment=options.environment):
        return False
    print(f"Authenticating with existing credentials for {server}")
    client = RegistryClient(server.partition("/")[0], options)
    try:
        client.check_login()
    except StorageError:
        print("Existing credentials are invalid, please enter valid username and password")
        return False
    finally:
        client.close()
    return True


def asked_user(server: str, options: RegistryOptions) -> str:
    """Ask for the user name; the one that is kept is offered. Raises PodError if none is given."""
    from pod.cli.asking import ask
    from pod.errors import PodError
    from storage import credentials

    kept = credentials.logged_in_user(options.searched_auth_files, server, environment=options.environment)
    username = ask(f"Username ({kept}): " if kept else "Username: ").strip() or kept
    if not username:
        raise PodError("username is empty", hint="give it with --username")
    return username


def secret(from_stdin: bool) -> str:
    """Return the password: a line of stdin, or what is typed unseen. Raises PodError if none is given."""
    import getpass
    import sys

    from pod.errors import PodError

    if from_stdin:
        return sys.stdin.read().rstrip("\r\n")
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not password:
        raise PodError("password is empty", hint="give it with --password-stdin")
    return password


def forget_older(config: Config, server: str) -> None:
    """Remove what podman's auth file in the runtime directory has for the registry: it would go first."""
    import os

    from pod import registries
    from storage import credentials

    older = registries.runtime_auth_file(config)
    if older is not None:
        credentials.remove(older, server, environment=os.environ)
