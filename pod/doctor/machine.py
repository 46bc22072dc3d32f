"""Checks of the machine: kernel, control groups, overlay, file systems, programs, limits, clock."""

from __future__ import annotations

import os
import platform
import resource
import tempfile
import time

from pod import delegation, host
from pod.doctor.finding import FAIL, OK, WARN, Finding, Patient, find_program, install, read
from pod.networks.choice import TUN, tun_mend

NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs", "ceph", "lustre", "gpfs", "fuse")
WANTED_CONTROLLERS = ("cpu", "memory", "pids")
LEAST_FILES = 1024
LEAST_SPACE = 1 << 30
LEAST_KERNEL = (5, 11)  # overlay in user namespaces
DELEGATE = (
    "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n'"
    " | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload"
)


def kernel() -> Finding:
    """Check the kernel's version."""
    release = os.uname().release
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    if numbers < LEAST_KERNEL:
        return Finding("kernel", FAIL, f"{release}; pod needs 5.11 or later", "update the system's kernel")
    return Finding("kernel", OK, f"{release}, Python {platform.python_version()}")


def cgroups(patient: Patient) -> Finding:
    """Check which limits can be set."""
    name = "control groups"
    version = host.cgroup_version()
    if version == "v1":
        if patient.rootless:
            message = "v1: ordinary users can set no limits (--memory, --cpus, --pids-limit)"
            return Finding(
                name,
                WARN,
                message,
                "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line, and boot again",
            )
        return Finding(name, OK, f"v1 with {', '.join(host.cgroup_controllers())}")
    controllers = _delegated(patient)
    missing = [one for one in WANTED_CONTROLLERS if one not in controllers]
    if missing and patient.rootless:
        return Finding(name, WARN, f"v2, but {', '.join(missing)} not delegated to {patient.user}", DELEGATE)
    if missing:
        return Finding(name, WARN, f"v2 without {', '.join(missing)}", "boot with cgroup_enable=memory")
    return Finding(name, OK, f"v2 with {', '.join(controllers)}")


def _delegated(patient: Patient) -> list[str]:
    if not patient.rootless:
        return read("/sys/fs/cgroup/cgroup.controllers").split()
    service = f"/sys/fs/cgroup/user.slice/user-{patient.uid}.slice/user@{patient.uid}.service"
    found = read(f"{service}/cgroup.controllers").split()
    own = delegation.rootless_cgroup()
    return found or (read(f"{own}/cgroup.controllers").split() if own else [])


def overlay(patient: Patient) -> Finding:
    """Mount an overlay where images are kept, as a container's start does, in namespaces that are gone at once."""
    place = _existing(patient.graphroot)
    if not os.access(place, os.W_OK):
        return Finding(
            "overlay",
            FAIL,
            f"{place} cannot be written by {patient.user}",
            f"sudo mkdir -p {patient.graphroot} && sudo chown {patient.user} {patient.graphroot}",
        )
    with tempfile.TemporaryDirectory(prefix=".pod-doctor-", dir=place) as directory:
        cause = _try_overlay(directory, rootless=patient.rootless)
    if cause:
        where = "in a user namespace " if patient.rootless else ""
        fix = "choose a directory on ext4, xfs or btrfs: pod --root DIR, or graphroot in storage.conf"
        return Finding("overlay", FAIL, f"cannot be mounted {where}on {place}: {cause}", fix)
    return Finding("overlay", OK, f"can be mounted on {host.backing_filesystem(place)}")


def _try_overlay(directory: str, *, rootless: bool) -> str:
    """Return why it does not work, empty if it does."""
    from runtime.syscalls import mount, unshare

    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"{directory}/{name}")
    reader, writer = os.pipe()
    uid, gid = os.getuid(), os.getgid()
    child = os.fork()
    if child == 0:
        try:
            unshare(0x00020000 | (0x10000000 if rootless else 0))  # CLONE_NEWNS, CLONE_NEWUSER
            if rootless:
                for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
                    with open(f"/proc/self/{name}", "w") as file:
                        file.write(text)
            mount("none", "/", None, 0x44000)  # MS_REC | MS_PRIVATE
            options = f"lowerdir={directory}/lower,upperdir={directory}/upper,workdir={directory}/work"
            mount("overlay", f"{directory}/merged", "overlay", 0, options + (",userxattr" if rootless else ""))
            with open(f"{directory}/merged/file", "w") as file:
                file.write("x")
        except BaseException as error:
            os.write(writer, (getattr(error, "strerror", None) or str(error)).lower().encode()[:200])
            os._exit(1)
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as pipe:
        cause = pipe.read()
    return cause if os.waitpid(child, 0)[1] else ""


