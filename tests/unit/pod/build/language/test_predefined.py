from __future__ import annotations

from pod.build.language.predefined import platform_arguments
from storage.documents import Platform


def test_platform_arguments() -> None:
    found = platform_arguments(Platform("linux", "arm", "v6"), Platform("linux", "arm64", "v8"), "final")
    assert found == {
        "TARGETSTAGE": "final",
        "TARGETPLATFORM": "linux/arm/v6",
        "TARGETOS": "linux",
        "TARGETARCH": "arm",
        "TARGETVARIANT": "v6",
        "BUILDPLATFORM": "linux/arm64",
        "BUILDOS": "linux",
        "BUILDARCH": "arm64",
        "BUILDVARIANT": "",
    }


def test_arm_alone_is_the_seventh() -> None:
    found = platform_arguments(Platform("linux", "arm", ""), Platform("linux", "amd64", ""))
    assert (found["TARGETPLATFORM"], found["BUILDPLATFORM"]) == ("linux/arm/v7", "linux/amd64")
