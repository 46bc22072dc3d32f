"""What is fuzzed: each target takes any bytes, and may raise StorageError or PodError alone.

`SEEDS` are well-formed inputs to begin with.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator

import zstandard

from pod.build.language.expanding import expanded
from pod.build.language.parser import parse
from pod.errors import PodError
from storage import compression, documents, platform, reference
from storage.chunked import tarsplit, toc
from storage.errors import StorageError
from storage.layers.erofs.verify import damage
from storage.layers.rebuild import rebuild_tar
from storage.layers.unpacking import UnpackOptions, unpack
from storage.registry import challenges, configuration_files, failures
from storage.registry.options import RegistryOptions
from storage.source import locate
from storage.transports import docker_archive
from storage.transports.archive import Archive
from tests.fixtures.images import entry, gzip, link, tar
from tests.fixtures.trusting import accept_anything

_DIGEST = f"sha256:{64 * 'a'}"
_DESCRIPTOR = {"mediaType": documents.OCI_CONFIG, "digest": _DIGEST, "size": 7, "annotations": {"a": "b"}}
_MANIFEST = {
    "schemaVersion": 2,
    "mediaType": documents.OCI_MANIFEST,
    "config": _DESCRIPTOR,
    "layers": [{**_DESCRIPTOR, "mediaType": documents.OCI_LAYER, "urls": ["https://a/b"]}],
}
_INDEX = {
    "schemaVersion": 2,
    "mediaType": documents.OCI_INDEX,
    "manifests": [{**_DESCRIPTOR, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}}],
}
_FILE = {
    "type": "reg",
    "name": "usr/a",
    "size": 3,
    "offset": 9,
    "endOffset": 20,
    "digest": _DIGEST,
    "xattrs": {"a": ""},
}
_TABLE = {"version": 1, "entries": [{"type": "dir", "name": "usr/", "mode": 493}, _FILE], "tarSplitDigest": _DIGEST}
_CONFIG = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [_DIGEST]}}
_TAR = tar(
    entry("usr", mode=0o750),
    entry("usr/file", b"content", pax_headers={"SCHILY.xattr.user.a": "b", "mtime": "1.5"}),
    link("usr/hard", "usr/file"),
    entry("usr/soft", type=b"2", linkname="../usr"),
    entry("usr/soft/below", b"through the link"),
    entry(f"long/{120 * 'n'}", b"x"),
    entry("usr/.wh.gone", b""),
    entry("opaque/.wh..wh..opq", b""),
)
_TRUST = accept_anything(RegistryOptions())
_ARCHIVE = tar(
    entry("c.json", json.dumps(_CONFIG).encode()),
    entry("l.tar", b"x"),
    entry("k.tar", type=b"2", linkname="l.tar"),
    entry("manifest.json", b'[{"Config":"c.json","RepoTags":["a:b"],"Layers":["k.tar"]}]'),
)
_OLD_ARCHIVE = tar(
    entry(f"{64 * 'a'}/json", b'{"id":"a","os":"linux"}'),
    entry(f"{64 * 'a'}/layer.tar", b"x"),
    entry("repositories", json.dumps({"a": {"b": 64 * "a"}}).encode()),
)


def _remove(directory: str) -> None:
    """Remove a tree whose directories may have any mode: they keep an ordinary user out."""
    for path, names, _ in os.walk(directory):
        for name in names:
            if not os.path.islink(f"{path}/{name}"):
                os.chmod(f"{path}/{name}", 0o700)
    shutil.rmtree(directory)


def layer(data: bytes) -> None:
    """Unpack a layer, and make its tar again if it was one; nothing may be written beside its tree."""
    parent = tempfile.mkdtemp(prefix="pod-fuzz-", dir=os.environ.get("TMPDIR", "/dev/shm"))
    try:
        place = f"{parent}/layer"
        os.mkdir(place)
        unpack(_pieces(data), place, options=UnpackOptions(rootless=True, ignore_chown_errors=True, defer_links=True))
        again = b"".join(rebuild_tar(place))
        assert again == b"".join(compression.inflate(_pieces(data))), "another tar came out than went in"
    finally:
        beside = os.listdir(parent)
        _remove(parent)
        assert beside == ["layer"], beside


def kept(data: bytes) -> None:
    """Make an index of a tar, for the kernel to read; what does not fit into one is unpacked."""
    parent = tempfile.mkdtemp(prefix="pod-fuzz-", dir=os.environ.get("TMPDIR", "/dev/shm"))
    try:
        with contextlib.suppress(StorageError):
            unpack(_pieces(_checked(data)), parent, options=UnpackOptions(keep=True, defer_links=True))
            assert damage(parent) == [] or os.path.isdir(f"{parent}/diff")
            assert b"".join(rebuild_tar(parent)) == b"".join(compression.inflate(_pieces(_checked(data))))
    finally:
        _remove(parent)


def entries(data: bytes) -> None:
    """Unpack a layer whose headers have the right checksums, or few inputs would get past them."""
    layer(_checked(data))


def inflate(data: bytes) -> None:
    """Inflate whatever it is."""
    size = 0
    for piece in compression.inflate(_pieces(data)):
        size += len(piece)
        if size > 64 << 20:
            return


def manifest(data: bytes) -> None:
    """Read a manifest or an index, and choose from it."""
    document = documents.parse_manifest(data)
    if isinstance(document, documents.Index):
        platform.choose(document, documents.Platform("linux", "amd64"))
    else:
        documents.check_image(document)


def table(data: bytes) -> None:
    """Read the table of contents of a zstd:chunked blob."""
    toc.parse(data, 1 << 20)


def tar_split(data: bytes) -> None:
    """Read the bytes of a tar between its files."""
    for piece in tarsplit.read(zstandard.ZstdCompressor(level=1).compress(data), 1 << 20):
        assert piece


def config(data: bytes) -> None:
    """Read an image's config."""
    documents.parse_config(data)


