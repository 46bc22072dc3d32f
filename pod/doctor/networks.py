"""Checks of what containers on networks need: a firewall that lets the host pass their packets on."""

from __future__ import annotations

import subprocess

from pod.doctor.finding import OK, WARN, Finding, Patient, find_program

_NAME = "firewall"
# Docker leaves this chain to others, and sends all that is forwarded through it first.
_CHAINS = ("DOCKER-USER", "FORWARD")
_MARK = 'iifname "pod*"'
_RULES = (_MARK, 'oifname "pod*" ct state established,related', 'oifname "pod*" ct status dnat')


def firewall(patient: Patient) -> list[Finding]:
    """Check that packets of bridges can pass; only root can look, and only root's containers have the host's."""
    program = find_program("nft")
    if patient.rootless or program is None:  # that it is missing is told where programs are
        return []
    return [verdict(subprocess.run([program, "list", "table", "ip", "filter"], capture_output=True, text=True).stdout)]


def verdict(table: str) -> Finding:
    """Return what the table of iptables, as nft(8) lists it, means for containers."""
    chains = {block.split(None, 1)[0]: block for block in table.split("chain ")[1:]}
    if "policy drop" not in chains.get("FORWARD", "") or _MARK in table:
        return Finding(_NAME, OK, "lets the host pass packets on")
    chain = next(name for name in _CHAINS if name in chains)
    rules = "; ".join(f"insert rule ip filter {chain} {rule} accept" for rule in _RULES)
    message = "the chain FORWARD drops what containers send and what they are sent; Docker sets that"
    return Finding(_NAME, WARN, message, f"sudo nft '{rules}'")
