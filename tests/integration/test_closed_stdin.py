"""Commands that read standard input where their caller has closed it: nothing comes, as from an empty file."""

from __future__ import annotations

import os

import pytest

from tests.fixtures.command import Pod, Result


def closed(pod: Pod, *words: str) -> Result:
    """Run a command without a standard input."""
    return pod.execute(["sh", "-c", 'exec "$@" <&-', "sh", *pod.argv(*words)], check=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("login", "--username", "u", "--password-stdin", "127.0.0.1:1"), 'authenticating creds for "127.0.0.1:1": '),
        (("login", "--username", "u", "127.0.0.1:1"), "password is empty"),
        (("login", "127.0.0.1:1"), "username is empty"),
        (("secret", "create", "s", "-"), "secret data must be larger than 0"),
        (("volume", "import", "v", "-"), "no such volume v"),
        (("load",), "payload does not match any of the supported image formats: "),
        (("build", "--file", "-", "."), "-:1: file with no instructions"),
    ],
    ids=lambda given: " ".join(given[:2]) if isinstance(given, tuple) else "",
)
def test_what_wants_something_says_so(pod: Pod, words: tuple[str, ...], message: str) -> None:
    assert f"Error: {message}" in closed(pod, *words).stderr


def test_nobody_says_yes(pod: Pod) -> None:
    done = closed(pod, "image", "prune")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.endswith("[y/N] ")


def test_what_cannot_be_imported(box: Pod) -> None:
    """Nothing is an empty image, for podman too; a directory cannot be read."""
    assert closed(box, "import", "--quiet", "-").code == 0
    failed = box.run("import", "--quiet", box.home, check=False)
    assert failed.code == 125
    assert failed.stderr == f'Error: error reading "{box.home}": read {box.home}: is a directory\n'
    assert os.listdir(f"{box.root}/staging") == []
