"""The options before the command, declared as any command's are."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

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
        list[str] | None, Option("--hooks-dir", metavar="strings", help="Set the OCI hooks directory path")
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

    level = values.get("log_level")
    if level is not None and level not in LOG_LEVELS:
        raise PodError(
            f'Log Level "{level}" is not supported, choose from: {", ".join(LOG_LEVELS)}',
            code=1,
        )
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
        if name not in ("help", "version"):
            setattr(current, name, value)
