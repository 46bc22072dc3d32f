"""The policy as a user has it: `pod image trust`, and images that it lets in or not."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from tests.fixtures import signing
from tests.fixtures.command import Pod
from tests.fixtures.images import Image, entry, layer, tar
from tests.fixtures.registry import Registry

REJECT = [{"type": "reject"}]
ACCEPT = [{"type": "insecureAcceptAnything"}]


def own_policy(pod: Pod, document: object) -> str:
    """Write the user's own policy file."""
    path = f"{pod.home}/.config/containers/policy.json"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def failure(pod: Pod, *arguments: str) -> str:
    """Return the error of a command that fails, which is one line beside a hint."""
    result = pod.run(*arguments, check=False)
    assert result.code == 125
    others = ("hint: ", "Trying to pull ")
    lines = [line for line in result.stderr.splitlines() if not line.startswith(others)]
    assert len(lines) == 1
    return lines[0].removeprefix("Error: ")


def test_set_and_show(pod: Pod) -> None:
    path, key = f"{pod.home}/policy.json", f"{pod.home}/key.pub"
    Path(key).write_text("no key of gpg")
    file = ("--policypath", path)
    refused = failure(pod, "image", "trust", "set", *file, "--type", "reject", "docker.io")
    assert refused == "default trust policy must be set"
    pod.run("image", "trust", "set", *file, "-t", "reject", "default")
    pod.run("image", "trust", "set", *file, "--type=accept", "docker.io/library")
    pod.run("image", "trust", "set", *file, "--pubkeysfile", key, "--type", "sigstoreSigned", "q.io/a:tag")
    pod.run("image", "trust", "set", *file, "-f", f"{key},{key}", "q.io")
    pod.run("image", "trust", "set", *file, "--type", "reject", "q.io")
    pod.run("image", "trust", "set", *file, "-f", f"{key},{key}", "q.io")  # in place of what was there
    signed = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": key}
    sigstore = {"type": "sigstoreSigned", "keyPath": key}
    expected = {
        "default": REJECT,
        "transports": {"docker": {"docker.io/library": ACCEPT, "q.io/a:tag": [sigstore], "q.io": [signed, signed]}},
    }
    raw = pod.run("image", "trust", "show", *file, "--raw").stdout
    assert json.loads(raw) == expected
    assert raw == json.dumps(expected, indent=4) + "\n"
    assert os.stat(path).st_mode & 0o777 == 0o644
    assert [name for name in os.listdir(pod.home) if name.startswith(".policy")] == []
    settings = f"{pod.home}/registries.d"
    os.mkdir(settings)
    Path(settings, "a.yaml").write_text("docker:\n  q.io:\n    lookaside: https://s.io/x\n")
    shown = ("image", "trust", "show", *file, "--registrypath", settings)
    table = pod.run(*shown).stdout
    assert [line.split() for line in table.splitlines()] == [
        ["TRANSPORT", "NAME", "TYPE", "ID", "STORE"],
        ["all", "default", "reject"],
        ["repository", "docker.io/library", "accept"],
        ["repository", "q.io", "signed", "https://s.io/x"],
        ["repository", "q.io", "signed", "https://s.io/x"],
        ["repository", "q.io/a:tag", "sigstoreSigned", "N/A", "https://s.io/x"],
    ]
    assert pod.run(*shown, "--noheading").stdout == table.split("\n", 1)[1]
    rows = json.loads(pod.run(*shown, "--json").stdout)
    assert rows[0] == {"transport": "all", "name": "* (default)", "repo_name": "default", "type": "reject"}
    assert rows[4] == {
        "transport": "repository",
        "name": "q.io/a:tag",
        "repo_name": "q.io/a:tag",
        "sigstore": "https://s.io/x",
        "type": "sigstoreSigned",
        "gpg_id": "N/A",
    }
    assert json.loads(pod.run(*shown, "-j", "docker.io/library/busybox").stdout) == [rows[1]]
    assert json.loads(pod.run(*shown, "-j", "other.io").stdout) == [rows[0]]


