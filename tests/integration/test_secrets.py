"""`pod secret` and `run --secret`: what a container gets, and where it must not be seen."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest

from tests.fixtures.command import Pod

DATA = "qX7-hidden-Zr2"


@pytest.fixture
def secret(box: Pod) -> str:
    """The ID of a secret called `token`."""
    return box.run("secret", "create", "token", "-", input=DATA).out


def test_life_of_a_secret(box: Pod, secret: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{25}", secret)
    path = os.path.join(box.home, "file")
    with open(path, "w") as file:
        file.write("from a file")
    os.chmod(path, 0o644)
    box.run("secret", "create", "--label", "a=1", "-l", "b", "--driver", "file", "--driver-opts", "x=y", "other", path)
    box.run("secret", "create", "--env", "third", "FROM_ENV", env={"FROM_ENV": "v"})
    assert box.run("secret", "ls").stdout.split("\n")[0].split() == ["ID", "NAME", "DRIVER", "CREATED", "UPDATED"]
    assert box.run("secret", "ls", "--quiet", "--filter", "name=token").out == secret
    assert box.run("secret", "ls", "-q", "--filter", f"id={secret[:6]}").out == secret
    assert box.run("secret", "ls", "--noheading").stdout.count("\n") == 3
    assert box.run("secret", "ls", "--format", "{{.Name}} {{.Driver}}").stdout.splitlines()[0] == "other file"
    assert len(json.loads(box.run("secret", "ls", "--format", "json").stdout)) == 3
    found = json.loads(box.run("secret", "inspect", "other").stdout)[0]
    assert (found["Spec"]["Name"], found["Spec"]["Labels"]) == ("other", {"a": "1", "b": ""})
    assert found["Spec"]["Driver"]["Options"]["x"] == "y"
    assert DATA not in box.run("secret", "inspect", secret[:8]).stdout
    assert box.run("secret", "inspect", "--showsecret", "--format", "{{.SecretData}}", "token").out == DATA
    pretty = box.run("secret", "inspect", "--pretty", "other").stdout
    assert "Name:" in pretty
    assert " - a=1\n - b\n" in pretty
    assert box.run("secret", "exists", "token").code == 0
    assert box.run("secret", "exists", "nothing", check=False).code == 1
    assert box.run("secret", "rm", "token").out == secret
    assert box.run("secret", "rm", "--ignore", "token").out == ""
    assert len(box.run("secret", "rm", "--all").out.split()) == 2
    assert os.listdir(f"{box.root}/secrets") == []


def test_replace_and_ignore(box: Pod, secret: str) -> None:
    assert box.run("secret", "create", "--ignore", "token", "-", input="new").out == secret
    replaced = box.run("secret", "create", "--replace", "token", "-", input="new").out
    assert replaced != secret
    assert box.run("secret", "inspect", "--showsecret", "-f", "{{.SecretData}}", "token").out == "new"
    assert os.listdir(f"{box.root}/secrets") == [replaced]


def test_shell_driver(box: Pod) -> None:
    place = os.path.join(box.home, "kept")
    os.mkdir(place)
    os.chown(place, box.user.uid, box.user.gid)
    options = (
        f"list=ls {place},lookup=cat {place}/$SECRET_ID,store=cat > {place}/$SECRET_ID,delete=rm {place}/$SECRET_ID"
    )
    box.run("secret", "create", "--driver", "shell", "--driver-opts", options, "s", "-", input=DATA)
    assert len(os.listdir(place)) == 1
    assert box.run("secret", "inspect", "--showsecret", "-f", "{{.SecretData}}", "s").out == DATA
    box.run("secret", "rm", "s")
    assert os.listdir(place) == []


@pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gnupg")
def test_pass_driver(box: Pod) -> None:
    home, root = os.path.join(box.home, "gpg"), os.path.join(box.home, "store")
    os.mkdir(home, 0o700)
    os.chown(home, box.user.uid, box.user.gid)
    make = ["gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-gen-key", "pod@example.org"]
    box.execute(make)
    options = f"root={root},key=pod@example.org,gpghomedir={home}"
    made = box.run("secret", "create", "--driver", "pass", "--driver-opts", options, "s", "-", input=DATA).out
    with open(f"{root}/{made}.gpg", "rb") as file:
        assert DATA.encode() not in file.read()
    assert box.run("secret", "inspect", "--showsecret", "-f", "{{.SecretData}}", "s").out == DATA
    box.run("secret", "rm", "s")
    assert os.listdir(root) == []
    box.execute(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def test_mounted_secret(box: Pod, busybox: str, secret: str) -> None:
    assert secret
    script = "cat /run/secrets/token; stat -c ,%u:%g:%a /run/secrets/token"
    assert box.run("run", "--rm", "--secret", "token", busybox, "sh", "-c", script).out == f"{DATA},0:0:444"
    options = "token,type=mount,target=/a/b,uid=12,gid=34,mode=0400"
    script = "cat /a/b; stat -c ,%u:%g:%a /a/b"
    shown = box.run("run", "--rm", "--user", "12", "--secret", options, busybox, "sh", "-c", script).out
    assert shown == f"{DATA},12:34:400"
    if box.rootless:
        keep = ("--userns", "keep-id", "--secret", options)
        assert box.run("run", "--rm", *keep, busybox, "stat", "-c", "%u:%g", "/a/b").out == "12:34"


def test_secret_in_the_environment(box: Pod, busybox: str, secret: str) -> None:
    assert secret
    shown = box.run("run", "--rm", "--secret", "token,type=env", busybox, "sh", "-c", "echo $token")
    assert shown.out == DATA
    box.run("run", "-d", "--name", "c", "--secret", "token,type=env,target=KEY", busybox, "sleep", "100")
    assert box.run("exec", "c", "sh", "-c", "echo $KEY").out == DATA
    shown = box.run("inspect", "c")
    assert DATA not in shown.stdout
    secrets = json.loads(shown.stdout)[0]["Config"]["Secrets"]
    assert [(one["Name"], one["ID"]) for one in secrets] == [("token", secret)]


def test_a_container_keeps_its_copy(box: Pod, busybox: str, secret: str) -> None:
    assert secret
    box.run("create", "--name", "c", "--secret", "token", busybox, "cat", "/run/secrets/token")
    box.run("secret", "rm", "token")
    assert box.run("start", "-a", "c").out == DATA
    box.run("rm", "c")
    found = subprocess.run(["grep", "-rlF", DATA, box.root, box.runroot], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_data_is_read_by_nobody_else(box: Pod, busybox: str, secret: str) -> None:
    box.run("run", "-d", "--name", "c", "--secret", "token", "--secret", "token,type=env", busybox, "sleep", "100")
    found = subprocess.run(
        ["grep", "-rlFI", DATA, box.root, box.runroot], capture_output=True, text=True, check=False
    ).stdout.split()
    assert f"{box.root}/secrets/{secret}" in found
    for path in found:
        assert os.stat(path).st_mode & 0o077 == 0, path
        assert any(os.stat(above).st_mode & 0o077 == 0 for above in (os.path.dirname(path), path)), path


REFUSED = [
    ("secret create token -", "token: secret name in use"),
    ("secret create a/b -", "only 64 [a-zA-Z0-9-_.] characters allowed"),
    ("secret create --driver frob x -", "invalid driver"),
    ("secret create --driver shell x -", "missing config: list"),
    ("secret create x /no/such/file", "open /no/such/file: no such file or directory"),
    ("secret create --env x NOT_SET", "environment variable NOT_SET is not set"),
    ("secret create --ignore --replace x -", "ignore and replace cannot be used together"),
    ("secret create x", ""),
    ("secret inspect nothing", 'inspecting secret: no secret with name or id "nothing": no such secret'),
    ("secret rm nothing", 'no secret with name or id "nothing": no such secret'),
    ("secret rm", "requires one argument, or the --all flag"),
    ("secret ls --filter frob=1", 'invalid filter "frob"'),
    ("create --secret nothing IMAGE", 'no secret with name or id "nothing": no such secret'),
    ("create --secret token,frob IMAGE", "option frob must be in form option=value: parsing secret"),
    ("create --secret token,type=frob IMAGE", "type frob is invalid: parsing secret"),
    ("create --secret token,uid=x IMAGE", "UID x invalid: parsing secret"),
    ("create --secret token,mode=999 IMAGE", "mode 999 invalid: parsing secret"),
    ("create --secret token,type=env,mode=3 IMAGE", "UID, GID, Mode options cannot be set with secret type env"),
]


def test_refused_with_the_words_of_podman(box: Pod, busybox: str, secret: str) -> None:
    for line, message in REFUSED:
        result = box.run(*line.replace("IMAGE", busybox).split(), check=False, input="data")
        assert result.code == 125, (line, result)
        assert message in result.stderr, (line, result)
    assert box.run("secret", "ls", "-q").out == secret
    assert box.run("ps", "-aq").out == ""
    for data in ("", "x" * 512000):
        refused = box.run("secret", "create", "x", "-", input=data, check=False)
        assert (refused.code, refused.stderr.strip()) == (
            125,
            "Error: secret data must be larger than 0 and less than 512000 bytes",
        )
    box.run("secret", "create", "x", "-", input="x" * 511999)
    assert len(os.listdir(f"{box.root}/secrets")) == 2


def test_two_creates_of_one_name(box: Pod) -> None:
    running = [box.start("secret", "create", "--env", "one", "V", env={"V": str(number)}) for number in range(4)]
    codes = sorted(process.wait() for process in running)
    for process in running:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
    assert codes == [0, 125, 125, 125]
    assert len(os.listdir(f"{box.root}/secrets")) == 1
