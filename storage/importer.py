"""An image of one layer from the tar of a root file system."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from storage.committer import Draft, commit_layer
from storage.platform import host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.documents import Platform
    from storage.images import Image
    from storage.store import Store


def import_tar(
    store: Store,
    chunks: Iterator[bytes],
    *,
    reference: str | None = None,
    changes: dict[str, Any] | None = None,
    message: str = "",
    source: str = "-",
    platform: Platform | None = None,
    rootless: bool = False,
    single_id: bool = False,
) -> Image:
    """Make an image of a tar, compressed or not; `changes` is the `config` of the image (Cmd, Env, …).

    `reference` is a full name to give it. A failure leaves nothing.
    """
    now = time.time()
    created = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    chosen = platform or host()
    document = {
        "created": created,
        "architecture": chosen.architecture,
        **({"variant": chosen.variant} if chosen.variant else {}),
        "os": chosen.os,
        "config": changes or {},
    }

    def history(diff_id: str) -> dict[str, Any]:
        return {
            "created": created,
            "created_by": f"/bin/sh -c #(nop) ADD file:{diff_id[7:]} in / ",
            "comment": message or f"imported from {source}",
        }

    return commit_layer(
        store,
        chunks,
        Draft(document, now),
        history,
        reference=reference,
        rootless=rootless,
        single_id=single_id,
        compressed=True,
    )
