"""Flags on how an image is built."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.cli.building import Asked


def declare(
    target: Asked,
    *,
    all_platforms: Annotated[
        bool, Option("--all-platforms", help="Build for all platforms that the base images are available for")
    ] = False,
    annotation: Annotated[
        list[str] | None, Option("--annotation", metavar="key=value", help="Set metadata for an image")
    ] = None,
    build_arg: Annotated[
        list[str] | None,
        Option("--build-arg", metavar="argument=value", help="Set an argument and its value for the Containerfile"),
    ] = None,
    build_arg_file: Annotated[
        list[str] | None,
        Option("--build-arg-file", metavar="path", help="Read arguments and their values from a file, one a line"),
    ] = None,
    build_context: Annotated[
        list[str] | None,
        Option(
            "--build-context", metavar="name=value", help="Additional context: a directory, or docker-image://IMAGE"
        ),
    ] = None,
    cache_from: Annotated[
        list[str] | None,
        Option(
            "--cache-from", metavar="stringArray", help="Remote repository list to utilise as potential cache source"
        ),
    ] = None,
    cache_to: Annotated[
        list[str] | None,
        Option(
            "--cache-to", metavar="stringArray", help="Remote repository list to utilise as potential cache destination"
        ),
    ] = None,
    cache_ttl: Annotated[
        str, Option("--cache-ttl", metavar="duration", help="Only consider cached steps that are not older")
    ] = "",
    cpp_flag: Annotated[
        list[str] | None,
        Option("--cpp-flag", metavar="stringArray", help="Set additional flag to pass to C preprocessor (cpp)"),
    ] = None,
    env: Annotated[
        list[str] | None, Option("--env", metavar="key=value", help="Set environment variable for the image")
    ] = None,
    force_rm: Annotated[
        bool, Option("--force-rm", help="Always remove intermediate containers after a build: they always are")
    ] = True,
    format: Annotated[
        str, Option("--format", metavar="format", help="Format of the image's manifest and metadata (oci, docker)")
    ] = "",
    from_image: Annotated[
        str, Option("--from", metavar="string", help="Image name used to replace the value in the first FROM")
    ] = "",
    ignorefile: Annotated[
        str, Option("--ignorefile", metavar="string", help="Path to an alternate .containerignore file")
    ] = "",
    jobs: Annotated[
        int, Option("--jobs", metavar="int", min=0, help="How many stages to run in parallel (0: all that can)")
    ] = 0,
    label: Annotated[list[str] | None, Option("--label", metavar="key=value", help="Set metadata for an image")] = None,
    layers: Annotated[bool, Option("--layers", help="Use intermediate layers during build")] = True,
    manifest: Annotated[
        str, Option("--manifest", metavar="string", help="Add the image to the specified manifest list")
    ] = "",
    network: Annotated[
        str, Option("--network", "--net", metavar="string", help="The network of RUN instructions (none, host, NAME)")
    ] = "",
    no_cache: Annotated[bool, Option("--no-cache", help="Do not use existing cached steps")] = False,
    os_feature: Annotated[
        list[str] | None, Option("--os-feature", metavar="feature", help="Set required OS feature for the target image")
    ] = None,
    os_version: Annotated[
        str, Option("--os-version", metavar="version", help="Set required OS version for the target image")
    ] = "",
    progress: Annotated[
        str, Option("--progress", metavar="type", help="How to show progress (auto, plain, tty, quiet)")
    ] = "auto",
    pull: Annotated[
        str, Option("--pull", metavar="policy", help='Pull image policy ("always"|"missing"|"never"|"newer")')
    ] = "missing",
    rm: Annotated[bool, Option("--rm", help="Remove intermediate containers after a build: they always are")] = True,
    secret: Annotated[
        list[str] | None,
        Option("--secret", metavar="stringArray", help="Secret to pass to the build: id=ID,src=FILE or id=ID,env=NAME"),
    ] = None,
    ssh: Annotated[
        list[str] | None,
        Option("--ssh", metavar="stringArray", help="SSH agent socket to expose to the build: default or ID=SOCKET"),
    ] = None,
    squash: Annotated[bool, Option("--squash", help="Squash all new layers into a single one")] = False,
    squash_all: Annotated[bool, Option("--squash-all", help="Squash all layers into a single one")] = False,
    tag: Annotated[
        list[str] | None, Option("--tag", "-t", metavar="name", help="Tagged name to apply to the built image")
    ] = None,
    target_stage: Annotated[str, Option("--target", metavar="string", help="Set the target build stage to build")] = "",
    unsetenv: Annotated[
        list[str] | None, Option("--unsetenv", metavar="name", help="Unset environment variable of the image")
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    target.annotations, target.arguments, target.labels = annotation or [], build_arg or [], label or []
    target.cpp_flags = cpp_flag or []
    target.argument_files, target.contexts, target.cache_ttl = build_arg_file or [], build_context or [], cache_ttl
    target.environment, target.no_environment = env or [], unsetenv or []
    target.format, target.base, target.ignorefile = format, from_image, ignorefile
    target.jobs, target.layers, target.network, target.cache = jobs, layers, network, not no_cache
    target.progress = progress
    target.pull, target.squash, target.squash_all = pull, squash, squash_all
    target.secrets, target.agents = secret or [], ssh or []
    target.names, target.target = tag or [], target_stage
    target.all_platforms, target.manifest = all_platforms, manifest
    target.os_version, target.os_features = os_version, os_feature or []
    target.cache_from, target.cache_to = cache_from or [], cache_to or []
