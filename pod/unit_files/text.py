"""The text of a unit: sections, lines, words in quotes. Pure.

Lines and their order are podman's (podman-generate-systemd(1)).
"""

from __future__ import annotations

from pod.quadlet.quoting import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Wishes:
    """What the command line asks for; None: what the container itself says."""

    def __init__(self) -> None:
        self.new = False
        self.by_name = False
        self.template = False
        self.restart_policy: str | None = None
        self.restart_sec: int | None = None
        self.start_timeout: int | None = None
        self.stop_timeout: int | None = None
        self.container_prefix = "container"
        self.pod_prefix = "pod"
        self.separator = "-"
        self.wants: list[str] = []
        self.after: list[str] = []
        self.requires: list[str] = []
        self.env: list[str] = []
        self.header = ""  # the lines of comment below the first one

    def service_name(self, prefix: str, name: str) -> str:
        """Return the name of a unit, without its ending."""
        return f"{prefix}{self.separator}{name}" if prefix else name


class Unit:
    """A service; commands are lists of words as systemd reads them, escaped already where they come from users."""

    def __init__(self, name: str) -> None:
        self.name = name  # without `.service`
        self.is_template = False
        self.mounts = ""
        self.bound_to: list[str] = []  # services without which it does not run
        self.members: list[str] = []  # services that are started with it, after it
        self.env: list[str] = []
        self.restart = "on-failure"
        self.burst = ""
        self.stop_timeout = 0
        self.before_start: list[list[str]] = []
        self.start: list[str] = []
        self.stop: list[str] = []
        self.after_stop: list[str] = []
        self.pid_file = ""
        self.kind = "forking"

    @property
    def file_name(self) -> str:
        """The name of its file, without the ending."""
        return f"{self.name}@" if self.is_template else self.name


def escape(word: str) -> str:
    """Return a user's word as it may stand in a command line of a unit: nothing in it is a variable or a specifier."""
    return quote(word.replace("%", "%%").replace("$", "$$"))


def render(unit: Unit, wishes: Wishes) -> str:
    """Return the text of a unit's file."""
    sections = (_first(unit, wishes), _service(unit, wishes), ["[Install]", "WantedBy=default.target"])
    return "\n".join([*_header(unit, wishes), *("\n".join(lines) + "\n" for lines in sections)])


def _header(unit: Unit, wishes: Wishes) -> Iterable[str]:
    return [f"# {unit.file_name}.service", *wishes.header.splitlines(), ""]


def _first(unit: Unit, wishes: Wishes) -> list[str]:
    lines = [
        "[Unit]",
        f"Description=Podman {unit.name}.service" + (" for %I" if unit.is_template else ""),
        "Documentation=man:podman-generate-systemd(1)",
        "Wants=network-online.target",
        "After=network-online.target",
        f"RequiresMountsFor={unit.mounts}",
    ]
    for keys, names in ((("BindsTo", "After"), unit.bound_to), (("Wants", "Before"), unit.members)):
        lines += [f"{key}={' '.join(f'{name}.service' for name in names)}" for key in keys if names]
    said = {"Wants": wishes.wants, "After": wishes.after, "Requires": wishes.requires}
    if any(said.values()):
        lines += ["", "# User-defined dependencies"]
    return lines + [f"{key}={' '.join(names)}" for key, names in said.items() if names]


def _service(unit: Unit, wishes: Wishes) -> list[str]:
    lines = ["[Service]", "Environment=PODMAN_SYSTEMD_UNIT=%n" + ("-%i" if unit.is_template else "")]
    # A dollar is one here, unlike in command lines: systemd.exec(5).
    lines += [f"Environment={' '.join(quote(item.replace('%', '%%')) for item in unit.env)}"] if unit.env else []
    lines += [f"Environment={quote(item.replace('%', '%%'))}" for item in wishes.env]
    lines.append(f"Restart={wishes.restart_policy or unit.restart}")
    lines += [f"RestartSec={wishes.restart_sec}"] if wishes.restart_sec else []
    lines += [f"StartLimitBurst={unit.burst}"] if unit.burst else []
    lines += [f"TimeoutStartSec={wishes.start_timeout}"] if wishes.start_timeout else []
    lines.append(f"TimeoutStopSec={unit.stop_timeout}")
    lines += [f"ExecStartPre={_folded(words)}" for words in unit.before_start]
    commands = (("ExecStart", unit.start), ("ExecStop", unit.stop), ("ExecStopPost", unit.after_stop))
    lines += [f"{key}={_folded(words)}" for key, words in commands]
    lines += [f"PIDFile={unit.pid_file}"] if unit.pid_file else []
    lines.append(f"Type={unit.kind}")
    return lines + (["NotifyAccess=all"] if unit.kind == "notify" else [])


def _folded(words: list[str]) -> str:
    """Return a command with each flag on a line of its own."""
    return words[0] + "".join(f" \\\n\t{word}" if word.startswith("-") else f" {word}" for word in words[1:])
