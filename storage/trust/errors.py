"""The errors of trust."""

from __future__ import annotations

from storage.errors import StorageError


class PolicyError(StorageError):
    """What says whom to trust (policy.json, registries.d) cannot be read or understood: nothing is let in."""


class RejectedError(StorageError):
    """The policy does not let an image in, or a signature does not count; the message says why."""
