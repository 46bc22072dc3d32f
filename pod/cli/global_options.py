"""The options before the command, declared as any command's are."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

# What only podman's remote client knows, and what pod does not do; each is refused by its name.
REMOTE = (
    "connection",
    "context",
    "host",
    "identity",
    "remote",
    "ssh",
    "tls_ca",
    "tls_cert",
    "tls_details",
    "tls_key",
    "url",
)
UNSUPPORTED = {
    "imagestore": "a container and its image are in one store, which --root puts elsewhere; images of further stores "
    "can be read: --storage-opt imagestore=DIR",
    "module": "put the settings into containers.conf, or name a file in CONTAINERS_CONF_OVERRIDE",
}
# What is done at once, or has no effect; the rest is for the engine to read (pod.settings).
DONE = frozenset(
    (
        *REMOTE,
        *UNSUPPORTED,
        "debug",
        "help",
        "max_workers",
        "network_backend",
        "noout",
        "out",
        "trace",
        "version",
    )
)
LOG_LEVELS = ("trace", "debug", "info", "warn", "warning", "error", "fatal", "panic")


def main(
    cdi_spec_dir: Annotated[
        list[str] | None, Option("--cdi-spec-dir", metavar="stringArray", help="Set the CDI spec directory path")
    ] = None,
    cgroup_manager: Annotated[
        str | None, Option("--cgroup-manager", metavar="string", help='Cgroup manager to use ("cgroupfs"|"systemd")')
    ] = None,
    conmon: Annotated[str | None, Option("--conmon", hidden=True, help="Accepted, without effect")] = None,
    config: Annotated[
        str | None, Option("--config", metavar="string", help="Location of authentication config file")
    ] = None,
    events_backend: Annotated[
        str | None,
        Option("--events-backend", metavar="string", help='Events backend to use ("file"|"journald"|"none")'),
    ] = None,
    help: Annotated[bool, Option("--help", "-h", help="Help for pod")] = False,
    hooks_dir: Annotated[
        list[str] | None, Option("--hooks-dir", metavar="stringArray", help="Set the OCI hooks directory path")
    ] = None,
    log_level: Annotated[
        str | None,
        Option(
            "--log-level",
            metavar="string",
            help="Log messages above specified level (trace, debug, info, warn, warning, error, fatal, panic)",
        ),
    ] = None,
    network_config_dir: Annotated[
        str | None, Option("--network-config-dir", metavar="string", help="Path of the configuration directory")
    ] = None,
    root: Annotated[
        str | None, Option("--root", metavar="string", help="Path to the root directory in which data is stored")
    ] = None,
    runroot: Annotated[
        str | None,
        Option("--runroot", metavar="string", help="Path to the 'run directory' where all state information is stored"),
    ] = None,
    runtime: Annotated[
        str | None,
        Option("--runtime", metavar="string", help="OCI runtime of new containers: runc, crun, or a program's path"),
    ] = None,
    runtime_flag: Annotated[
        list[str] | None,
        Option("--runtime-flag", metavar="stringArray", help="Add global flags for the container runtime"),
    ] = None,
    storage_driver: Annotated[
        str | None, Option("--storage-driver", metavar="string", help="Select which storage driver is used (overlay)")
    ] = None,
    storage_opt: Annotated[
        list[str] | None,
        Option("--storage-opt", metavar="stringArray", help="Used to pass an option to the storage driver"),
    ] = None,
    syslog: Annotated[bool, Option("--syslog", hidden=True, help="Accepted, without effect")] = False,
    tmpdir: Annotated[
        str | None, Option("--tmpdir", metavar="string", help="Path to the tmp directory for state content")
    ] = None,
    transient_store: Annotated[bool, Option("--transient-store", hidden=True, help="Accepted, without effect")] = False,
    connection: Annotated[str | None, Option("--connection", "-c", hidden=True, help="Refused")] = None,
    context: Annotated[str | None, Option("--context", hidden=True, help="Refused")] = None,
    host: Annotated[str | None, Option("--host", "-H", hidden=True, help="Refused")] = None,
    identity: Annotated[str | None, Option("--identity", hidden=True, help="Refused")] = None,
    imagestore: Annotated[str | None, Option("--imagestore", hidden=True, help="Refused")] = None,
    module: Annotated[str | None, Option("--module", hidden=True, help="Refused")] = None,
    remote: Annotated[bool, Option("--remote", "-r", hidden=True, help="Refused")] = False,
    ssh: Annotated[str | None, Option("--ssh", hidden=True, help="Refused")] = None,
    tls_ca: Annotated[str | None, Option("--tls-ca", hidden=True, help="Refused")] = None,
    tls_cert: Annotated[str | None, Option("--tls-cert", hidden=True, help="Refused")] = None,
    tls_details: Annotated[str | None, Option("--tls-details", hidden=True, help="Refused")] = None,
    tls_key: Annotated[str | None, Option("--tls-key", hidden=True, help="Refused")] = None,
    url: Annotated[str | None, Option("--url", hidden=True, help="Refused")] = None,
    debug: Annotated[bool, Option("--debug", "-D", hidden=True, help="As --log-level debug")] = False,
    max_workers: Annotated[int | None, Option("--max-workers", hidden=True, help="Accepted, without effect")] = None,
    network_backend: Annotated[
        str | None, Option("--network-backend", hidden=True, help="Accepted, without effect")
    ] = None,
    noout: Annotated[bool, Option("--noout", hidden=True, help="Do not output to stdout")] = False,
    out: Annotated[
        str | None, Option("--out", metavar="string", help="Send output (stdout) from pod to a file")
    ] = None,
    registries_conf: Annotated[
        str | None,
        Option("--registries-conf", metavar="string", hidden=True, help="Path to a registries.conf to read instead"),
    ] = None,
    trace: Annotated[bool, Option("--trace", hidden=True, help="Accepted, without effect")] = False,
    version: Annotated[bool, Option("--version", "-v", help="Version for pod")] = False,
    volumepath: Annotated[
        str | None,
        Option("--volumepath", metavar="string", help="Path to the volume directory in which volume data is stored"),
    ] = None,
) -> None:
    """Manage containers and images."""


def apply(values: dict[str, Any]) -> None:
    """Put what was said into the settings; raise PodError on what cannot be."""
    from pod.errors import PodError
    from pod.settings import current

    for name in (*REMOTE, *UNSUPPORTED):
        if values.get(name):
            flag = f"--{name.replace('_', '-')}"
            if name in REMOTE:
                raise PodError(
                    f"{flag} is not supported: pod has no remote service",
                    hint="run pod on the machine itself, for example with ssh HOST pod …",
                )
            raise PodError(f"{flag} is not supported", hint=UNSUPPORTED[name])
    if values.get("debug"):
        values = {"log_level": "debug", **values}
    if values.get("out") or values.get("noout"):
        _redirect(values.get("out") or "/dev/null")
    level = values.get("log_level")
    if level is not None and level not in LOG_LEVELS:
        raise PodError(
            f'Log Level "{level}" is not supported, choose from: {", ".join(LOG_LEVELS)}',
            code=1,
        )
    if "" in (values.get("hooks_dir") or ()):
        raise PodError("empty-string hook directories are not supported: invalid argument", hint="name a directory")
    backend = values.get("events_backend")
    if backend not in (None, "", "file", "journald", "none"):
        raise PodError(
            f'configuring runtime: "{backend}" is not a valid events backend: invalid argument',
            hint="choose file, journald or none",
        )
    if backend == "journald":
        from pod import journal

        journal.require()
    driver = values.get("storage_driver")
    if driver not in (None, "", "overlay", "overlay2"):
        raise PodError(f'storage driver "{driver}" is not supported: choose overlay')
    for name, value in values.items():
        if name not in DONE:
            setattr(current, name, value)


def _redirect(path: str) -> None:
    """Let a file take what the command would print."""
    import posix

    from pod.errors import PodError

    try:
        descriptor = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o666)
    except OSError as error:
        raise PodError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    posix.dup2(descriptor, 1)
    posix.close(descriptor)
