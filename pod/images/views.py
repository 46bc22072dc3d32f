"""What is told of an image: `image inspect` and `history`, with podman's names and types."""

from __future__ import annotations

from pod.images.ancestry import Ancestry
from pod.template.values import SparseRecord, record
from runtime import jsontext
from storage import images
from storage.errors import CorruptError
from storage.rootfs import lowers
from storage.sizes import layer_sizes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from storage.images import Image
    from storage.store import Store

# The order in which the fields of an image's config are told; what an image does not say is left out.
_CONFIG_FIELDS = (
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "OnBuild",
)
_DOCKER = "application/vnd.docker."
_NO_TIME = "0001-01-01T00:00:00Z"  # Go's
# The fields of that config as a Go struct, with what each of them is where an image does not say.
_NO_CONFIG: dict[str, Any] = {
    "User": "",
    "ExposedPorts": None,
    "Env": None,
    "Entrypoint": None,
    "Cmd": None,
    "Volumes": None,
    "WorkingDir": "",
    "Labels": None,
    "StopSignal": "",
    "ArgsEscaped": False,
}


def _comment(document: dict[str, Any], media_type: str) -> str:
    """Return what a config says of itself: Docker's format has a place for that, of OCI's it is the first step's."""
    steps = document.get("history") or [{}]
    said: str | None = (document if media_type.startswith(_DOCKER) else steps[0]).get("comment")
    return said or ""


def inspect(store: Store, image: Image) -> dict[str, Any]:
    """Return what `image inspect` shows."""
    document = jsontext.loads(image.config)
    manifest = jsontext.loads(image.manifest)
    config = document.get("config") or {}
    told: dict[str, Any] = {
        "Id": image.id,
        "Digest": image.digest,
        "RepoTags": [name for name in image.names if "@" not in name],
        "RepoDigests": list(image.repo_digests),
        "Parent": Ancestry(lambda layers: images.of_layers(store, layers)).parent(image),
        "Comment": _comment(document, image.media_type),
        "Created": document.get("created"),
        "Config": {field: config[field] for field in _CONFIG_FIELDS if config.get(field)},
        "Version": document.get("docker_version") or "",
        "Author": document.get("author") or "",
        "Architecture": image.architecture,
        "Os": image.os,
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {"Name": "overlay", "Data": _layers(store, image)},
        "RootFS": {"Type": "layers", "Layers": list(image.layers)},
        "Labels": config.get("Labels") or None,
        "Annotations": manifest.get("annotations") or {},
        "ManifestType": image.media_type,
        "User": config.get("User") or "",
        "History": document.get("history"),
        "NamesHistory": list(reversed(image.names)),
    }
    if config.get("Healthcheck"):
        told["Healthcheck"] = config["Healthcheck"]
    return told


def for_template(told: dict[str, Any]) -> dict[str, Any]:
    """Return what `inspect` told with the fields that JSON leaves out where they are empty."""
    config = SparseRecord(record({**_NO_CONFIG, **told["Config"]}))
    return {"Healthcheck": None, **told, "Config": config}


def _layers(store: Store, image: Image) -> dict[str, str]:
    try:
        directories = lowers(store, image)
    except CorruptError:
        return {}  # what it is can be told, wherever its layers are: in a further store of somebody else's, say
    if not directories:
        return {}
    data = {"UpperDir": directories[0], "WorkDir": directories[0].rpartition("/")[0] + "/work"}
    return {"LowerDir": ":".join(directories[1:]), **data} if directories[1:] else data


def history(store: Store, image: Image) -> list[dict[str, Any]]:
    """Return the steps that made an image, the newest first: id, created (text), created_by, comment, size, tags."""
    steps = jsontext.loads(image.config).get("history") or []
    made_of = Ancestry(lambda layers: images.of_layers(store, layers)).ancestors(image)
    sizes = layer_sizes(store, image.id)
    result: list[dict[str, Any]] = []
    for number, step in enumerate(steps, 1):
        size = 0 if step.get("empty_layer") or not sizes else sizes.pop(0)
        result.append(
            {
                "id": made_of[number].id if number in made_of else "<missing>",
                "created": step.get("created") or _NO_TIME,
                "created_by": step.get("created_by") or "",
                "comment": step.get("comment") or "",
                "size": size,
                "tags": [],
            }
        )
    # An image may say nothing of how it came to be; its layers are there nevertheless.
    created = jsontext.loads(image.config).get("created") or _NO_TIME
    result += [
        {"id": "<missing>", "created": created, "created_by": "", "comment": "", "size": size, "tags": []}
        for size in sizes
    ]
    result.reverse()
    if result:
        result[0].update(id=image.id, tags=list(image.names))
    return result


def unix(text: str) -> float:
    """Return the seconds since 1970 of an RFC 3339 time, with up to nine digits after the second."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
