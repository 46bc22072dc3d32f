"""Auth files and credential helpers: which entry counts, and that writing keeps what it does not understand."""

from __future__ import annotations

import base64
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from storage import credential_helpers, credentials
from storage.credentials import Credentials
from storage.errors import RegistryError, StorageError
from storage.registry.configuration import AUTH_FILES


def entry(user: str, password: str = "secret") -> dict[str, str]:
    """Make the entry of an auth file."""
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(path: Path, document: Any) -> str:
    """Write a JSON file; give its name."""
    path.write_text(json.dumps(document))
    return str(path)


@pytest.fixture
def helpers(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has the helper `store`, which keeps its secrets as files."""
    directory = tmp_path / "bin"
    directory.mkdir()
    program = directory / "docker-credential-store"
    program.write_text(
        f"""#!/bin/sh
read -r line
case $1 in
get) name=$(echo "$line" | tr / _); cat "{tmp_path}/secret-$name" 2>/dev/null ||
    {{ echo "credentials not found in native keychain"; exit 1; }} ;;
store) echo "$line" >"{tmp_path}/stored" ;;
erase) echo "$line" >>"{tmp_path}/erased" ;;
list) echo '{{"a.b": "user", "https://c.d": "user"}}' ;;
esac
"""
    )
    failing = directory / "docker-credential-failing"
    failing.write_text("#!/bin/sh\necho 'keyring is locked'\nexit 1\n")
    slow = directory / "docker-credential-slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    odd = directory / "docker-credential-odd"
    odd.write_text("#!/bin/sh\necho topsecret\n")
    for one in directory.iterdir():
        one.chmod(0o755)
    return {"PATH": f"{directory}:/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("key", "user"),
    [
        ("a.b", "host"),
        ("a.b/x", "host"),
        ("a.b/ns", "namespace"),
        ("a.b/ns/x/y", "namespace"),
        ("a.b/ns/repo", "repository"),
        ("a.b/nsx", "host"),
        ("a.b:5000/x", "port"),
        ("docker.io/library/x", "docker"),
        ("old.io/x", "old"),
        ("none.io/x", None),
    ],
)
def test_longest_key(tmp_path: Path, key: str, user: str | None) -> None:
    auths = {
        "a.b": entry("host"),
        "a.b/ns": entry("namespace"),
        "a.b/ns/repo": entry("repository"),
        "a.b:5000": entry("port"),
        "https://index.docker.io/v1/": entry("docker"),
        "http://old.io/v2/": entry("old"),
    }
    found = credentials.lookup([write(tmp_path / "auth.json", {"auths": auths})], key)
    assert (found.username if found else None) == user


def test_files_in_order(tmp_path: Path) -> None:
    first = write(tmp_path / "1.json", {"auths": {"a.b": entry("one"), "empty.io": {}}})
    second = write(tmp_path / "2.json", {"auths": {"a.b": entry("two"), "empty.io": entry("two"), "c.d": entry("two")}})
    paths = [str(tmp_path / "missing.json"), first, second]
    for key, user in (("a.b", "one"), ("empty.io", "two"), ("c.d", "two")):
        found = credentials.lookup(paths, key)
        assert found is not None
        assert found.username == user
    assert credentials.lookup(paths, "e.f") is None


def test_forms_of_entries(tmp_path: Path) -> None:
    auths = {
        "plain.io": {"username": "u", "password": "p"},
        "colon.io": entry("u", "p:q"),
        "nul.io": entry("u", "p\0\0"),
        "token.io": {**entry("00000000-0000", ""), "identitytoken": "refresh"},
        "bearer.io": {"registrytoken": "ready"},
    }
    path = write(tmp_path / "auth.json", {"auths": auths})
    assert credentials.lookup([path], "plain.io") == Credentials("u", "p")
    assert credentials.lookup([path], "colon.io") == Credentials("u", "p:q")
    assert credentials.lookup([path], "nul.io") == Credentials("u", "p")
    assert credentials.lookup([path], "token.io") == Credentials("00000000-0000", "", "refresh")
    assert credentials.lookup([path], "bearer.io") == Credentials(registry_token="ready")


def test_dockercfg(tmp_path: Path) -> None:
    path = write(tmp_path / ".dockercfg", {"a.b": entry("old")})
    assert credentials.lookup([path], "a.b/x") == Credentials("old", "secret")


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", '{"auths": []}', '{"auths": {"a.b": 1}}', '{"auths": {"a.b": {"auth": "topsecret!"}}}'),
        *('{"auths": {"a.b": {"auth": 7}}}', '{"auths": {"a.b": {"auth": "dG9wc2VjcmV0"}}}', '"topsecret'),
    ],
)
def test_broken_files_say_where_but_not_what(tmp_path: Path, text: str) -> None:
    path = tmp_path / "auth.json"
    path.write_text(text)
    with pytest.raises(RegistryError, match=r"auth\.json") as caught:
        credentials.lookup([str(path)], "a.b")
    assert "topsecret" not in str(caught.value)
    assert "dG9wc2VjcmV0" not in str(caught.value)


def test_named_file_must_exist(tmp_path: Path) -> None:
    missing = str(tmp_path / "auth.json")
    assert credentials.lookup([missing], "a.b") is None
    with pytest.raises(RegistryError, match="no such file"):
        credentials.lookup([missing], "a.b", must_exist=True)


def test_store_and_remove(tmp_path: Path) -> None:
    path = tmp_path / "new" / "auth.json"
    credentials.store(str(path), "a.b", "user", "pass:word")
    credentials.store(str(path), "a.b/ns", "other", "x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert credentials.lookup([str(path)], "a.b/x") == Credentials("user", "pass:word")
    assert credentials.lookup([str(path)], "a.b/ns/x") == Credentials("other", "x")
    assert credentials.remove(str(path), "a.b")
    assert not credentials.remove(str(path), "a.b")
    assert credentials.lookup([str(path)], "a.b/x") is None
    assert credentials.lookup([str(path)], "a.b/ns/x") is not None
    credentials.remove_all(str(path))
    assert json.loads(path.read_text()) == {"auths": {}}
    assert os.listdir(path.parent) == ["auth.json"]


def test_unknown_keys_and_links_stay(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    write(
        real, {"auths": {"c.d": {**entry("old"), "email": "x"}}, "HttpHeaders": {"X": "y"}, "credHelpers": {"e.f": "g"}}
    )
    real.chmod(0o644)
    link = tmp_path / "auth.json"
    link.symlink_to("real.json")
    credentials.store(str(link), "a.b", "user", "password")
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    document = json.loads(real.read_text())
    assert document["HttpHeaders"] == {"X": "y"}
    assert document["credHelpers"] == {"e.f": "g"}
    assert document["auths"]["c.d"]["email"] == "x"


def test_docker_hub_has_many_names(tmp_path: Path) -> None:
    path = write(tmp_path / "config.json", {"auths": {"https://index.docker.io/v1/": entry("docker")}})
    credentials.store(path, "docker.io", "pod", "password")
    assert list(json.loads(Path(path).read_text())["auths"]) == ["docker.io"]
    assert credentials.remove(path, "docker.io")
    assert credentials.lookup([path], "docker.io/x") is None


@pytest.mark.parametrize("user", ["", "a:b"])
def test_impossible_user_names(tmp_path: Path, user: str) -> None:
    with pytest.raises(StorageError, match="user name"):
        credentials.store(str(tmp_path / "auth.json"), "a.b", user, "password")
    assert list(tmp_path.iterdir()) == []


def test_logins_at_once_lose_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "auth.json")

    def log_in(number: int) -> None:
        credentials.store(path, f"host{number}.io", "user", "password")

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads(Path(path).read_text())["auths"]) == 12


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryError, match="writing auth file"):
        credentials.store(str(tmp_path / "file" / "auth.json"), "a.b", "user", "password")


def test_helpers(tmp_path: Path, helpers: dict[str, str]) -> None:
    secret = json.dumps({"ServerURL": "a.b", "Username": "user", "Secret": "password"})
    (tmp_path / "secret-a.b").write_text(secret)
    (tmp_path / "secret-https:__index.docker.io_v1_").write_text(
        json.dumps({"Username": "<token>", "Secret": "refresh"})
    )
    path = write(
        tmp_path / "config.json",
        {
            "auths": {"a.b": {}, "c.d": entry("file"), "e.f": {}},
            "credsStore": "store",
            "credHelpers": {"f.io": "failing"},
        },
    )
    assert credentials.lookup([path], "a.b/x", environment=helpers) == Credentials("user", "password")
    assert credentials.lookup([path], "docker.io/x", environment=helpers) == Credentials(identity_token="refresh")
    assert credentials.lookup([path], "c.d", environment=helpers) == Credentials("file", "secret")
    assert credentials.lookup([path], "e.f", environment=helpers) is None
    with pytest.raises(RegistryError, match="docker-credential-failing get: keyring is locked"):
        credentials.lookup([path], "f.io", environment=helpers)


def test_helpers_store_and_erase(tmp_path: Path, helpers: dict[str, str]) -> None:
    path = write(tmp_path / "config.json", {"credHelpers": {"a.b": "store"}})
    credentials.store(path, "a.b", "user", "password", environment=helpers)
    assert json.loads((tmp_path / "stored").read_text()) == {
        "ServerURL": "a.b",
        "Username": "user",
        "Secret": "password",
    }
    assert "auths" not in json.loads(Path(path).read_text())
    assert not credentials.remove(path, "a.b", environment=helpers)
    (tmp_path / "secret-a.b").write_text(json.dumps({"Username": "user", "Secret": "password"}))
    assert credentials.remove(path, "a.b", environment=helpers)
    assert (tmp_path / "erased").read_text().strip() == "a.b"


def test_helpers_for_all_registries(tmp_path: Path, helpers: dict[str, str]) -> None:
    path = write(tmp_path / "auth.json", {"auths": {"a.b": entry("file"), "c.d": entry("file")}})
    (tmp_path / "secret-a.b").write_text(json.dumps({"Username": "helper", "Secret": "x"}))

    def user(key: str, *names: str) -> str:
        found = credentials.lookup([path], key, environment=helpers, helpers=names)
        return found.username if found is not None else ""

    assert user("a.b/x", "store", AUTH_FILES) == "helper"
    assert user("c.d", "store", AUTH_FILES) == "file"
    assert user("a.b", AUTH_FILES, "store") == "file"
    assert user("c.d", "store") == ""
    assert user("c.d", "failing", AUTH_FILES) == "file"
    with pytest.raises(RegistryError, match="keyring is locked"):
        user("e.f", "failing", AUTH_FILES)
    # Where one cannot keep them, the next does.
    named = ("failing", AUTH_FILES, "store")
    assert credentials.store(path, "g.h", "me", "x", environment=helpers, helpers=named) == path
    assert credentials.store(path, "g.h", "me", "x", environment=helpers, helpers=("store",)) == (
        "credential helper: store"
    )
    assert credentials.store(path, "g.h/ns", "me", "x", environment=helpers, helpers=("store", AUTH_FILES)) == path
    assert credentials.remove(path, "a.b", environment=helpers, helpers=("store", AUTH_FILES))
    assert (tmp_path / "erased").read_text().split() == ["a.b"]
    credentials.remove_all(path, environment=helpers, helpers=("store", AUTH_FILES))
    assert json.loads(Path(path).read_text())["auths"] == {}
    assert (tmp_path / "erased").read_text().split() == ["a.b", "a.b", "https://c.d"]


def test_helpers_that_misbehave(tmp_path: Path, helpers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_helpers, "SECONDS", 0.2)
    named = {"slow.io": "slow", "odd.io": "odd", "none.io": "missing", "bad.io": "../../bin/sh"}
    path = write(tmp_path / "config.json", {"credHelpers": named})
    messages = {"slow.io": "no answer", "odd.io": "not understood", "none.io": "no such file", "bad.io": "bad name"}
    for domain, message in messages.items():
        with pytest.raises(RegistryError, match=message) as caught:
            credentials.lookup([path], domain, environment=helpers)
        assert "topsecret" not in str(caught.value)


def test_repr_hides_secrets() -> None:
    shown = repr(Credentials("user", "topsecret", "topsecret", "topsecret"))
    assert "user" in shown
    assert "topsecret" not in shown