def archive(data: bytes) -> None:
    """Read all images of one of docker's archives, new or old."""
    file = os.memfd_create("fuzz")
    os.write(file, data)
    files = Archive(file, "fuzz")
    try:
        for item in docker_archive.items(files):
            origin = docker_archive.DockerArchiveOrigin(files, item)
            found = locate(origin, None, _TRUST)
            for _, layer_found in found.layers:
                assert sum(map(len, origin.open_blob(layer_found))) == layer_found.size
    finally:
        files.close()


def challenge(data: bytes) -> None:
    """Read a WWW-Authenticate header."""
    challenges.parse([data.decode("latin-1")])


def answer(data: bytes) -> None:
    """Read the body of a registry's error."""
    failures.from_answer(404, data, "https://registry.example/v2/a/b")


def name(data: bytes) -> None:
    """Read a reference; what passes must come out as it went in."""
    parsed = reference.normalize(data.decode("utf-8", "surrogateescape"))
    assert reference.parse(str(parsed)) == parsed


def registries(data: bytes) -> None:
    """Read a registries.conf, and ask it where images are."""
    with tempfile.NamedTemporaryFile(prefix="pod-fuzz-", dir=os.environ.get("TMPDIR", "/dev/shm")) as file:
        file.write(data)
        file.flush()
        configuration = configuration_files.load(file.name, [])
    for text in ("example.com/foo/image:latest", f"a.example.com:5000/x@{_DIGEST}"):
        assert configuration.endpoints(reference.parse(text))


def containerfile(data: bytes) -> None:
    """Read a Containerfile, and replace the variables in it."""
    read = parse(data.decode("utf-8", "replace"))
    for stage in read.stages:
        for instruction in (stage.base, *stage.instructions):
            assert len(instruction.text) <= len(data)
            with contextlib.suppress(PodError):
                expanded(instruction, {"a": "x y", "b": ""}, read.directives.escape, rows=read.rows)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "layer": layer,
    "entries": entries,
    "kept": kept,
    "inflate": inflate,
    "manifest": manifest,
    "config": config,
    "archive": archive,
    "table": table,
    "tar_split": tar_split,
    "challenge": challenge,
    "answer": answer,
    "name": name,
    "registries": registries,
    "containerfile": containerfile,
}

