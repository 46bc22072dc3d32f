"""`pod pull`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    images: Annotated[list[str], Argument(metavar="IMAGE [IMAGE...]")],
    all_tags: Annotated[
        bool, Option("--all-tags", "-a", help="All tagged images in the repository will be pulled")
    ] = False,
    arch: Annotated[
        str,
        Option(
            "--arch",
            "--override-arch",
            metavar="ARCH",
            help="Use ARCH instead of the architecture of the machine for choosing images",
        ),
    ] = "",
    authfile: Annotated[
        str,
        Option(
            "--authfile",
            metavar="string",
            help="Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override",
        ),
    ] = "",
    cert_dir: Annotated[
        str,
        Option("--cert-dir", metavar="Pathname", help="Pathname of a directory containing TLS certificates and keys"),
    ] = "",
    creds: Annotated[
        str,
        Option(
            "--creds",
            metavar="Credentials",
            help="Credentials (USERNAME:PASSWORD) to use for authenticating to a registry",
        ),
    ] = "",
    disable_content_trust: Annotated[
        bool, Option("--disable-content-trust", help="This is a Docker specific option and is a NOOP")
    ] = False,
    os: Annotated[
        str,
        Option("--os", "--override-os", metavar="OS", help="Use OS instead of the running OS for choosing images"),
    ] = "",
    platform: Annotated[
        str,
        Option(
            "--platform",
            metavar="string",
            help="Specify the platform for selecting the image. (Conflicts with arch and os)",
        ),
    ] = "",
    policy: Annotated[
        str,
        Option("--policy", metavar="string", help='Pull image policy ("always"|"missing"|"never"|"newer")'),
    ] = "always",
    quiet: Annotated[bool, Option("--quiet", "-q", help="Suppress output information when pulling images")] = False,
    retry: Annotated[
        int | None,
        Option(
            "--retry", metavar="uint", min=0, help="Number of times to retry in case of failure when performing pull"
        ),
    ] = None,
    retry_delay: Annotated[
        str,
        Option("--retry-delay", metavar="string", help="Delay between retries in case of pull failures"),
    ] = "",
    tls_verify: Annotated[
        bool | None,
        Option("--tls-verify", help="Require HTTPS and verify certificates when contacting registries"),
    ] = None,
    variant: Annotated[
        str,
        Option(
            "--variant",
            "--override-variant",
            metavar="string",
            help="Use VARIANT instead of the running architecture variant for choosing images",
        ),
    ] = "",
) -> None:
    """Pull an image from a registry and store it locally."""
    from pod import registries
    from pod.cli.progress import display
    from pod.cli.pulling import pull_shown
    from pod.engine import open_engine
    from pod.images import pulls

    pulls.check_policy(policy)
    wanted = registries.platform(platform, arch=arch, os=os, variant=variant)
    if not all_tags:
        for image in images:
            pulls.source(image)
    engine = open_engine(write=True)
    options = registries.options(
        engine.config,
        authfile=authfile,
        creds=creds,
        cert_dir=cert_dir,
        tls_verify=tls_verify,
        retry=retry,
        retry_delay=retry_delay,
    )
    pull = pulls.Pull(engine, options=options, policy=policy, platform=wanted)
    for image in images:
        if not all_tags:
            print(pull_shown(pull, image, quiet=quiet).id, flush=True)
            continue
        with display(quiet=quiet) as shown:
            pulled = pull.all_tags(image, shown)
        for one in dict.fromkeys(found.id for found in pulled):
            print(one, flush=True)
