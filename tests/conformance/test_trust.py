"""Trust beside containers/image: signatures that skopeo makes, its verdict on each, and podman's view of a policy."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pod import config
from pod.images import transports
from pod.settings import Settings
from storage.errors import StorageError
from storage.reference import parse
from storage.registry.options import RegistryOptions
from storage.registry.origin import Clients, RegistryOrigin
from storage.source import locate
from storage.trust import editing, policy
from storage.trust import signing as our_signing
from storage.trust.verification import Trust
from tests.fixtures import signing
from tests.fixtures.engines import program
from tests.fixtures.images import Image, entry, layer
from tests.fixtures.registry import Registry
from tests.fixtures.signing import Gpg, payload

OPTIONS = RegistryOptions(retries=0)
REPOSITORY = "trust/a"


class Bench:
    """One image at a registry, a place for its signatures, and two who judge."""

    def __init__(self, registry: Registry, directory: Path, gpg: Gpg) -> None:
        self.name = registry.push(REPOSITORY, "1", Image(layers=[layer(entry("x", b"x"))]))
        self.gpg = gpg
        self.directory = directory
        for name in ("alice", "mallory"):
            (directory / name).write_bytes(gpg.make_key(name))
        (directory / "d").mkdir()
        (directory / "d/a.yaml").write_text(f"default-docker:\n  lookaside: file://{directory}/lookaside\n")
        self.digest = json.loads(self.skopeo("inspect", "--tls-verify=false", f"docker://{self.name}"))["Digest"]

    def skopeo(self, *arguments: str) -> str:
        """Run skopeo; return what it prints. Raises CalledProcessError."""
        command = [program("skopeo"), "--registries.d", str(self.directory / "d"), *arguments]
        environment = {**os.environ, "GNUPGHOME": self.gpg.home, "HOME": str(self.directory)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    def sign(self, signature: bytes, repository: str = REPOSITORY) -> None:
        signing.write_signatures(str(self.directory / "lookaside"), repository, self.digest, [signature])

    def verdicts(self, document: dict[str, Any], name: str = "") -> tuple[str, str]:
        """Return what skopeo and pod say against an image, nothing if they let it in."""
        (self.directory / "policy.json").write_text(json.dumps(document))
        copied = f"dir:{self.directory}/copied"
        settings = ("--policy", str(self.directory / "policy.json"))
        try:
            self.skopeo(*settings, "copy", "--src-tls-verify=false", f"docker://{name or self.name}", copied)
            theirs = ""
        except subprocess.CalledProcessError as error:
            theirs = json.loads(f'"{error.stderr.split("msg=", 1)[1].strip()[1:-1]}"')
        found = policy.parse(json.dumps(document).encode())
        trust = Trust(found, OPTIONS, (str(self.directory / "d"),))
        reference = parse(name or self.name)
        clients = Clients(OPTIONS)
        try:
            locate(RegistryOrigin(clients, reference), None, trust)
            ours = ""
        except StorageError as error:
            ours = str(error)
        finally:
            clients.close()
        return theirs, ours

    def signed(self, key: str, **identity: str) -> dict[str, Any]:
        """Return a policy that wants signatures by a key."""
        found = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(self.directory / key)}
        return {"default": [found | ({"signedIdentity": identity} if identity else {})]}


@pytest.fixture
def bench(registry: Registry, tmp_path: Path) -> Iterator[Bench]:
    with signing.gpg() as gpg:
        yield Bench(registry, tmp_path, gpg)


def test_signatures_of_skopeo(bench: Bench) -> None:
    assert bench.verdicts(bench.signed("alice"))[1].endswith("no signature exists")
    place = f"docker://{bench.name}"
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    bench.skopeo("copy", *tls, "--sign-by", "alice@example.com", place, place)
    assert bench.verdicts(bench.signed("alice")) == ("", "")
    assert bench.verdicts(bench.signed("alice"), f"{bench.name[:-2]}@{bench.digest}") == ("", "")
    theirs, ours = bench.verdicts(bench.signed("mallory"))
    assert theirs.startswith("Source image rejected: Invalid GPG signature")
    assert ours.startswith("Source image rejected: Signature by key ")


def test_skopeo_takes_our_signatures(bench: Bench) -> None:
    environment = {**os.environ, "GNUPGHOME": bench.gpg.home}
    made = our_signing.sign(bench.digest, parse(bench.name), "alice", creator="pod 1", environment=environment)
    our_signing.write(f"{bench.directory}/lookaside", parse(bench.name), bench.digest, made)
    assert bench.verdicts(bench.signed("alice")) == ("", "")


def test_signatures_in_a_directory(bench: Bench) -> None:
    place, identity = f"dir:{bench.directory}/signed", ("--sign-identity", "q.io/a:7")
    signed = ("copy", "--src-tls-verify=false", "--sign-by", "alice@example.com", *identity)
    bench.skopeo(*signed, f"docker://{bench.name}", place)
    for repository, message in (("q.io/a", ""), ("q.io/b", "Signature for identity q.io/a:7 is not accepted")):
        found = policy.parse(
            json.dumps(bench.signed("alice", type="exactRepository", dockerRepository=repository)).encode()
        )
        trust = Trust(found, OPTIONS)
        with transports.opened(config.load(Settings()), transports.parse(place)) as image:
            if not message:
                locate(image.origin, None, trust)
                continue
            with pytest.raises(StorageError, match=f"^Source image rejected: {message}$"):
                locate(image.origin, None, trust)


@pytest.mark.parametrize(
    "case", ["good", "none", "other tag", "other repository", "other digest", "rejected", "exact", "remapped", "text"]
)
def test_both_judge_alike(bench: Bench, case: str) -> None:
    host = bench.name.partition("/")[0]
    other = payload("sha256:" + "0" * 64, bench.name)
    name, document = "", bench.signed("alice")
    good = payload(bench.digest, bench.name)
    if case == "good":
        bench.sign(bench.gpg.sign("alice", good))
    elif case in ("other tag", "other repository"):
        claimed = f"{host}/{REPOSITORY}:2" if case == "other tag" else f"{host}/trust/b:1"
        bench.sign(bench.gpg.sign("alice", payload(bench.digest, claimed)))
    elif case == "other digest":
        bench.sign(bench.gpg.sign("alice", other))
    elif case == "rejected":
        document = {"default": [{"type": "reject"}]}
    elif case == "exact":
        bench.sign(bench.gpg.sign("alice", good))
        name, document = f"{host}/{REPOSITORY}@{bench.digest}", bench.signed("alice", type="matchExact")
    elif case == "remapped":
        bench.sign(bench.gpg.sign("alice", payload(bench.digest, "vendor.example/a:1")))
        remap = {"prefix": f"{host}/trust", "signedPrefix": "vendor.example"}
        document = bench.signed("alice", type="remapIdentity", **remap)
    elif case == "text":
        bench.sign(bench.gpg.run("--local-user", "alice", "--clear-sign", data=good))
    theirs, ours = bench.verdicts(document, name)
    assert bool(theirs) is bool(ours) is (case not in ("good", "remapped"))
    if case != "text":
        assert theirs == ours


def test_podman_reads_what_set_writes_and_shows_the_same(tmp_path: Path, bench: Bench, runtime_command: str) -> None:
    path = tmp_path / "changed.json"
    raw = None
    for scope, kind, keys in (
        ("default", "reject", []),
        ("docker.io", "insecureAcceptAnything", []),
        ("q.io/a", "sigstoreSigned", ["/k"]),
        ("q.io", "signedBy", [str(tmp_path / "alice"), str(tmp_path / "mallory")]),
    ):
        raw = editing.change(raw, scope, editing.requirements(kind, keys), str(path))
    assert raw is not None
    editing.write(str(path), raw)
    # podman asks a program of this name whose keys they are, which Debian has under the other.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gpg2").symlink_to(program("gpg"))
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    places = ["--policypath", str(path), "--registrypath", str(tmp_path / "d")]
    podman = [
        program("podman"),
        "--root",
        f"{tmp_path}/root",
        "--runroot",
        f"{bench.gpg.home}/run",
        "--storage-driver=vfs",
    ]
    pod = [runtime_command.removesuffix("-runtime"), "--root", f"{tmp_path}/pod", "--runroot", f"{tmp_path}/pod-run"]
    for flags in (["--json"], [], ["--noheading"]):
        theirs, ours = (
            subprocess.run([*one, "image", "trust", "show", *flags, *places], env=environment, capture_output=True)
            for one in (podman, pod)
        )
        assert ours.stdout.decode().strip() == theirs.stdout.decode().strip(), (ours.stderr, theirs.stderr)
