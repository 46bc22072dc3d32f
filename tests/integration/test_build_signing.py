"""`build --sign-by`: a signature that the image has from the beginning, and takes with it where it goes as it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import signing
from tests.fixtures.command import Pod, Result
from tests.fixtures.registry import Registry, serve
from tests.fixtures.signing import Gpg
from tests.integration.test_build import context, inspect


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that has nothing yet."""
    with serve(str(tmp_path_factory.mktemp("other") / "registry")) as running:
        yield running


@pytest.fixture
def gpg(box: Pod) -> Iterator[Gpg]:
    """The user's keys, alice's and bob's, with the public halves in files of these names."""
    with signing.gpg() as made:
        for name in ("alice", "bob"):
            Path(box.home, name).write_bytes(made.make_key(name))
        for path in (Path(made.home), *Path(made.home).rglob("*")):
            os.chown(path, box.user.uid, box.user.gid)
        yield made


def build(box: Pod, gpg: Gpg, text: str, *flags: str, check: bool = True) -> Result:
    env = {"GNUPGHOME": gpg.home}
    return box.run("build", "-q", "--network", "none", *flags, context(box, text), env=env, check=check)


def policy(box: Pod, name: str, transport: str, identity: dict[str, str]) -> str:
    """Write a policy that trusts one's signatures alone; return its path."""
    signed = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": f"{box.home}/{name}", "signedIdentity": identity}
    path = f"{box.home}/policy-{name}-{transport}.json"
    document = {"default": [{"type": "reject"}], "transports": {transport: {"": [signed]}}}
    Path(path).write_text(json.dumps(document))
    return path


def signatures(path: str) -> list[str]:
    return sorted(name for name in os.listdir(path) if name.startswith("signature"))


def test_a_directory_gets_the_image_as_it_is_signed(box: Pod, busybox: str, gpg: Gpg) -> None:
    place = f"{box.home}/place"
    build(box, gpg, f"FROM {busybox}\nRUN echo x >/x\n", "--sign-by", "alice", "-t", "a.example/x:1", "-t", "second")
    digest = inspect(box, "second")["Digest"]
    box.run("push", "-q", "--format", "v2s2", "second", f"dir:{place}")
    assert signatures(place) == ["signature-1", "signature-2"]
    if shutil.which("skopeo"):
        fingerprint = gpg.run("--with-colons", "--fingerprint", "alice").decode().split("\nfpr:")[1].split(":")[8]
        words = [f"{place}/manifest.json", "a.example/x:1", fingerprint, f"{place}/signature-1"]
        told = subprocess.check_output(["skopeo", "standalone-verify", *words], env={"GNUPGHOME": gpg.home}, text=True)
        assert digest in told
    box.run("rmi", "-f", "second")
    exact = {"type": "exactReference", "dockerReference": "a.example/x:1"}
    refused = box.run("pull", "--signature-policy", policy(box, "bob", "dir", exact), f"dir:{place}", check=False)
    assert "Source image rejected: " in refused.stderr
    box.run("pull", "-q", "--signature-policy", policy(box, "alice", "dir", exact), f"dir:{place}")


def test_a_registry_gets_the_image_as_it_is_signed(box: Pod, busybox: str, gpg: Gpg, other: Registry) -> None:
    name, lookaside = f"{other.address}/{'rootless' if box.rootless else 'root'}/signed:1", Path(box.home, "lookaside")
    lookaside.mkdir()
    os.chown(lookaside, box.user.uid, box.user.gid)
    settings = Path(box.home, ".config/containers/registries.d")
    settings.mkdir(parents=True)
    (settings / "a.yaml").write_text(f"default-docker: {{lookaside: 'file://{lookaside}'}}\n")
    text = f"FROM {busybox}\nRUN echo x >/x\n"
    build(box, gpg, text, "--sign-by", "alice", "-t", name)
    digest = inspect(box, name)["Digest"]
    build(box, gpg, text, "-t", name, "-t", "again")  # which changes nothing, the signature neither
    assert inspect(box, "again")["Digest"] == digest
    for _ in range(2):
        box.run("push", "-q", name)
    assert [path.name for path in lookaside.rglob("signature-*")] == ["signature-1"]
    assert digest.replace(":", "=") in str(next(lookaside.rglob("signature-1")))
    box.run("rmi", "-f", name)
    whole = {"type": "matchRepoDigestOrExact"}
    refused = box.run("pull", "--signature-policy", policy(box, "bob", "docker", whole), name, check=False)
    assert "Source image rejected: " in refused.stderr
    box.run("pull", "-q", "--signature-policy", policy(box, "alice", "docker", whole), name)
    assert inspect(box, name)["Digest"] == digest
    build(box, gpg, text, "--sign-by", "bob", "-t", name)
    box.run("push", "-q", "--sign-by", "alice", name, env={"GNUPGHOME": gpg.home})
    assert sorted(path.name for path in lookaside.rglob("signature-*")) == [f"signature-{one}" for one in (1, 2, 3)]


def test_without_its_signature_an_image_goes_out_as_any(box: Pod, busybox: str, gpg: Gpg) -> None:
    build(box, gpg, f"FROM {busybox}\nRUN echo x >/x\n", "--sign-by", "alice", "-t", "signed")
    refused = box.run("push", "-q", "signed", f"oci:{box.home}/layout", check=False)
    assert refused.stderr.startswith(f"Error: Can not copy signatures to oci:{box.home}/layout: ")
    assert "--remove-signatures" in refused.stderr
    assert not os.path.exists(f"{box.home}/layout")
    box.run("push", "-q", "--remove-signatures", "signed", f"oci:{box.home}/layout")
    box.run("push", "-q", "--remove-signatures", "--compress", "signed", f"dir:{box.home}/place")
    assert not signatures(f"{box.home}/place")
    box.run("save", "-q", "--format", "oci-archive", "-o", f"{box.home}/archive", "signed")


def test_what_is_not_signed(box: Pod, busybox: str, gpg: Gpg) -> None:
    text = f"FROM {busybox}\nENV not=signed\n"
    refused = build(box, gpg, text, "--sign-by", "nobody", "-t", "signed", check=False)
    assert refused.stderr.startswith("Error: creating signature: ")
    refused = build(box, gpg, text, "--sign-by", "alice", check=False)
    assert refused.stderr == "Error: --sign-by: an image without a name cannot be signed\nhint: -t NAME\n"
    refused = build(
        box, gpg, text, "--sign-by", "alice", "-t", "x", "--platform", "linux/amd64,linux/arm64", check=False
    )
    assert refused.stderr.startswith("Error: --sign-by: lists are signed where they are\n")
    assert box.run("images", "-q", "-f", "reference=signed").out == ""


def test_an_image_whose_signature_fails_is_not_there(box: Pod, busybox: str, gpg: Gpg) -> None:
    gpg.run("--passphrase", "secret", "--quick-gen-key", "carol <carol@example.com>", "ed25519", "sign", "never")
    for path in (Path(gpg.home), *Path(gpg.home).rglob("*")):
        os.chown(path, box.user.uid, box.user.gid)
    subprocess.run(["gpgconf", "--homedir", gpg.home, "--kill", "all"], check=True)
    failed = build(box, gpg, f"FROM {busybox}\nENV a=b\n", "--sign-by", "carol", "-t", "signed", check=False)
    assert failed.stderr.startswith("Error: creating signature: ")
    assert box.run("image", "exists", "signed", check=False).code == 1
