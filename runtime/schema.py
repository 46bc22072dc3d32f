"""What a configuration may be (runtime-spec 1.3, config.md and config-linux.md): every field that this runtime reads.

This is about each value alone; what values mean to each other is checked where they are used.
"""

from __future__ import annotations

from runtime.hooks import STAGES
from runtime.mounting.options import PROPAGATION
from runtime.namespaces import KINDS
from runtime.rlimits import NUMBERS
from runtime.shape import (
    absolute,
    check,
    flag,
    items,
    mapping,
    name,
    number,
    one_of,
    record,
    short,
    text,
    texts,
    unsupported,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.shape import Check

# 2**32 - 1 means "no change" to the kernel (CVE-2024-40635: larger ones wrap around to root).
LARGEST_ID = 2**32 - 2


def _words(prefix: str, words: str) -> Check:
    return one_of([prefix + word for word in words.split()])


_id = number(0, LARGEST_ID)
_int32 = number(-(2**31), 2**31 - 1)
_uint32 = number(0, 2**32 - 1)
_int64 = number(-(2**63), 2**63 - 1)
_uint64 = number(0, 2**64 - 1)
# How the kernel divides the 32 bits of a device's number.
_major = number(0, 2**12 - 1)
_minor = number(0, 2**20 - 1)
# A limit is at least -1, which is none.
_amount = number(-1, 2**63 - 1)

_user = record({"uid": _id, "gid": _id, "umask": number(0, 0o7777), "additionalGids": items(_id), "username": text})
_scheduler = record(
    {
        "policy": _words("SCHED_", "OTHER FIFO RR BATCH ISO IDLE DEADLINE"),
        "nice": number(-20, 19),
        "priority": number(0, 99),
        "flags": items(
            _words(
                "SCHED_FLAG_",
                "RESET_ON_FORK RECLAIM DL_OVERRUN KEEP_POLICY KEEP_PARAMS UTIL_CLAMP_MIN UTIL_CLAMP_MAX",
            )
        ),
        "runtime": _uint64,
        "deadline": _uint64,
        "period": _uint64,
    },
    ("policy",),
)
_process = record(
    {
        "args": texts,
        "cwd": text,
        "env": texts,
        "terminal": flag,
        "consoleSize": record(dict.fromkeys(("height", "width"), number(0, 2**16 - 1))),
        "user": _user,
        "capabilities": record(
            dict.fromkeys(("bounding", "effective", "permitted", "inheritable", "ambient"), texts),
        ),
        "rlimits": items(
            record(
                # Go's runtimes write "unlimited" as the largest number, people as -1.
                {"type": one_of(NUMBERS), "soft": number(-1, 2**64 - 1), "hard": number(-1, 2**64 - 1)},
                ("type", "soft", "hard"),
            )
        ),
        "noNewPrivileges": flag,
        "oomScoreAdj": number(-1000, 1000),
        "apparmorProfile": text,
        "selinuxLabel": text,
        "scheduler": _scheduler,
        "ioPriority": record(
            {
                "class": _words("IOPRIO_CLASS_", "RT BE IDLE"),
                "priority": number(0, 7),
            },
            ("class",),
        ),
        "execCPUAffinity": record({"initial": text, "final": text}),
    }
)
_hook = record({"path": absolute, "args": texts, "env": texts, "timeout": number(1, 2**31 - 1)}, ("path",))
_mappings = items(
    record({"containerID": _uint32, "hostID": _uint32, "size": number(1, 2**32 - 1)}, ("containerID", "hostID", "size"))
)
_mount = record(
    {
        "destination": name,
        "type": text,
        "source": text,
        "options": texts,
        "uidMappings": _mappings,
        "gidMappings": _mappings,
    },
    ("destination",),
)
_device = record(
    {
        "path": absolute,
        "type": one_of("cubp"),
        "major": _major,
        "minor": _minor,
        "fileMode": _uint32,
        "uid": _id,
        "gid": _id,
    },
    ("path", "type"),
)
_seccomp_action = _words("SCMP_ACT_", "KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG NOTIFY")
_errno = number(0, 2**16 - 1)
_seccomp = record(
    {
        "defaultAction": _seccomp_action,
        "defaultErrnoRet": _errno,
        "architectures": items(
            _words(
                "SCMP_ARCH_",
                "X86 X86_64 X32 ARM AARCH64 LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC "
                "PPC64 PPC64LE S390 S390X SH SHEB PARISC PARISC64 RISCV64",
            )
        ),
        "flags": items(_words("SECCOMP_FILTER_FLAG_", "TSYNC LOG SPEC_ALLOW NEW_LISTENER WAIT_KILLABLE_RECV")),
        "listenerPath": text,
        "listenerMetadata": text,
        "syscalls": items(
            record(
                {
                    "names": texts,
                    "action": _seccomp_action,
                    "errnoRet": _errno,
                    "args": items(
                        record(
                            {
                                "index": number(0, 5),
                                "value": _uint64,
                                "valueTwo": _uint64,
                                "op": _words("SCMP_CMP_", "NE LT LE EQ GE GT MASKED_EQ"),
                            },
                            ("index", "value", "op"),
                        )
                    ),
                },
                ("names", "action"),
            )
        ),
    },
    ("defaultAction",),
)

# Zero is none here: callers in Go write it for what was not asked for.
_weight = number(0, 1000)
_block_device: dict[str, Any] = {"major": _major, "minor": _minor}
_rates = items(record({**_block_device, "rate": _uint64}, ("major", "minor")))
_resources = record(
    {
        "devices": items(
            record(
                {
                    "allow": flag,
                    "type": one_of(("", *"abcu")),
                    "major": number(-1, 2**31 - 1),
                    "minor": number(-1, 2**31 - 1),
                    "access": text,
                },
                ("allow",),
            )
        ),
        "memory": record(
            {
                **dict.fromkeys(("limit", "reservation", "swap", "kernel", "kernelTCP"), _amount),
                "swappiness": number(0, 200),
                **dict.fromkeys(("disableOOMKiller", "useHierarchy", "checkBeforeUpdate"), flag),
            }
        ),
        "cpu": record(
            {
                **dict.fromkeys(("shares", "period", "burst", "realtimePeriod"), _uint64),
                **dict.fromkeys(("quota", "realtimeRuntime"), _amount),
                "idle": number(0, 1),
                **dict.fromkeys(("cpus", "mems"), text),
            }
        ),
        "pids": record({"limit": _int64}),
        "blockIO": record(
            {
                "weight": _weight,
                "leafWeight": _weight,
                "weightDevice": items(
                    record({**_block_device, "weight": _weight, "leafWeight": _weight}, ("major", "minor"))
                ),
                "throttleReadBpsDevice": _rates,
                "throttleWriteBpsDevice": _rates,
                "throttleReadIOPSDevice": _rates,
                "throttleWriteIOPSDevice": _rates,
            }
        ),
        "hugepageLimits": items(record({"pageSize": name, "limit": _uint64}, ("pageSize", "limit"))),
        "network": record(
            {
                "classID": _uint32,
                "priorities": items(record({"name": name, "priority": _uint32}, ("name", "priority"))),
            }
        ),
        "rdma": mapping(record({"hcaHandles": _uint32, "hcaObjects": _uint32})),
        "unified": mapping(text),
    }
)
_memory_policy = record(
    {
        "mode": _words("MPOL_", "DEFAULT BIND INTERLEAVE WEIGHTED_INTERLEAVE PREFERRED PREFERRED_MANY LOCAL"),
        "nodes": text,
        "flags": items(_words("MPOL_F_", "NUMA_BALANCING RELATIVE_NODES STATIC_NODES")),
    },
    ("mode",),
)
_offset = record({"secs": _int64, "nanosecs": number(0, 999_999_999)})
_linux = record(
    {
        "namespaces": items(record({"type": one_of(KINDS), "path": text}, ("type",))),
        "uidMappings": _mappings,
        "gidMappings": _mappings,
        "timeOffsets": mapping(_offset),
        "devices": items(_device),
        "netDevices": mapping(record({"name": text})),
        "cgroupsPath": text,
        "resources": _resources,
        "rootfsPropagation": one_of(("", *PROPAGATION, *map("r".__add__, PROPAGATION))),
        "maskedPaths": texts,
        "readonlyPaths": texts,
        "mountLabel": text,
        "seccomp": _seccomp,
        "sysctl": mapping(text),
        "memoryPolicy": _memory_policy,
        "personality": record({"domain": one_of(("LINUX", "LINUX32")), "flags": texts}, ("domain",)),
        "intelRdt": unsupported("this runtime does not use Intel's Resource Director Technology"),
    }
)
_elsewhere = unsupported("this is a runtime for Linux containers")
_document = record(
    {
        "ociVersion": text,
        "root": record({"path": name, "readonly": flag}, ("path",)),
        "process": _process,
        # __NEW_UTS_LEN
        "hostname": short(64),
        "domainname": short(64),
        "mounts": items(_mount),
        "hooks": record(dict.fromkeys(STAGES, items(_hook))),
        "annotations": mapping(text),
        "linux": _linux,
        "vm": unsupported("this runtime starts no virtual machines"),
        **dict.fromkeys(("solaris", "windows", "zos", "freebsd"), _elsewhere),
    },
    ("ociVersion", "root"),
)


def check_document(document: Any) -> None:
    """Check the fields of a whole config.json; SpecError."""
    check(_document, document)


def check_process(document: Any) -> None:
    """Check the fields of a process, as `exec` gets it; SpecError."""
    check(_process, document, "process")


def check_resources(document: Any) -> None:
    """Check the fields of what `update` gets; SpecError."""
    check(_resources, document, "linux.resources")
