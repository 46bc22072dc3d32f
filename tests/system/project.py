"""The project in the machine: this source tree, its commands, and a file system for containers."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from tests.fixtures import images
from tests.system.image import Image
from tests.system.machine import Machine

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DIRECTORY = "/opt/pod"
PACKAGES = ("pod", "storage", "runtime", "tests")
PYTHON = "/usr/bin/python3"
IMAGE = "busybox"
# A root file system for bundles of pod-runtime; everybody may read it.
ROOTFS = "/srv/rootfs"
_ROOTFS_TAR = "/srv/rootfs.tar"


def prepare(machine: Machine, image: Image) -> None:
    """Install the project, a root file system for bundles, and an image for both users."""
    machine.run("root", "mkdir", "-p", "/etc/containers/containers.conf.d")
    install(machine, image)
    make_rootfs(machine)
    # As in the other suites: what is about networks says which one it wants.
    machine.put("/etc/containers/containers.conf.d/network.conf", b'[containers]\nnetns = "none"\n')
    for user in ("root", "alice"):
        import_image(machine, user)


def install(machine: Machine, image: Image) -> None:
    """Copy the source tree with its byte code, and write `pod` and `pod-runtime` into /usr/local/bin."""
    with tempfile.TemporaryDirectory() as scratch:
        _copy_sources(scratch)
        names = [os.path.join(scratch, package) for package in PACKAGES]
        compileall = [*image.interpreter, "-m", "compileall", "-q", "-s", scratch, "-p", DIRECTORY, *names]
        subprocess.run(compileall, check=True, stdin=subprocess.DEVNULL)
        archive = subprocess.run(
            ["tar", "-C", scratch, "--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX", "-cf", "-", "."],
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
    launcher = f"sh {DIRECTORY}/contrib/launcher {PYTHON} /usr/local/bin {DIRECTORY} {DIRECTORY}/site"
    machine.shell("root", f"tar -C {DIRECTORY} -xf -; {launcher}", input=archive, timeout=240)


def _copy_sources(target: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for name in PACKAGES:
        shutil.copytree(os.path.join(SOURCE, name), os.path.join(target, name), ignore=ignored)
    shutil.copytree(os.path.join(SOURCE, "contrib/bench"), os.path.join(target, "contrib/bench"), ignore=ignored)
    for name in ("contrib/launcher", "pyproject.toml"):
        shutil.copy2(os.path.join(SOURCE, name), os.path.join(target, name))


def make_rootfs(machine: Machine) -> None:
    """Unpack busybox and its applets, for bundles; the same is what `import_image` imports."""
    layer = images.busybox_layer().blob.read()
    machine.put(f"{_ROOTFS_TAR}.gz", layer)
    machine.shell("root", f"gunzip -f {_ROOTFS_TAR}.gz; mkdir -p {ROOTFS}; tar -C {ROOTFS} -xf {_ROOTFS_TAR}")


def import_image(machine: Machine, user: str) -> None:
    """Give `user` the image `busybox`."""
    machine.run(user, "pod", "import", "--quiet", _ROOTFS_TAR, IMAGE)
