"""What is done to the sources of a container's mounts before the runtime takes them; runs in its monitor.

Volumes that are mounts, overlays over volumes, images, paths below volumes, secrets: each becomes a mount or a file
below RUNROOT/mounts, where the monitor has a tmpfs of its own in its own mount namespace. To everybody else that
directory is empty, so whatever removes files there, or in the container's directory, never gets into what is mounted.
"""

from __future__ import annotations

import os

from pod import state
from pod.containers.rootfs.overlay import Overlay, mount_overlay, open_layers
from pod.containers.spec import document as spec
from pod.errors import PodError
from pod.foreign_mounts import is_mount
from runtime import kernel, syscalls
from storage import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.spec.surroundings import Surroundings
    from pod.engine import Engine
    from pod.state import Container, Volume


def of(engine: Engine, container: Container, surroundings: Surroundings) -> Sources | None:
    """Return what is to be done for a container, looked up before the fork; None if that is nothing."""
    config = container.config
    mounts = [mount for mount in config["mounts"] if mount["type"] == "volume" or mount.get("more")]
    mounted_secrets = [entry for entry in config["secrets"] if entry["type"] == "mount"]
    if not mounts and not mounted_secrets:
        return None
    return Sources(engine, container, surroundings, mounts, mounted_secrets)


