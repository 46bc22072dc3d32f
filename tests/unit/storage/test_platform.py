"""Platforms: names of machines, what users type, and which image of an index is chosen."""

from __future__ import annotations

import pytest

from storage import documents, platform
from storage.documents import Descriptor, Index
from storage.errors import ImageNotFoundError, StorageError
from storage.platform import Platform


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        *(
            ("x86_64", "linux/amd64"),
            ("aarch64", "linux/arm64/v8"),
            ("armv7l", "linux/arm/v7"),
            ("armv6l", "linux/arm/v6"),
        ),
        *(("i686", "linux/386"), ("riscv64", "linux/riscv64"), ("s390x", "linux/s390x"), ("ppc64le", "linux/ppc64le")),
        ("loongarch64", "linux/loong64"),
    ],
)
def test_host(machine: str, expected: str) -> None:
    assert str(platform.host(machine)) == expected
    assert platform.host().os == "linux"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("linux/amd64", "linux/amd64"), ("linux/arm64/v8", "linux/arm64/v8"), ("arm64", "linux/arm64")),
        *(("Linux/x86_64", "linux/amd64"), ("aarch64", "linux/arm64"), ("linux/arm/7", "linux/arm/v7")),
        *(("linux/armhf", "linux/arm/v7"), ("armel", "linux/arm/v6"), ("windows/amd64", "windows/amd64")),
        ("macos/arm64", "darwin/arm64"),
        ("linux", str(platform.host())),
    ],
)
def test_parse(text: str, expected: str) -> None:
    assert str(platform.parse(text)) == expected


@pytest.mark.parametrize("text", ["", "/", "linux/", "/amd64", "linux//v8", "a/b/c/d", "linux/am d64", "linux/ä"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(StorageError, match="invalid platform"):
        platform.parse(text)


def entry(number: int, text: str | None, **annotations: str) -> Descriptor:
    """Make an entry of an index; `_` in an annotation stands for `.`."""
    parts = text.split("/") if text else []
    named = {key.replace("_", "."): value for key, value in annotations.items()}
    found = Platform(*parts) if parts else None
    return Descriptor(documents.OCI_MANIFEST, f"sha256:{number:064x}", 1, found, named)


def choose(wanted: str, *entries: Descriptor) -> int:
    """Give the number of the chosen entry."""
    parts = wanted.split("/")
    chosen = platform.choose(Index(entries, documents.OCI_INDEX, b""), Platform(*parts))
    return int(chosen.digest.removeprefix("sha256:"), 16)


@pytest.mark.parametrize(
    ("wanted", "offered", "expected"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], 1),
        ("linux/amd64", ["linux/amd64", "linux/amd64"], 0),
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64"], 1),
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64/v2"], 1),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], 1),
        ("linux/arm/v7", ["linux/arm/v8", "linux/arm/v6", "linux/arm/v7"], 2),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm/v8"], 1),
        ("linux/arm/v7", ["linux/arm"], 0),
        ("linux/arm", ["linux/arm/v5", "linux/arm/v7"], 1),
        ("linux/arm64/v8", ["linux/arm64"], 0),
        ("linux/arm64", ["linux/arm64/v8"], 0),
        ("linux/amd64", ["windows/amd64", None], 1),
        ("linux/amd64", [None, "linux/amd64"], 1),
        ("linux/amd64", ["linux/x86_64"], 0),
    ],
)
def test_choose(wanted: str, offered: list[str | None], expected: int) -> None:
    assert choose(wanted, *(entry(number, text) for number, text in enumerate(offered))) == expected


def test_attestations_are_no_images() -> None:
    attestation = entry(0, "linux/amd64", vnd_docker_reference_type="attestation-manifest")
    assert choose("linux/amd64", attestation, entry(1, "unknown/unknown"), entry(2, "linux/amd64")) == 2


def test_zstd_is_preferred_among_equals() -> None:
    zstd = entry(1, "linux/amd64", io_github_containers_compression_zstd="true")
    assert choose("linux/amd64", entry(0, "linux/amd64"), zstd) == 1


def test_nothing_fits() -> None:
    with pytest.raises(ImageNotFoundError, match='for architecture riscv64, variant "", OS linux') as caught:
        choose("linux/riscv64", entry(0, "linux/arm/v7"), entry(1, "linux/amd64"), entry(2, "unknown/unknown"))
    assert caught.value.hint == "it has: linux/amd64, linux/arm/v7"
    with pytest.raises(ImageNotFoundError):
        choose("linux/amd64")
    with pytest.raises(ImageNotFoundError):
        choose("linux/arm/v6", entry(0, "linux/arm/v7"))
