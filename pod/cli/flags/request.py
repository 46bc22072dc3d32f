"""What `run` and `create` are asked for: the container's options, and what the command itself needs to know."""

from __future__ import annotations

from pod.containers.create import CreateOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Request(CreateOptions):
    """What the command line says, as far as it has been read."""

    def __init__(self, reference: str) -> None:
        super().__init__()
        self.reference = reference  # the image, or the directory with --rootfs
        self.is_rootfs = False
        self.pull = "missing"
        self.quiet = False
        self.signature_policy = ""
        self.replace = False
        self.cidfile = ""
        self.attach: frozenset[str] | None = None  # which streams; None for all
        self.pod_name = ""  # of the pod that it is to be in; new:NAME for one that is to be created
        self.init_type = ""  # of a container that is run before the others of its pod
        self.requires: list[str] = []  # names of containers that are to run before
        self.registry: dict[str, Any] = {}  # how to talk to the registry, see pod.registries.options
        self.platform: dict[str, str] = {}
        self.preserve: tuple[int, ...] = ()  # descriptors of the command that the container's process gets