class Sources:
    """The sources that need something done."""

    def __init__(
        self,
        engine: Engine,
        container: Container,
        surroundings: Surroundings,
        mounts: list[dict[str, Any]],
        secrets: list[dict[str, Any]],
    ) -> None:
        self.config = engine.config
        self.id = container.id
        self.surroundings = surroundings
        self.mappings = surroundings.id_mappings or ([], [])
        self.mounts = mounts
        self.secrets = secrets
        self.place = ""  # the directory of our tmpfs
        self.owner = (0, 0)
        self.volumes = {volume.name: volume for volume in _volumes(engine, mounts)}
        self.lowers = {
            mount["target"]: _image_layers(engine, mount["more"]["image"], surroundings)
            for mount in mounts
            if mount["type"] == "image"
        }

    def prepare(self, document: dict[str, Any]) -> None:
        """Do it all, and put the sources into the runtime spec, which knows the container's user by now."""
        user = document["process"]["user"]
        self.owner = spec.outside(user["uid"], self.mappings[0]), spec.outside(user["gid"], self.mappings[1])
        entries = {entry["destination"]: entry for entry in document["mounts"]}
        for mount in self.mounts:
            if mount["type"] == "volume":
                self._volume(mount, entries[mount["target"]])
        for mount in self.mounts:
            more = mount.get("more")
            if more:
                self._further(mount, more, entries[mount["target"]])
        if self.secrets:
            self._secrets(document["mounts"], set(entries))

    def _volume(self, mount: dict[str, Any], entry: dict[str, Any]) -> None:
        volume = self.volumes.get(mount["source"])
        copies = mount["copy"] and not mount.get("more", {}).get("subpath")
        mounted = False
        if volume is not None:
            from pod.volumes import driver

            mounted = driver.is_mounted_by(volume.options)
            if mounted:
                entry["source"] = f"{self._own_place()}/volumes/{volume.name}"
                os.makedirs(entry["source"], exist_ok=True)
                if not is_mount(entry["source"]):  # else of an earlier run, or at two places
                    driver.attach(self.config, volume, entry["source"], self.id)
            copies = copies and "nocopy" not in volume.options
        if copies:
            self._copy_up(mount, entry["source"], mounted=mounted)

    def _copy_up(self, mount: dict[str, Any], source: str, *, mounted: bool) -> None:
        from pod.volumes import copying

        root = os.open(self.surroundings.rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if mounted:
                copying.copy_into_mount(root, mount["target"], source)
            else:
                copying.copy_up(root, mount["target"], source, self.owner)
        finally:
            os.close(root)

    def _further(self, mount: dict[str, Any], more: dict[str, Any], entry: dict[str, Any]) -> None:
        if mount["type"] in ("tmpfs", "ramfs"):
            # The kernel that mounts it for the container takes the container's own IDs.
            inside = [self._inside(number, kind) for number, kind in zip(self.owner, (0, 1), strict=True)]
            entry["options"] = [*entry["options"], f"uid={inside[0]}", f"gid={inside[1]}"]
            return
        if mount["type"] == "image":
            entry["source"] = self._overlay(mount, self.lowers[mount["target"]], {})
        if more.get("subpath"):
            entry["source"] = self._subpath(entry["source"], more["subpath"], mount["source"])
        if more.get("chown"):
            from pod.volumes import ownership

            if mount["type"] == "bind":
                ownership.check(entry["source"], *self.owner, self.config.home)
            ownership.give(entry["source"], *self.owner)
        if "overlay" in more:
            entry["source"] = self._overlay(mount, [entry["source"]], more["overlay"])
        if "idmap" in more:
            self._idmap(more["idmap"], entry)

    def _inside(self, number: int, kind: int) -> int:
        for inside, outside, count in self.mappings[kind]:
            if outside <= number < outside + count:
                return inside + number - outside
        return number

    def _own_place(self) -> str:
        """Return the directory below which we may mount, with a tmpfs of this namespace on it."""
        if not self.place:
            self.place = f"{self.config.runroot}/mounts"
            os.makedirs(self.place, 0o700, exist_ok=True)
            if not is_mount(self.place):
                flags = kernel.MS_NOSUID | kernel.MS_NODEV
                syscalls.mount("tmpfs", self.place, "tmpfs", flags, "mode=0700")
                syscalls.mount(None, self.place, None, kernel.MS_PRIVATE)
            else:
                self._clear()
        return self.place

    def _clear(self) -> None:
        """Take away what an earlier run of the container had, but for volumes, which others may know here."""
        for name in os.listdir(self.place):
            path = f"{self.place}/{name}"
            if name == "volumes":
                continue
            try:
                syscalls.umount2(path, kernel.MNT_DETACH)
            except OSError:
                pass  # a file, or never mounted on
            (os.rmdir if os.path.isdir(path) else os.unlink)(path)

    def _new(self, *, directory: bool = True) -> str:
        """Make a new place to mount on."""
        path = f"{self._own_place()}/{os.urandom(6).hex()}"
        if directory:
            os.mkdir(path, 0o700)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return path

    def _subpath(self, source: str, path: str, name: str) -> str:
        """Mount what lies at a path of a volume: found by the kernel below it, so no link and no race leads out."""
        top = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        found = -1
        try:
            resolve = kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS | kernel.RESOLVE_NO_XDEV
            found = syscalls.openat2(top, path, os.O_PATH | os.O_CLOEXEC, resolve=resolve)
            status = os.fstat(found)
            flags = kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC | kernel.AT_EMPTY_PATH
            tree = syscalls.open_tree(found, b"", flags)
        except OSError as error:
            raise PodError(f"subpath {path} of {name}: {(error.strerror or '').lower()}") from error
        finally:
            for descriptor in (top, found):
                if descriptor >= 0:
                    os.close(descriptor)
        target = self._new(directory=(status.st_mode & 0o170000) == 0o040000)
        syscalls.move_mount(tree, b"", kernel.AT_FDCWD, target, kernel.MOVE_MOUNT_F_EMPTY_PATH)
        os.close(tree)
        return target

    def _overlay(self, mount: dict[str, Any], lowers: list[str], given: dict[str, str]) -> str:
        """Mount an overlay over a volume or an image; what is written is thrown away, unless its place is given."""
        number = self.mounts.index(mount)
        own = f"{self.config.container_dir(self.id)}/overlays/{number}"
        gc.remove_tree(own)
        for name in ("upper", "work"):
            os.makedirs(f"{own}/{name}", 0o755)
        overlay = Overlay(lowers=lowers, directory=own, rootless=self.config.rootless, volatile=False)
        overlay.target = self._new()
        if given:
            overlay.upper, overlay.work = given["upperdir"], given["workdir"]
        else:
            open_layers(overlay)
            status = os.stat(overlay.lowers[0])
            os.chown(overlay.upper, status.st_uid, status.st_gid)
            os.chmod(overlay.upper, status.st_mode & 0o7777)
        try:
            mount_overlay(overlay)
        except PodError as error:
            raise PodError(f'mounting overlay failed "{mount["source"]}": {error}', hint=error.hint) from error
        return overlay.target

    def _idmap(self, text: str, entry: dict[str, Any]) -> None:
        entry["options"] = [*entry["options"], "idmap"]
        if not text:
            return
        from pod.containers.mounts.mount import parse_idmap

        for kind, mapping in parse_idmap(text).items():
            own = self.mappings[0 if kind == "uids" else 1]
            entry[f"{kind[:-1]}Mappings"] = [
                {"containerID": first, "hostID": spec.outside(second, own) if relative else second, "size": count}
                for first, second, count, relative in mapping
            ]

    def _secrets(self, entries: list[dict[str, Any]], taken: set[str]) -> None:
        from pod import secrets

        for wanted in self.secrets:
            if wanted["target"] in taken:
                continue
            data = secrets.read_copy(self.config, self.id, wanted["id"])
            path = self._new(directory=False)
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.write(descriptor, data)
                owner = spec.outside(wanted["uid"], self.mappings[0]), spec.outside(wanted["gid"], self.mappings[1])
                os.fchown(descriptor, *owner)
                os.fchmod(descriptor, wanted["mode"])
            except OSError as error:
                raise PodError(f"secret {wanted['source']}: {(error.strerror or '').lower()}") from error
            finally:
                os.close(descriptor)
            options = ["bind", "rprivate", "nosuid", "nodev", "noexec"]
            entries.append({"destination": wanted["target"], "type": "bind", "source": path, "options": options})


def _volumes(engine: Engine, mounts: list[dict[str, Any]]) -> list[Volume]:
    """Return the volumes of the mounts that have options."""
    names = {mount["source"] for mount in mounts if mount["type"] == "volume"}
    found = [state.find_volume(engine.connection, name) for name in names]
    return [volume for volume in found if volume.options]


def _image_layers(engine: Engine, image_id: str, surroundings: Surroundings) -> list[str]:
    from storage import images, remap, rootfs

    layers = rootfs.lowers(engine.store, images.load(engine.store, image_id))
    if surroundings.id_mappings is not None:
        return remap.lowers(engine.store, layers, *surroundings.id_mappings)
    return layers
