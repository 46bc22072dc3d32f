"""A container's capabilities and SELinux labels; what users say of them is in options.py."""

from __future__ import annotations

from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.configuration import ContainerConfig

# CAP_CHOWN (0) to CAP_CHECKPOINT_RESTORE (40), in the order of linux/capability.h
ALL_CAPABILITIES = (
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID "
    "CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK "
    "CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN "
    "CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE "
    "CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND "
    "CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE"
).split()
_SELINUX = "/sys/fs/selinux/enforce"


def process_label(options: list[str]) -> str:
    """Return the SELinux label of a process that label options name; empty where they or the host have none."""
    if "disable" in options or not paths.exists(_SELINUX):
        return ""
    parts = {"user": "system_u", "role": "system_r", "type": "container_t", "level": "s0"}
    parts |= dict(item.split(":", 1) for item in options if ":" in item)
    return ":".join(parts[kind] for kind in ("user", "role", "type", "level"))


def mount_label(options: list[str]) -> str:
    """Return the SELinux label of a container's files."""
    if "disable" in options or not paths.exists(_SELINUX):
        return ""
    parts = {"user": "system_u", "filetype": "container_file_t", "level": "s0"}
    parts |= dict(item.split(":", 1) for item in options if ":" in item)
    return f"{parts['user']}:object_r:{parts['filetype']}:{parts['level']}"


def capability(name: str) -> str:
    """Return the kernel's name of a capability, or ALL. Raises PodError for one that there is not."""
    upper = name.upper()
    full = upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"
    if full != "ALL" and full not in ALL_CAPABILITIES:
        raise PodError(f'"{full}": unknown capability', hint="capabilities(7) lists them")
    return full


def bounding(config: ContainerConfig, default: list[str]) -> list[str]:
    """Return the capabilities that the container may ever have."""
    security = config["security"]
    if security["privileged"]:
        chosen = set(ALL_CAPABILITIES)
    else:
        chosen = set() if "ALL" in security["cap_drop"] else set(default)
        chosen |= set(ALL_CAPABILITIES if "ALL" in security["cap_add"] else security["cap_add"])
    chosen -= set(security["cap_drop"])
    return [name for name in ALL_CAPABILITIES if name in chosen]


def capabilities(allowed: list[str], added: list[str], *, uid: int) -> dict[str, list[str]]:
    """Return the five sets; a user other than root gets only what was added for it, and may keep that."""
    if uid == 0:
        return {"bounding": allowed, "effective": allowed, "permitted": allowed, "inheritable": [], "ambient": []}
    held = [name for name in allowed if name in added]
    return {"bounding": allowed, "effective": held, "permitted": held, "inheritable": held, "ambient": held}
