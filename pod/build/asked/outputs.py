"""What --output says: where an image goes besides the store. Pure. Source: buildah-build(1), docker-buildx-build(1)."""

from __future__ import annotations

from dataclasses import dataclass

from pod.errors import PodError

_HINT = "type=local,dest=DIRECTORY, type=tar|oci,dest=FILE, a directory alone, or - for a tar on stdout"


@dataclass(frozen=True)
class Output:
    """Where an image goes: its files to a directory (local) or a tar, or itself to an OCI archive (oci).

    What is no directory and has no `dest` goes to stdout.
    """

    kind: str
    dest: str

    @property
    def to_stdout(self) -> bool:
        """Whether it is an archive on stdout."""
        return not self.dest

    def of(self, platform: str) -> Output:
        """Return where the files of one of several platforms go: a directory in it, as with buildx. Raises PodError."""
        if self.kind == "oci":
            raise PodError(
                "the archive has room for the image of one platform",
                hint="--manifest LIST, then pod manifest push --all LIST oci-archive:FILE",
            )
        if self.kind == "tar":
            raise PodError("a tar has room for the files of one platform", hint="-o type=local,dest=DIRECTORY")
        return Output(self.kind, f"{self.dest}/{platform.replace('/', '_')}")


def parse(text: str) -> Output:
    """Return what one --output says. Raises PodError."""
    if "," not in text and "=" not in text:
        return _output("tar" if text == "-" else "local", text, text)
    said: dict[str, str] = {}
    for option in text.split(","):
        name, equals, value = option.partition("=")
        if not equals:
            raise PodError(f'invalid build output options "{text}", expected format key=value', hint=_HINT)
        if name not in ("type", "dest"):
            raise PodError(f'unrecognized key "{name}" in build output option: "{text}"', hint=_HINT)
        if name in said:
            raise PodError(f'duplicate "{name}" not supported', hint="--output may be repeated")
        said[name] = value
    if said.get("type", "local") not in ("local", "tar", "oci"):
        raise PodError(f'invalid type "{said["type"]}" selected for build output options "{text}"', hint=_HINT)
    for name in ("type", "dest"):
        if not said.get(name):
            raise PodError(f'missing required key "{name}" in build output option: "{text}"', hint=_HINT)
    return _output(said["type"], said["dest"], text)


def _output(kind: str, dest: str, text: str) -> Output:
    if not dest:
        raise PodError(f'missing required key "dest" in build output option: "{text}"', hint=_HINT)
    if dest != "-":
        return Output(kind, dest)
    if kind == "local":
        raise PodError(
            f'invalid build output option "{text}", only "type=tar" can be used with "dest=-"', hint="-o ./-"
        )
    return Output(kind, "")
