"""`pod system renumber` and `pod system migrate`: podman's remedies for what cannot happen here."""

from __future__ import annotations


def main() -> None:
    """Nothing to do: pod has no lock numbers, and no namespace that a version must be migrated to."""
    from pod.cli.output import write

    write("nothing to do: pod keeps no numbered locks and no namespaces across its commands\n")
