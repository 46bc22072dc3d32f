"""A layer that hides everything below it: overlayfs ignores an opaque mark on a layer's root, so we must not."""

from __future__ import annotations

from tests.fixtures.command import Pod
from tests.fixtures.images import busybox, busybox_layer, entry, layer
from tests.fixtures.registry import Registry


def test_opaque_root_hides_lower_layers(pod: Pod, registry: Registry) -> None:
    program = busybox_layer()
    hidden = layer(entry("below", b"hidden"))
    hides = layer(entry(".wh..wh..opq", b""))
    image = busybox(hidden, hides, program)
    name = registry.push("opaque-root", "latest", image)
    assert pod.run("run", "--rm", "-q", name, "sh", "-c", "test -e /below && echo seen || echo hidden").out == "hidden"