def test_show_tells_whose_keys_they_are(pod: Pod) -> None:
    key, path = f"{pod.home}/key", f"{pod.home}/policy.json"
    with signing.gpg() as gpg:
        Path(key).write_bytes(gpg.make_key("alice"))
    pod.run("image", "trust", "set", "--policypath", path, "--pubkeysfile", key, "default")
    shown = pod.run("image", "trust", "show", "--policypath", path, "-n").stdout
    assert shown.split() == ["all", "default", "signed", "alice@example.com"]


def test_set_changes_the_policy_that_counts(pod: Pod) -> None:
    path = f"{pod.home}/.config/containers/policy.json"
    if not pod.rootless:
        own_policy(pod, {"default": ACCEPT})
    # An ordinary user gets one of their own, which begins as the system's.
    pod.run("image", "trust", "set", "--type", "reject", "q.io")
    assert json.loads(Path(path).read_text())["transports"]["docker"]["q.io"] == REJECT


REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("docker.io",), "at least one public key must be defined for type 'signedBy'"),
    (("-t", "sigstoreSigned", "a.io"), "at least one public key must be defined for type 'sigstoreSigned'"),
    (("-t", "x", "a.io"), "invalid choice: x (choose from 'accept', 'reject', 'signedBy', 'sigstoreSigned')"),
    (("-t", "accept", "-f", "/k", "a.io"), "1 public keys unexpectedly provided for trust type accept"),
    (("-t", "accept", "bad uri"), "invalid image uri: 'bad uri'"),
    (("-t", "accept", ""), "invalid image uri: ''"),
    (("-f", "/nonexistent", "a.io"), "open /nonexistent: no such file or directory"),
    ((), "accepts 1 arg(s), received 0"),
]


def test_what_is_refused(pod: Pod) -> None:
    path = own_policy(pod, {"default": REJECT})
    before = Path(path).read_bytes()
    for arguments, message in REFUSED:
        assert failure(pod, "image", "trust", "set", *arguments) == message
    assert Path(path).read_bytes() == before


def test_a_policy_that_is_invalid_lets_nothing_in(pod: Pod, registry: Registry) -> None:
    name = push(registry, "invalid")
    path = own_policy(pod, '{"default": [')
    invalid = f'invalid policy in "{path}": '
    assert failure(pod, "pull", name).startswith(invalid)
    assert failure(pod, "run", name).startswith(invalid)
    assert failure(pod, "image", "trust", "show").startswith(invalid)
    assert failure(pod, "image", "trust", "set", "-t", "accept", "default").startswith(invalid)
    assert pod.run("images", "-q").stdout == ""


def test_the_policy_of_the_user_and_the_one_that_is_named(pod: Pod, registry: Registry) -> None:
    name = push(registry, "named")
    rejected = f"Source image rejected: Running image docker://{name} is rejected by policy."
    own_policy(pod, {"default": REJECT})
    assert failure(pod, "pull", name) == rejected
    assert failure(pod, "run", name, "true") == rejected
    assert failure(pod, "create", "--pull=always", name, "true") == rejected
    tarball = f"{pod.home}/x.tar"
    Path(tarball).write_bytes(tar(entry("x", b"x")))
    assert failure(pod, "import", tarball).startswith("Source image rejected: ")
    anything = f"{pod.home}/anything.json"
    Path(anything).write_text(json.dumps({"default": ACCEPT}))
    pod.run("import", "-q", "--signature-policy", anything, tarball)
    named = f"{pod.home}/other.json"
    Path(named).write_text(json.dumps({"default": REJECT, "transports": {"docker": {registry.address: ACCEPT}}}))
    pod.run("pull", "-q", "--signature-policy", named, name)
    assert failure(pod, "pull", "--signature-policy", "/nonexistent", name).startswith("open /nonexistent: ")


