"""Checks of what an ordinary user's containers need: user namespaces, subordinate IDs, a session."""

from __future__ import annotations

import os
import stat

from pod import rootless
from pod.doctor.finding import FAIL, OK, WARN, Finding, Patient, find_program, install, read

ENOUGH_IDS = 65536  # as many as an image's files may belong to


def subordinate_ids(patient: Patient) -> list[Finding]:
    """Check the ranges of /etc/subuid and /etc/subgid."""
    if not patient.rootless:
        return [Finding("subordinate IDs", OK, "root needs none")]
    found = []
    flags = {"/etc/subuid": "--add-subuids", "/etc/subgid": "--add-subgids"}
    for path, flag in flags.items():
        name = os.path.basename(path)
        ranges = rootless.subordinate_ids(path, patient.user, patient.uid)
        total = sum(one.count for one in ranges)
        start = _free_start(path)
        fix = f"sudo usermod {flag} {start}-{start + ENOUGH_IDS - 1} {patient.user}"
        if total >= ENOUGH_IDS:
            found.append(Finding(name, OK, f"{patient.user} has {total} in {path}"))
        elif total:
            found.append(Finding(name, WARN, f"{patient.user} has only {total} in {path}, images may need 65536", fix))
        else:
            message = f"{path} has no range for {patient.user}: containers have one ID only, and many images fail"
            found.append(Finding(name, FAIL, message, fix))
    return found


def _free_start(path: str) -> int:
    """Return the first ID after all ranges that are given away."""
    start = 100000
    for line in read(path).splitlines():
        fields = line.split(":")
        if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
            start = max(start, int(fields[1]) + int(fields[2]))
    return start


def mapping_programs(patient: Patient) -> list[Finding]:
    """Check newuidmap and newgidmap, and that they have the privilege that they are for."""
    if not patient.rootless:
        return [Finding("newuidmap", OK, "root needs none")]
    found = []
    for name in ("newuidmap", "newgidmap"):
        path = find_program(name)
        if path is None:
            found.append(Finding(name, FAIL, "not installed: subordinate IDs cannot be used", install("uidmap")))
        elif not _is_privileged(path):
            message = f"{path} has neither the setuid bit nor a file capability"
            found.append(Finding(name, FAIL, message, f"sudo chmod u+s {path}"))
        else:
            found.append(Finding(name, OK, path))
    return found


def _is_privileged(path: str) -> bool:
    status = os.stat(path)
    if status.st_mode & stat.S_ISUID and status.st_uid == 0:
        return True
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


def user_namespaces(patient: Patient) -> Finding:
    """Check that the kernel lets the user make a user namespace."""
    name = "user namespaces"
    if read("/proc/sys/user/max_user_namespaces") == "0":
        return Finding(
            name,
            FAIL if patient.rootless else WARN,
            "none are allowed",
            "sudo sysctl -w user.max_user_namespaces=28633",
        )
    if not patient.rootless:
        return Finding(name, OK, "allowed")
    if read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return Finding(
            name, FAIL, "not allowed for ordinary users", "sudo sysctl -w kernel.unprivileged_userns_clone=1"
        )
    if read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" and not _may_make():
        return Finding(
            name,
            FAIL,
            "AppArmor restricts them for ordinary users",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    if not _may_make():
        return Finding(name, FAIL, "cannot be made here (are you in a container, or under a seccomp filter?)")
    return Finding(name, OK, "allowed")


def _may_make() -> bool:
    """Try it, in a process that ends at once."""
    from runtime.syscalls import unshare

    child = os.fork()
    if child == 0:
        try:
            unshare(0x10000000 | 0x00020000)  # CLONE_NEWUSER, CLONE_NEWNS
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def runtime_directory(patient: Patient) -> Finding:
    """Check the directory of what is running."""
    name = "runtime directory"
    if not patient.rootless:
        return Finding(name, OK, patient.runroot)
    directory = os.environ.get("XDG_RUNTIME_DIR", "")
    if not directory:
        message = f"XDG_RUNTIME_DIR is not set (as under su and cron); {patient.runroot} is used"
        return Finding(name, WARN, message, f"export XDG_RUNTIME_DIR=/run/user/{patient.uid}")
    try:
        status = os.stat(directory)
    except OSError as error:
        message = f"XDG_RUNTIME_DIR={directory}: {(error.strerror or '').lower()}; {patient.runroot} is used"
        return Finding(name, WARN, message, f"log in with a session (ssh {patient.user}@localhost, machinectl shell)")
    if status.st_uid != patient.uid:
        return Finding(name, WARN, f"{directory} belongs to another user", "unset XDG_RUNTIME_DIR")
    return Finding(name, OK, directory)


def session(patient: Patient) -> list[Finding]:
    """Check systemd: a bus to ask for control groups, and whether the user's processes outlive the log-out."""
    if not os.path.isdir("/run/systemd/system"):
        return [Finding("systemd", WARN, "does not run: containers do not start at boot, and cgroups are made by hand")]
    if not patient.rootless:
        return [Finding("systemd", OK, "runs")]
    found = []
    bus = f"/run/user/{patient.uid}/bus"
    if os.environ.get("DBUS_SESSION_BUS_ADDRESS") or os.path.exists(bus):
        found.append(Finding("session bus", OK, os.environ.get("DBUS_SESSION_BUS_ADDRESS") or bus))
    else:
        found.append(
            Finding("session bus", WARN, "there is none: no limits for your containers", install("dbus-user-session"))
        )
    if os.path.exists(f"/var/lib/systemd/linger/{patient.user}"):
        found.append(Finding("linger", OK, f"{patient.user}'s containers go on after log-out"))
    else:
        message = f"{patient.user}'s containers are killed at log-out"
        found.append(Finding("linger", WARN, message, f"sudo loginctl enable-linger {patient.user}"))
    return found
