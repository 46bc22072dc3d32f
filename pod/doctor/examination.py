"""All checks, in the order in which they are told."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from pod.doctor import identities, machine, networks
from pod.doctor.finding import Finding, Patient

if TYPE_CHECKING:
    from pod.config import Config


def examine(config: Config) -> list[Finding]:
    """Look at machine and user; changes nothing, and needs no privileges."""
    patient = Patient(config.uid, _name(config), config.rootless, config.graphroot, config.runroot)
    return [
        machine.kernel(),
        identities.user_namespaces(patient),
        *identities.subordinate_ids(patient),
        *identities.mapping_programs(patient),
        machine.overlay(patient),
        *machine.graphroot(patient),
        machine.cgroups(patient),
        machine.seccomp(),
        identities.runtime_directory(patient),
        *identities.session(patient),
        machine.open_files(),
        *machine.programs(patient),
        *networks.firewall(patient),
        machine.clock(),
    ]


def _name(config: Config) -> str:
    try:
        return pwd.getpwuid(config.uid).pw_name
    except KeyError:
        return config.user or os.environ.get("USER", "") or str(config.uid)
