"""`pod login`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.config import Config
    from storage.credentials import Credentials
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
    compat_auth_file: Annotated[
        str,
        Option(
            "--compat-auth-file", metavar="string", help="path of a Docker-compatible config file to update instead"
        ),
    ] = "",
    cert_dir: Annotated[
        str,
        Option("--cert-dir", metavar="string", help="use certificates at the specified path to access the registry"),
    ] = "",
    get_login: Annotated[bool, Option("--get-login", help="Return the current login user for the registry")] = False,
    password: Annotated[str, Option("--password", "-p", metavar="string", help="Password for registry")] = "",
    password_stdin: Annotated[bool, Option("--password-stdin", help="Take the password from stdin")] = False,
    secret: Annotated[str, Option("--secret", metavar="string", help="Retrieve password from a podman secret")] = "",
    tls_verify: Annotated[
        bool | None,
        Option("--tls-verify", help="Require HTTPS and verify certificates when contacting registries"),
    ] = None,
    username: Annotated[str, Option("--username", "-u", metavar="string", help="Username for registry")] = "",
    verbose: Annotated[bool, Option("--verbose", "-v", help="Write more detailed information to stdout")] = False,
    verify: Annotated[
        bool,
        Option("--verify", help="Check the stored credentials at the registry; asks and stores nothing"),
    ] = False,
) -> None:
    """Login to a container registry on a specified server."""
    from pod import config as configuration
    from pod import registries
    from pod.errors import PodError
    from pod.settings import current
    from storage import credentials

    config = configuration.load(current)
    if not compat_auth_file and not registries.named_auth_file(authfile):
        compat_auth_file = registries.docker_auth_file()
    options = registries.options(
        config, authfile=authfile, compat_auth_file=compat_auth_file, cert_dir=cert_dir, tls_verify=tls_verify
    )
    server = key(registry, options)
    if compat_auth_file and "/" in server:
        raise PodError(f'Credentials cannot be recorded in Docker-compatible format with namespaced key "{server}"')
    if verify:
        if username or password or password_stdin or secret or get_login:
            raise PodError("--verify checks what is stored: it can not be used with other credentials or --get-login")
        print(verified(server, options))
        return
    if secret and password:
        raise PodError("--secret can not be used with --password options")
    if secret:
        username, password = username or secret, kept_secret(secret)
    kept = credentials.find(server, options, must_exist=False)
    if get_login:
        if kept is None or not kept.username:
            raise PodError(f"not logged into {server}")
        print(kept.username)
        return
    if kept is not None and kept.identity_token:
        raise PodError("currently logged in, auth file contains an Identity token", hint=f"first: pod logout {server}")
    if password_stdin and password:
        raise PodError("can't specify both --password-stdin and --password")
    if password_stdin and not username:
        raise PodError("must provide --username with --password-stdin")
    if kept is not None and not username and not password and valid_already(server, kept, options):
        print(f"Existing credentials are valid. Already logged in to {server}")
        return
    username = username or asked_user(kept.username if kept is not None else "")
    password = password or asked_password(password_stdin)
    credentials.check(server, credentials.Credentials(username, password), options=options)
    stored_as = credentials.DOCKER_KEY if compat_auth_file and server == "docker.io" else server
    place = keep(config, stored_as, username, password, options)
    if verbose:
        print(f"Used:  {place}")
    print("Login Succeeded!")


def key(registry: str, options: RegistryOptions) -> str:
    """Return the registry, with the namespace if one is given, as auth files have it.

    Without any, the first that short names are searched at. Raises PodError for what is no registry.
    """
    from pod.errors import PodError
    from storage import reference
    from storage.errors import BadReferenceError
    from storage.registry.configuration_files import is_registry

    if not registry:
        if not options.configuration.search:
            raise PodError("no registries found in registries.conf, a registry must be provided")
        return options.configuration.search[0]
    if registry.startswith(("https://", "http://")):
        registry = registry.partition("://")[2].partition("/")[0]
    name = registry.rstrip("/")
    host, slash, rest = name.partition("/")
    if not is_registry(host):
        raise PodError(f'"{registry}" is not a registry')
    if slash:
        try:
            parsed = reference.parse(f"{host}/{rest}" if reference.has_domain(name) else f"{host}:1/{rest}")
        except BadReferenceError as error:
            raise PodError(f'parse reference from "{name}": {error}') from None
        if parsed.tag is not None or parsed.digest is not None:
            raise PodError(f'reference "{name}" contains tag or digest')
    return name


def kept_secret(name: str) -> str:
    """Return the text of a secret. Raises PodError if there is none of this name."""
    from pod import secret_drivers, secret_rows
    from pod.engine import open_engine

    engine = open_engine(write=False)
    return secret_drivers.read(engine.config, secret_rows.find(engine.connection, name)).decode(errors="replace")


def keep(config: Config, server: str, username: str, password: str, options: RegistryOptions) -> str:
    """Keep credentials that are good, and tell where."""
    from pod import registries
    from storage import credentials

    place = credentials.store(
        options.auth_file or registries.own_auth_file(config),
        server,
        username,
        password,
        environment=options.environment,
        helpers=options.configuration.credential_helpers,
    )
    if options.auth_file is None:
        forget_older(config, server, options)
    return place


def valid_already(server: str, kept: Credentials, options: RegistryOptions) -> bool:
    """Whether the credentials that are kept still do."""
    from storage import credentials
    from storage.errors import StorageError

    print(f"Authenticating with existing credentials for {server}")
    try:
        credentials.check(server, kept, options=options)
    except StorageError:
        print("Existing credentials are invalid, please enter valid username and password")
        return False
    return True


def verified(server: str, options: RegistryOptions) -> str:
    """Try the credentials that a pull would use; return what to say of them.

    Raises PodError if there are none, UnauthorizedError if the registry refuses them.
    """
    from pod.errors import PodError
    from storage import credentials
    from storage.errors import UnauthorizedError

    kept = credentials.find(server, options)
    if kept is None:
        raise PodError(f"not logged into {server}", hint=f"pod login {server}")
    try:
        credentials.check(server, kept, options=options)
    except UnauthorizedError as error:
        raise UnauthorizedError(str(error), hint=f"what is stored is no longer valid: pod login {server}") from None
    return f"Login Succeeded! {server} takes the stored credentials of {kept.username or 'a token'}"


def asked_user(kept: str) -> str:
    """Ask for the user name; the one that is kept is offered. Raises PodError if none is given."""
    from pod.cli.asking import ask
    from pod.errors import PodError

    username = ask(f"Username ({kept}): " if kept else "Username: ").strip() or kept
    if not username:
        raise PodError("username is empty", hint="give it with --username")
    return username


def asked_password(from_stdin: bool) -> str:
    """Return the password: a line of stdin, or what is typed unseen. Raises PodError if none is given."""
    import sys

    from pod import registries
    from pod.errors import PodError

    if from_stdin:
        return sys.stdin.read().rstrip("\r\n")
    hint = "give it with --password-stdin"
    if sys.stdin is None or sys.stdin.isatty():
        password = registries.typed_password(hint)
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise PodError("password is empty", hint=hint)
    return password


def forget_older(config: Config, server: str, options: RegistryOptions) -> None:
    """Remove what podman's auth file in the runtime directory has for the registry: it would go first."""
    from pod import registries
    from storage import credentials

    older = registries.runtime_auth_file(config)
    if older is not None:
        credentials.remove(older, server, environment=options.environment)
