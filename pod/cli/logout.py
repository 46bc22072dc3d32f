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
) -> None:
    """Remove the cached username and password for the registry."""
    import os

    from pod import config as configuration
    from pod import registries
    from pod.cli.login import key
    from pod.errors import PodError
    from pod.settings import current
    from storage import credentials

    if all and registry:
        raise PodError("--all takes no arguments")
    config = configuration.load(current)
    named = registries.named_auth_file(authfile)
    ours = (registries.runtime_auth_file(config), registries.own_auth_file(config))
    files = [named] if named else [path for path in ours if path is not None]
    if all:
        for path in files:
            credentials.remove_all(path)
        print("Removed login credentials for all registries")
        return
    server = key(registry)
    removed = [credentials.remove(path, server, environment=os.environ) for path in files]
    if not any(removed):
        if not named and credentials.lookup(registries.auth_files(config), server, environment=os.environ):
            raise PodError(
                f"not logged into {server} with current tool. Existing credentials were established via docker login. "
                "Please use docker logout instead"
            )
        raise PodError(f"not logged into {server}")
    print(f"Removed login credentials for {server}")
