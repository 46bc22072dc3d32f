"""`pod volume reload`."""

from __future__ import annotations


def main() -> None:
    """Reload all volumes from volume plugins."""
    print("no volume plugins are configured: nothing to reload")
