"""Which mounts a new container gets: those asked for, those of other containers, of containers.conf, of the image.

Of two for one place the first of these wins; two that were asked for are an error.
"""

from __future__ import annotations

import posix

from pod import names, state
from pod.containers.mounts.mount import Mount, parse_volume
from pod.errors import ContainerNotFoundError, NoSuchVolumeError, PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config
    from pod.containers.create import CreateOptions
    from pod.engine import Engine


def choose(engine: Engine, options: CreateOptions, image_config: dict[str, Any]) -> list[Mount]:
    """Return the mounts, each source checked as far as it can be now."""
    mounts = _asked(options.mounts)
    for further in (
        _of_containers(engine, options.volumes_from),
        _of_configuration(engine.config),
        _of_image(image_config, options.image_volume),
    ):
        taken = {mount.target for mount in mounts}
        mounts += [mount for mount in further if mount.target not in taken]
    for mount in mounts:
        if mount.type == "volume" and not mount.source:
            mount.source = names.new_id()
        _check(engine, mount)
    return mounts


def _asked(wanted: list[Mount]) -> list[Mount]:
    mounts: dict[str, Mount] = {}
    for mount in wanted:
        other = mounts.setdefault(mount.target, mount)
        if other.to_document() != mount.to_document():
            raise PodError(f"{mount.target}: duplicate mount destination")
    return list(mounts.values())


def _of_containers(engine: Engine, wanted: list[str]) -> list[Mount]:
    found: dict[str, Mount] = {}
    for text in wanted:
        name, _, said = text.partition(":")
        options = [option for option in said.split(",") if option]
        for option in options:
            if option not in ("z", "ro", "rw"):
                raise PodError(
                    f'invalid option "{option}" specified - volumes from another container can only use z,ro,rw options'
                )
        access = [option for option in options if option != "z"]
        if len(access) > 1:
            raise PodError("cannot set ro or rw options more than once")
        try:
            container = state.find_container(engine.connection, name)
        except ContainerNotFoundError as error:
            raise PodError(f'looking up container "{name}" for volumes-from: {error}') from error
        for document in container.config["mounts"]:
            mount = Mount.from_document(document)
            if access:
                mount.options = [option for option in mount.options if option not in ("ro", "rw")] + access
            # It is the other's: what was nameless there has a name now.
            found[mount.target] = mount
    return list(found.values())


def _of_configuration(config: Config) -> list[Mount]:
    found = [parse_volume(text) for text in config.containers.get("volumes", ())]
    texts = config.containers.get("mounts", ())
    if texts:
        from pod.containers.mounts.flag import parse_mount

        found += [mount for text in texts for mount in parse_mount(text)]
    return list({mount.target: mount for mount in found}.values())


def _of_image(image_config: dict[str, Any], mode: str) -> list[Mount]:
    found: dict[str, Mount] = {}
    for target in () if mode == "ignore" else image_config.get("Volumes") or ():
        path = paths.absolute(target) if target.startswith("/") else "/"
        if path != "/":
            if mode == "tmpfs":
                options = ["rprivate", "rw", "nodev", "exec", "tmpcopyup"]
                found[path] = Mount("tmpfs", "", path, options)
            else:
                found[path] = Mount("volume", "", path, [], anonymous=True)
    return list(found.values())


def _check(engine: Engine, mount: Mount) -> None:
    if mount.type == "bind":
        try:
            posix.stat(mount.source)
        except OSError as error:
            if "copy-symlink" in mount.options and paths.is_link(mount.source):
                return
            raise PodError(
                f"statfs {mount.source}: {(error.strerror or '').lower()}",
                hint="the source of a bind mount must exist on the host: create it first",
            ) from error
    elif mount.type == "image" and "image" not in mount.more:
        from storage import images
        from storage.errors import ImageNotFoundError

        try:
            mount.more["image"] = images.resolve(engine.store, mount.source).id
        except ImageNotFoundError as error:
            raise PodError(f'creating image volume "{mount.source}":"{mount.target}": {error}') from error
    elif mount.more.get("nocreate") and not state.has_volume(engine.connection, mount.source):
        raise NoSuchVolumeError(mount.source)
    _check_overlay(mount)


def _check_overlay(mount: Mount) -> None:
    overlay = mount.more.get("overlay")
    if overlay is None:
        return
    if mount.type == "bind" and not paths.is_directory(mount.source):
        raise PodError(f'mounting overlay failed "{mount.source}": not a directory')
    for path in overlay.values():
        if not paths.is_directory(path):
            raise PodError(f'mounting overlay failed "{mount.source}": chmod {path}: no such file or directory')