def _existing(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def graphroot(patient: Patient) -> list[Finding]:
    """Check the file system of images and containers, and its free space."""
    kind = host.backing_filesystem(patient.graphroot)
    found = []
    if kind in NETWORK_FILE_SYSTEMS:
        message = f"{patient.graphroot} is on {kind}, which keeps neither owners nor attributes of images"
        found.append(Finding("graphroot", FAIL, message, f"pod --root /var/tmp/{patient.user}-pod, or set graphroot"))
    else:
        found.append(Finding("graphroot", OK, f"{patient.graphroot} ({kind})"))
    status = os.statvfs(_existing(patient.graphroot))
    free = status.f_bavail * status.f_frsize
    told = f"{free / 1e9:.1f} GB free"
    if free < LEAST_SPACE or (status.f_files and not status.f_favail):
        found.append(Finding("disk", WARN, told, "pod system prune"))
    else:
        found.append(Finding("disk", OK, told))
    return found


def programs(patient: Patient) -> list[Finding]:
    """Check the programs that some containers need."""
    # Without nft root's containers do not start, unless they say --network none or host.
    nft = _program("nft", "nftables", "no networks of containers, and no published ports on them")
    if nft.status == WARN and not patient.rootless:
        nft = Finding(nft.name, FAIL, nft.message, nft.fix)
    return [nft, pasta(), _program("criu", "criu", "no checkpoint and restore")]


def _program(name: str, package: str, use: str) -> Finding:
    path = find_program(name)
    return Finding(name, OK, path) if path else Finding(name, WARN, f"not installed: {use}", install(package))


def pasta() -> Finding:
    """Check the program that connects containers of ordinary users, its age, and the device that it needs."""
    from pod.networks.pasta import maps_host

    found = _program("pasta", "passt", "no network for containers of ordinary users")
    if found.status == OK and not os.access(TUN, os.R_OK | os.W_OK):
        return Finding("pasta", WARN, f"{TUN} is missing, or not for everybody", tun_mend(TUN))
    if found.status == OK and not maps_host(found.message):
        # Seen with that of Debian 12: it leaves such a server waiting for the end of the handshake.
        message = (
            f"{found.message} is older than 2024: through a published port, servers that speak first may not answer"
        )
        return Finding("pasta", WARN, message, "get a later release of the package passt")
    return found


def open_files() -> Finding:
    """Check the limit of open files, which containers inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    told = f"{soft} (at most {'any number' if hard == resource.RLIM_INFINITY else hard})"
    if soft < LEAST_FILES and hard != resource.RLIM_INFINITY and hard < LEAST_FILES:
        line = "printf '* hard nofile 524288\\n' | sudo tee /etc/security/limits.d/nofile.conf  # and log in again"
        return Finding("open files", WARN, told, line)
    if soft < LEAST_FILES:
        return Finding("open files", WARN, told, f"ulimit -n {LEAST_FILES}")
    return Finding("open files", OK, told)


def seccomp() -> Finding:
    """Check that the kernel can filter system calls."""
    if "Seccomp:" in read("/proc/self/status"):
        return Finding("seccomp", OK, "available")
    return Finding("seccomp", FAIL, "the kernel has none", "use a kernel with CONFIG_SECCOMP_FILTER")


def clock() -> Finding:
    """Check that the clock is not before this program was installed: registries' certificates would be refused."""
    told = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    if time.time() < os.stat(__file__).st_mtime - 86400:
        return Finding("clock", FAIL, f"{told} is in the past", "sudo timedatectl set-ntp true")
    return Finding("clock", OK, told)