SEEDS: dict[str, list[bytes]] = {
    "layer": [_TAR, gzip(_TAR)],
    "entries": [_TAR],
    "kept": [_TAR, gzip(_TAR)],
    "inflate": [gzip(b"content"), b"\x28\xb5\x2f\xfd\x04\x00\x09\x00\x00a\x99\xe9\xd8\x51", b"BZh9", b"\xfd7zXZ\x00"],
    "manifest": [json.dumps(_MANIFEST).encode(), json.dumps(_INDEX).encode()],
    "config": [json.dumps(_CONFIG).encode()],
    "archive": [_ARCHIVE, _OLD_ARCHIVE],
    "table": [json.dumps(_TABLE).encode()],
    "tar_split": [b'{"type":2,"payload":"YWE=","position":0}\n{"type":1,"name":"a","size":3,"payload":"AAA="}\n'],
    "challenge": [b'Bearer realm="https://a/token",service="s",scope="repository:a:pull", Basic realm="x"'],
    "answer": [b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"m","detail":{"a":1}}]}', b"<html>"],
    "name": [b"busybox", b"localhost:5000/a/b:tag@" + _DIGEST.encode(), b"[::1]:5000/a"],
    "registries": [
        b"unqualified-search-registries = ['a.b']\nshort-name-mode = 'disabled'\ncredential-helpers = ['x']\n"
        b"[[registry]]\nprefix = '*.example.com'\ninsecure = true\n[[registry]]\nprefix = 'example.com/foo'\n"
        b"location = 'b.c/d'\nblocked = false\n[[registry.mirror]]\nlocation = 'm.n'\npull-from-mirror = 'all'\n"
        b"[aliases]\nx = 'a.b/x'\n",
        b"[registries.search]\nregistries = ['a.b']\n[registries.block]\nregistries = ['c.d']\n",
    ],
    "containerfile": [
        b"# escape=`\nARG v=1\nFROM --platform=$p a:${v:-b} AS c\nENV a=b `\n # c\n c='d' f=${a//x/y}\nCMD [\"a\"]\n",
        b"FROM a\nRUN --mount=type=cache,target=/a,id=$b,mode=0755 --network=none cat <<E <<-'F'\nx\nE\n\ty\n\tF\n",
        b"FROM a\nCOPY --from=b --chmod=u=rwX,go= --chown=$a <<E c /d/\n$a\nE\nONBUILD ADD --link a b\nARG a b=c\n",
        b'FROM a\nHEALTHCHECK --interval=1s --retries=2 CMD a\nEXPOSE 80 $a 1-3/udp\nVOLUME ["/a"]\nSTOPSIGNAL INT\n',
        b'FROM a\nLABEL a b\nUSER a:b\nWORKDIR /${a#x*}\nSHELL ["a"]\nMAINTAINER b\nENTRYPOINT a \\\n\n b\n',
    ],
}


def run(target: str, data: bytes) -> None:
    """Give the bytes to a target; an error that is told to the user is what should come of bad input."""
    with contextlib.suppress(StorageError, PodError):
        TARGETS[target](data)


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 1000):
        yield data[start : start + 1000]


def _checked(data: bytes) -> bytes:
    if data[257:262] != b"ustar":
        return data
    blocks = [data[start : start + 512].ljust(512, b"\0") for start in range(0, len(data), 512)]
    return b"".join(_with_checksum(block) if block[257:262] == b"ustar" else block for block in blocks)


def _with_checksum(header: bytes) -> bytes:
    blank = header[:148] + 8 * b" " + header[156:]
    return blank[:148] + b"%06o\0 " % sum(blank) + blank[156:]
