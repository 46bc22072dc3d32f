"""A stored image under a name that the policy rejects by now: it does not run.

On the run path: the usual policy, which rejects nothing, costs the reading of one small file.
"""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from storage.images import Image


def check(config: Config, image: Image, name: str, signature_policy: str = "") -> None:
    """Raise PodError if a scope of `docker` that names the image is one of `reject`.

    Signatures and defaults were held against an image where it came in, from wherever that was; here counts only what
    the policy says of its name. `name` is that by which it was chosen; by its ID, one name that may run is enough.
    """
    path, raw = _read(config, signature_policy)
    # A backslash may write any letter otherwise.
    if b"reject" not in raw and b"\\" not in raw:
        return
    from storage.trust import policy

    names = [name] if name in image.names else image.names
    found = policy.parse(raw, path)
    if names and all(policy.is_rejected(found, one) for one in names):
        raise PodError(
            f"Running image docker://{names[0]} is rejected by policy.",
            hint=f"{path} says so: see pod image trust show",
        )


def _read(config: Config, signature_policy: str) -> tuple[str, bytes]:
    named = (signature_policy,) if signature_policy else ()
    for path in named or (f"{config.home}/.config/containers/policy.json", "/etc/containers/policy.json"):
        try:
            with open(path, "rb") as file:
                return path, file.read()
        except FileNotFoundError:
            if named:
                raise PodError(f"open {path}: no such file or directory") from None
        except OSError as error:
            raise PodError(f"open {path}: {str(error.strerror).lower()}") from None
    return "", b""