def test_a_stored_image_does_not_run_under_a_name_that_is_rejected(box: Pod) -> None:
    name = box.run("images", "--format", "{{.Repository}}:{{.Tag}}").out
    repository = name.rpartition(":")[0]
    # What came in otherwise is none of the default's business.
    own_policy(box, {"default": REJECT})
    box.run("run", "--rm", name, "true")
    own_policy(box, {"default": ACCEPT, "transports": {"docker": {repository: REJECT}}})
    message = f"Running image docker://{name} is rejected by policy."
    assert failure(box, "run", "--rm", name, "true") == message
    assert failure(box, "run", "--rm", box.run("images", "-q").out, "true") == message
    box.run("tag", name, "localhost/other:1")
    box.run("run", "--rm", "localhost/other:1", "true")


def test_sign(pod: Pod, registry: Registry) -> None:
    name = registry.push_index("signed", "1", {"linux/amd64": image("a"), "linux/arm64": image("b")})
    with signing.gpg() as gpg:
        key = Path(pod.home, "alice")
        key.write_bytes(gpg.make_key("alice"))
        for path in (Path(gpg.home), *Path(gpg.home).rglob("*")):
            os.chown(path, pod.user.uid, pod.user.gid)
        home = {"GNUPGHOME": gpg.home}
        signatures, configured = f"{pod.home}/signatures", f"{pod.home}/.local/share/containers/sigstore"
        os.mkdir(signatures)
        os.chown(signatures, pod.user.uid, pod.user.gid)
        pod.run("image", "sign", "--sign-by", "alice", "--all", "-d", signatures, name, env=home)
        pod.run("image", "sign", "--sign-by", "alice", "--directory", signatures, f"docker://{name}", env=home)
        moment = int(time.time())
        while int(time.time()) == moment:
            time.sleep(0.01)  # what is signed again in the same second is the same signature
        pod.run("image", "sign", "--sign-by", "alice", "-d", signatures, name, env=home)
        if pod.rootless:
            pod.run("image", "sign", "--sign-by=alice@example.com", name, env=home)
            assert len(os.listdir(configured)) == 1
        unknown = pod.run("image", "sign", "--sign-by", "nobody", "-d", signatures, name, env=home, check=False)
        assert unknown.stderr.startswith("Error: creating signature: ")
    found = sorted(os.path.relpath(path, signatures) for path in Path(signatures).rglob("*") if path.is_file())
    assert sorted(path.rpartition("/")[2] for path in found) == ["signature-1"] * 3 + ["signature-2"]
    settings = f"{pod.home}/.config/containers/registries.d"
    os.makedirs(settings)
    Path(settings, "a.yaml").write_text(f"default-docker: {{lookaside: 'file://{signatures}'}}\n")
    own_policy(pod, {"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(key)}]})
    pod.run("pull", "-q", name)
    other = push(registry, "unsigned")
    assert failure(pod, "pull", other).endswith("A signature was required, but no signature exists")


UNSIGNED: list[tuple[tuple[str, ...], str]] = [
    (("a.io/x",), "please provide an identity"),
    (("--sign-by", "x", "oci:/x"), "cannot determine canonical Docker reference for destination oci:/x"),
    (("--sign-by", "x", "-d", "/nonexistent", "a.io/x"), "stat /nonexistent: no such file or directory"),
    (("--sign-by", "x", "--authfile", "/nonexistent", "a.io/x"), "stat /nonexistent: no such file or directory"),
    (
        ("--sign-by", "x", "--cert-dir", "/nonexistent", "a.io/x"),
        "certificate directory /nonexistent: no such directory",
    ),
]


def test_what_is_not_signed(pod: Pod) -> None:
    for arguments, message in UNSIGNED:
        assert failure(pod, "image", "sign", *arguments) == message


def test_only_indexes_have_several_manifests_to_sign(pod: Pod, registry: Registry) -> None:
    name = push(registry, "single")
    message = failure(pod, "image", "sign", "--sign-by", "x", "--all", name)
    assert message.startswith(f"{name} is not a multi-architecture image (manifest type application/vnd.")


def image(content: str) -> Image:
    """Return a small image."""
    return Image(layers=[layer(entry("x", content.encode()))])


def push(registry: Registry, repository: str) -> str:
    """Push a small image and return its name."""
    return registry.push(repository, "1", image("x"))
