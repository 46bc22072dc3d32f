"""What the options before the command say (`pod --root DIR …`), for the engine to read.

None means: not said, so the configuration or the default decides.
"""

from __future__ import annotations


class Settings:
    """The global options of one command line."""

    __slots__ = (
        "cdi_spec_dir",
        "cgroup_manager",
        "config",
        "conmon",
        "events_backend",
        "hooks_dir",
        "log_level",
        "network_config_dir",
        "registries_conf",
        "root",
        "runroot",
        "runtime",
        "runtime_flag",
        "storage_driver",
        "storage_opt",
        "syslog",
        "tmpdir",
        "transient_store",
        "volumepath",
    )

    def __init__(self) -> None:
        self.root: str | None = None
        self.runroot: str | None = None
        self.log_level: str | None = None
        self.runtime: str | None = None
        self.runtime_flag: list[str] | None = None
        self.cdi_spec_dir: list[str] | None = None
        self.cgroup_manager: str | None = None
        self.tmpdir: str | None = None
        self.conmon: str | None = None
        self.config: str | None = None
        self.events_backend: str | None = None
        self.hooks_dir: list[str] | None = None
        self.network_config_dir: str | None = None
        self.registries_conf: str | None = None
        self.storage_driver: str | None = None
        self.storage_opt: list[str] | None = None
        self.syslog: bool | None = None
        self.transient_store: bool | None = None
        self.volumepath: str | None = None

    @property
    def debug(self) -> bool:
        """Whether tracebacks are wanted."""
        return self.log_level in ("debug", "trace")


current = Settings()
