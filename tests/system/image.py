"""The disk image of the test machine: a Debian with systemd and cgroup v2, built once and kept outside the repository.

`$POD_TEST_CACHE`, else /var/cache/pod-tests, holds one directory `machine-HASH`; the hash is the recipe's: this file,
`recipe/setup` and the Python packages that the project asks for. It appears in one rename, so it is whole or absent.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

SUITE = "trixie"
PYTHON = "3.13"
CACHE = os.environ.get("POD_TEST_CACHE", "/var/cache/pod-tests")
PACKAGES = (
    "systemd systemd-sysv dbus dbus-user-session libpam-systemd passt uidmap iproute2 nftables python3 procps "
    "openssh-server podman crun runc criu busybox-static catatonit kmod libseccomp2 golang-github-containers-common "
    "iperf3"
).split()
# The kernel of Debian's cloud images: small, and its modules are those that a virtual machine can use. Its package is
# unpacked only, for its scripts would spend half a minute on an initial RAM disk that is not used.
KERNEL = "linux-image-cloud-amd64"
DEVELOPMENT = ("pytest", "pexpect", "hypothesis", "cryptography")
DISK_SIZE = "12G"
UNUSED_DAYS = 14

_HERE = os.path.dirname(os.path.abspath(__file__))
_SETUP = os.path.join(_HERE, "recipe", "setup")
_PROJECT = os.path.join(os.path.dirname(os.path.dirname(_HERE)), "pyproject.toml")
_PREFIX = "machine-"


class ImageError(Exception):
    """The image is not there and cannot be made here."""


@dataclass(frozen=True)
class Image:
    """What qemu boots from, and the key by which root and alice let us in."""

    directory: str

    @property
    def disk(self) -> str:
        """An ext4 file system; to be opened as a snapshot only."""
        return os.path.join(self.directory, "disk")

    @property
    def kernel(self) -> str:
        """Debian's kernel."""
        return os.path.join(self.directory, "vmlinuz")

    @property
    def initrd(self) -> str:
        """The few drivers that the kernel needs to find the disk."""
        return os.path.join(self.directory, "initrd")

    @property
    def interpreter(self) -> list[str]:
        """The machine's Python, as a command of this system: for work that takes ten times as long in the machine."""
        tree = os.path.join(self.directory, "python")
        libraries = os.path.join(tree, "lib")
        loader = os.path.join(libraries, "ld-linux-x86-64.so.2")
        program = os.path.join(tree, "bin", f"python{PYTHON}")
        return ["env", f"PYTHONHOME={tree}", loader, "--library-path", libraries, program]

    @property
    def key(self) -> str:
        """The private key for ssh."""
        return os.path.join(self.directory, "key")


def image() -> Image:
    """Return the image, built now if the cache does not hold it; whoever comes meanwhile waits."""
    directory = os.path.join(CACHE, f"{_PREFIX}{_hash()}")
    if not os.path.isdir(directory):
        _require()
        with _lock():
            if not os.path.isdir(directory):
                _build(directory)
    try:
        os.utime(directory)  # for `_remove_unused`
    except OSError as error:
        raise ImageError(f"{directory} belongs to another user: {error.strerror}") from error
    return Image(directory)


def requirements() -> list[str]:
    """Return the Python packages of the machine: what the program depends on, and what its tests need."""
    with open(_PROJECT, "rb") as file:
        project = tomllib.load(file)["project"]
    extra = project["optional-dependencies"]
    wanted = [line for line in extra["dev"] if line.startswith(DEVELOPMENT)]
    return sorted([*project["dependencies"], *extra["fast"], *wanted])


def _hash() -> str:
    parts = ["\n".join(requirements())]
    for path in (os.path.abspath(__file__), _SETUP):
        with open(path) as file:
            parts.append(file.read())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _require() -> None:
    if os.getuid() != 0:
        raise ImageError("the disk image is made by root only")
    missing = [name for name in ("mmdebstrap", "mke2fs", "ssh-keygen") if not shutil.which(name)]
    if missing:
        raise ImageError(f"the disk image cannot be made without {', '.join(missing)}")


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "machine.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(directory: str) -> None:
    _remove_unused()
    with tempfile.TemporaryDirectory(prefix="building-machine-", dir=CACHE) as scratch:
        root, result = os.path.join(scratch, "root"), os.path.join(scratch, "result")
        os.mkdir(result)
        _install_debian(root)
        _install_python_packages(os.path.join(root, "opt/pod/site"))
        key = os.path.join(result, "key")
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "pod tests", "-f", key])
        shutil.move(f"{key}.pub", os.path.join(root, "key.pub"))
        shutil.copy(_SETUP, os.path.join(root, "tmp/setup"))
        _run(["chroot", root, "sh", "/tmp/setup"])
        os.unlink(os.path.join(root, "tmp/setup"))
        _keep_interpreter(root, os.path.join(result, "python"))
        for name in ("vmlinuz", "initrd"):
            shutil.move(os.path.join(root, "boot", name), result)
        disk = os.path.join(result, "disk")
        _run(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", root, disk, DISK_SIZE])
        os.rename(result, directory)


def _install_debian(root: str) -> None:
    # Not documentation; and no fsync, for a build that is interrupted starts over.
    options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    options += ["--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Languages "none"']
    kernel = (
        "apt-get update -q && cd /tmp && "
        f"apt-get download -q $(apt-cache depends {KERNEL} | sed -n 's/.*Depends: //p') && "
        "dpkg -x linux-image-*.deb / && rm linux-image-*.deb"
    )
    command = ["mmdebstrap", "--quiet", "--variant=minbase", *options, f"--include={','.join(PACKAGES)}"]
    _run([*command, f'--customize-hook=chroot "$1" sh -ec "{kernel.replace("$", chr(92) + "$")}"', SUITE, root])


def _install_python_packages(site: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    _run([*command, "--target", site, "--python-version", PYTHON, "--only-binary=:all:", *requirements()])


def _keep_interpreter(root: str, result: str) -> None:
    """Copy Python with the libraries that it is linked to."""
    program = f"bin/python{PYTHON}"
    for name in ("bin", "lib"):
        os.makedirs(os.path.join(result, name))
    shutil.copy(os.path.join(root, "usr", program), os.path.join(result, program))
    for path in re.findall(r"(/\S+) \(0x", _run(["chroot", root, "ldd", f"/usr/{program}"])):
        shutil.copy(os.path.join(root, path.lstrip("/")), os.path.join(result, "lib"))
    library = f"usr/lib/python{PYTHON}"
    shutil.copytree(os.path.join(root, library), os.path.join(result, f"lib/python{PYTHON}"), symlinks=True)


def _remove_unused() -> None:
    """Remove images that no session has used for a while."""
    for name in os.listdir(CACHE):
        path = os.path.join(CACHE, name)
        if (
            name.startswith(_PREFIX)
            and os.path.isdir(path)
            and os.stat(path).st_mtime < time.time() - UNUSED_DAYS * 86400
        ):
            shutil.rmtree(path, ignore_errors=True)


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise ImageError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout
