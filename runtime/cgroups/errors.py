"""What can go wrong with cgroups."""

from __future__ import annotations

from runtime.errors import OCIRuntimeError


class CgroupError(OCIRuntimeError):
    """The kernel refused an operation on a cgroup."""


class CgroupUnavailableError(CgroupError):
    """What was asked for needs a controller or a right that is not there."""
