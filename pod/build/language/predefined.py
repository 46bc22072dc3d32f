"""The arguments that nobody has to declare, or that have a value by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.documents import Platform

# RUN sees these without an ARG if --build-arg gives them; history and cache keys tell of those that an ARG declares.
PROXIES = (
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
)
# --build-arg with one of these speaks to the builder: that no ARG declares it is no mistake.
BUILTIN = (
    "BUILDKIT_BUILD_NAME",
    "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_MULTI_PLATFORM",
    "BUILDKIT_SANDBOX_HOSTNAME",
    "BUILDKIT_SYNTAX",
    "SOURCE_DATE_EPOCH",
)
# A variant that the name alone means is not said; arm alone is v7 (https://github.com/containerd/platforms).
_UNSAID = {("arm64", "v8"): "", ("amd64", "v1"): "", ("arm", ""): "v7"}


def variant_said(platform: Platform) -> str:
    """Return the variant as it is said: of two platforms that are the same the same."""
    return _UNSAID.get((platform.architecture, platform.variant), platform.variant)


def platform_arguments(target: Platform, build: Platform, stage: str = "default") -> dict[str, str]:
    """Return the arguments of the global scope: a stage sees one that it declares by ARG, FROM sees all.

    `stage` is what --target names.
    """
    arguments = {"TARGETSTAGE": stage}
    for prefix, platform in (("TARGET", target), ("BUILD", build)):
        variant = variant_said(platform)
        parts = [platform.os, platform.architecture, *([variant] if variant else [])]
        arguments[f"{prefix}PLATFORM"] = "/".join(parts)
        arguments[f"{prefix}OS"] = platform.os
        arguments[f"{prefix}ARCH"] = platform.architecture
        arguments[f"{prefix}VARIANT"] = variant
    return arguments
