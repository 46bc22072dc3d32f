"""`pod logout`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    registry: Annotated[str, Argument(metavar="[REGISTRY]")] = "",
    all: Annotated[
        bool, Option("--all", "-a", help="Remove the cached credentials for all registries in the auth file")
    ] = False,
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
) -> None:
    """Remove the cached username and password for the registry."""
    from pod import config as configuration
    from pod import registries
    from pod.cli.login import key
    from pod.errors import PodError
    from pod.settings import current
    from storage import credentials

    if all and registry:
        raise PodError("--all takes no arguments")
    config = configuration.load(current)
    if not compat_auth_file and not registries.named_auth_file(authfile):
        compat_auth_file = registries.docker_auth_file()
    options = registries.options(config, authfile=authfile, compat_auth_file=compat_auth_file)
    helpers = options.configuration.credential_helpers
    ours = (registries.runtime_auth_file(config), registries.own_auth_file(config))
    files = [options.auth_file] if options.auth_file else [path for path in ours if path is not None]
    if all:
        for path in files:
            credentials.remove_all(path, environment=options.environment, helpers=helpers)
        print("Removed login credentials for all registries")
        return
    server = key(registry, options)
    removed = [credentials.remove(path, server, environment=options.environment, helpers=helpers) for path in files]
    if not any(removed):
        if not options.auth_file and credentials.find(server, options, must_exist=False):
            raise PodError(
                f"not logged into {server} with current tool. Existing credentials were established via docker login. "
                "Please use docker logout instead"
            )
        raise PodError(f"not logged into {server}")
    print(f"Removed login credentials for {server}")
