"""What every process of a container has from its first one on: execution domain and memory policy.

`linux.personality` and `linux.memoryPolicy`, by personality(2) and set_mempolicy(2).
"""

from __future__ import annotations

from runtime import syscalls
from runtime.errors import OCIRuntimeError, SpecError
from runtime.schedule import read_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DOMAINS = {"LINUX": 0x0, "LINUX32": 0x8}
MODES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
FLAGS = {"MPOL_F_NUMA_BALANCING": 1 << 13, "MPOL_F_RELATIVE_NODES": 1 << 14, "MPOL_F_STATIC_NODES": 1 << 15}
_MOST_NODES = 1024


class Inherited:
    """What a configuration says; None is what the caller has itself."""

    __slots__ = ("memory_mode", "nodes", "personality")

    def __init__(self, linux: dict[str, Any]) -> None:
        self.personality: int | None = None
        self.memory_mode: int | None = None
        self.nodes: list[int] = []
        domain, policy = linux.get("personality"), linux.get("memoryPolicy")
        if domain:
            if domain.get("flags"):
                raise SpecError(f"linux.personality.flags has `{domain['flags'][0]}`: the specification knows none yet")
            self.personality = _DOMAINS[domain["domain"]]
        if policy:
            self.memory_mode = MODES[policy["mode"]]
            for flag in policy.get("flags") or ():
                self.memory_mode |= FLAGS[flag]
            self.nodes = read_list(policy.get("nodes") or "", "linux.memoryPolicy.nodes", _MOST_NODES)

    def apply(self) -> None:
        """Set it for this process and those to come from it."""
        try:
            if self.personality is not None:
                syscalls.personality(self.personality)
        except OSError as error:
            raise OCIRuntimeError(f"set the execution domain (linux.personality): {error.strerror}") from error
        try:
            if self.memory_mode is not None:
                syscalls.set_mempolicy(self.memory_mode, self.nodes)
        except OSError as error:
            raise OCIRuntimeError(f"set the memory policy (linux.memoryPolicy): {error.strerror}") from error
