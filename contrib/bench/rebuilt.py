"""Images that were built again: what a registry has, with one of the layers changed by one file more."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import urllib.parse
import urllib.request
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def publish(source: str, target: str, repository: str, tag: str, number: int) -> None:
    """Copy an image from one registry (HOST:PORT) to another, as :old; and with its layer `number` changed, as :new."""
    manifest = json.loads(_get(f"http://{source}/v2/{repository}/manifests/{tag}"))
    config = json.loads(_blob(source, repository, manifest["config"]["digest"]))
    for layer in (manifest["config"], *manifest["layers"]):
        _upload(target, repository, _blob(source, repository, layer["digest"]))
    _name(target, repository, "old", manifest)
    changed, config = copy.deepcopy(manifest), copy.deepcopy(config)
    layer = changed["layers"][number]
    tar = _with_file(_inflated(_blob(source, repository, layer["digest"])))
    config["rootfs"]["diff_ids"][number] = _digest(tar)
    layer |= _described(_upload(target, repository, _compressed(tar, layer["mediaType"])))
    changed["config"] |= _described(_upload(target, repository, json.dumps(config).encode()))
    _name(target, repository, "new", changed)


def _with_file(tar: bytes) -> bytes:
    """Append a file to a tar."""
    archive = io.BytesIO(tar)
    with tarfile.open(fileobj=archive, mode="a") as file:
        more = tarfile.TarInfo("more")
        more.size = len(content := b"one file more\n")
        file.addfile(more, io.BytesIO(content))
    return archive.getvalue()


def _inflated(blob: bytes) -> bytes:
    if blob[:2] == b"\x1f\x8b":
        return gzip.decompress(blob)
    return _zstd(blob, "-d")


def _compressed(tar: bytes, media_type: str) -> bytes:
    if media_type.endswith("zstd"):
        return _zstd(tar, "-3")
    return gzip.compress(tar, 6)


def _zstd(data: bytes, option: str) -> bytes:
    return subprocess.run(["zstd", option, "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _described(data: bytes) -> dict[str, Any]:
    return {"digest": _digest(data), "size": len(data)}


def _get(address: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept": MANIFEST}), timeout=60) as answer:
        content: bytes = answer.read()
    return content


def _blob(registry: str, repository: str, digest: str) -> bytes:
    return _get(f"http://{registry}/v2/{repository}/blobs/{digest}")


def _send(method: str, address: str, data: bytes, kind: str) -> str:
    request = urllib.request.Request(address, data=data, method=method, headers={"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.headers.get("Location", ""))


def _upload(registry: str, repository: str, data: bytes) -> bytes:
    """Put a blob into a registry, and return it."""
    kind = "application/octet-stream"
    place = _send("POST", f"http://{registry}/v2/{repository}/blobs/uploads/", b"", kind)
    place += "&" if "?" in place else "?"
    _send("PUT", f"{place}digest={urllib.parse.quote(_digest(data))}", data, kind)
    return data


def _name(registry: str, repository: str, tag: str, manifest: dict[str, Any]) -> None:
    _send("PUT", f"http://{registry}/v2/{repository}/manifests/{tag}", json.dumps(manifest).encode(), MANIFEST)
