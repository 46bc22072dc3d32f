"""registries.conf in use: mirrors, blocked registries, short names; bad input as podman tells it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.actions import silent
from tests.fakes.registry import FakeRegistry
from tests.fixtures import images, leaks
from tests.fixtures.command import Pod
from tests.fixtures.engines import program
from tests.fixtures.registry import Registry, serve

SMALL = images.Image([images.layer(images.entry("file", b"content"))])


@pytest.fixture(scope="session")
def mirror(workplace: str) -> Iterator[Registry]:
    """A second registry."""
    with serve(os.path.join(workplace, "mirror")) as running:
        yield running


def configure(pod: Pod, text: str, name: str = "registries.conf") -> str:
    """Write the user's own configuration, or a file beside it; return its path."""
    path = os.path.join(pod.home, ".config/containers", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_text(text)
    return path


def test_mirrors(pod: Pod, registry: Registry, mirror: Registry) -> None:
    registry.push("real/both", "1", images.busybox())
    mirror.push("copy/both", "1", images.busybox(Cmd=["echo", "from the mirror"]))
    registry.push("real/one", "1", images.busybox(Cmd=["echo", "from the registry"]))
    configure(
        pod,
        f'[[registry]]\nprefix = "images.test"\nlocation = "{registry.address}/real"\n'
        f'[[registry.mirror]]\nlocation = "127.0.0.1:1/dead"\n[[registry.mirror]]\nlocation = "{mirror.address}/copy"\n'
        f'[[registry]]\nlocation = "{registry.address}/secret"\nblocked = true\n',
    )
    assert pod.run("run", "--rm", "-q", "images.test/both:1").out == "from the mirror"
    assert pod.run("run", "--rm", "-q", "images.test/one:1").out == "from the registry"
    assert sorted(pod.run("images", "--format", "{{.Repository}}:{{.Tag}}").out.split()) == [
        "images.test/both:1",
        "images.test/one:1",
    ]
    # What the mirror has counts for what is newer, too.
    assert pod.run("pull", "--policy", "newer", "images.test/both:1").stderr == ""
    mirror.push("copy/both", "1", images.busybox(Cmd=["echo", "changed"]))
    assert pod.run("run", "--rm", "-q", "--pull", "newer", "images.test/both:1").out == "changed"
    told = pod.run("--log-level", "debug", "pull", "-q", "images.test/one:1").stderr
    assert f'Trying to access "{mirror.address}/copy/one:1"' in told
    pod.run("rmi", "-a")
    failed = pod.run("pull", "images.test/none:1", check=False)
    assert failed.code == 125
    for place in ("(Mirrors also failed: [127.0.0.1:1/dead/none:1: ", f"[{mirror.address}/copy/none:1: "):
        assert place in failed.stderr
    for words in (["pull"], ["run", "--rm"]):
        refused = pod.run(*words, f"{registry.address}/secret/x", check=False)
        assert refused.code == 125
        assert f"registry {registry.address}/secret is blocked in " in refused.stderr
    assert pod.run("images", "-q").out == ""


def test_tls_verify_goes_over_insecure(pod: Pod, registry: Registry) -> None:
    reference = registry.push("plain", "1", SMALL)
    configure(pod, f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')
    refused = pod.run("pull", "-q", "--tls-verify", reference, check=False)
    assert (refused.code, "HTTP response to HTTPS client" in refused.stderr) == (125, True)
    pod.run("pull", "-q", reference)


def test_short_names(pod: Pod, registry: Registry, mirror: Registry) -> None:
    registry.push("images/other", "1", images.busybox(Cmd=["echo", "aliased"]))
    mirror.push("podtest", "latest", images.busybox(Cmd=["echo", "found"]))
    path = configure(pod, f'unqualified-search-registries = ["{registry.address}", "{mirror.address}"]\n')
    alias = configure(pod, f'[aliases]\npodalias = "{registry.address}/images/other"\n', "registries.conf.d/a.conf")
    told = pod.run("run", "--rm", "podalias:1")
    assert told.out == "aliased"
    assert told.stderr.splitlines()[:2] == [
        f'Resolved "podalias" as an alias ({alias})',
        f"Trying to pull {registry.address}/images/other:1...",
    ]
    told = pod.run("run", "--rm", "podtest")
    assert told.out == "found"
    assert told.stderr.splitlines()[:3] == [
        f'Resolving "podtest" using unqualified-search registries ({path})',
        f"Trying to pull {registry.address}/podtest:latest...",
        f"Trying to pull {mirror.address}/podtest:latest...",
    ]
    assert pod.run("images", "--format", "{{.Repository}}", "podtest").out == f"{mirror.address}/podtest"
    # What a name means in the store, it means also for pulling.
    assert pod.run("pull", "podtest").stderr.startswith(f"Trying to pull {mirror.address}/podtest:latest...")
    assert pod.run("run", "--rm", "podalias:1").out == "aliased"
    other = pod.run("pull", "--arch", "arm64", "podtest").stderr
    assert other.startswith(f'Resolving "podtest" using unqualified-search registries ({path})\n')
    configure(pod, 'short-name-mode = "enforcing"\n', "registries.conf.d/b.conf")
    refused = pod.run("pull", "-q", "podnone", check=False)
    assert refused.stderr.startswith("Error: short-name resolution enforced but cannot prompt without a TTY\n")
    # An image that is there asks no configuration, so that a damaged one is in nobody's way.
    configure(pod, "[[")
    assert pod.run("run", "--rm", "podtest").out == "found"
    assert pod.run("pull", "podtest", check=False).stderr.startswith(
        f'Error: loading registries configuration "{path}": toml: '
    )
    pod.run("rmi", "podtest")


def test_an_interrupt_is_for_all_that_would_be_tried(pod: Pod, mirror: Registry) -> None:
    mirror.push("podslow", "latest", SMALL)
    with FakeRegistry() as slow:
        slow.script("/v2/", silent())
        configure(pod, f'unqualified-search-registries = ["{slow.domain}", "{mirror.address}"]\n')
        pulling = pod.start("pull", "podslow")
        assert leaks.wait_until_clean(lambda: [] if slow.requests else ["not asked"], timeout=60) == []
        pulling.send_signal(signal.SIGINT)
        _, told = pulling.communicate(timeout=60)
    assert pulling.returncode == 130
    assert told.count(b"Trying to pull") == 1
    assert pod.run("images", "-q").out == ""


def test_the_choice_is_remembered(pod: Pod, registry: Registry, mirror: Registry) -> None:
    if not pod.rootless:
        pytest.skip("root's choices are the whole machine's")
    mirror.push("podchoice", "latest", SMALL)
    configure(pod, f'unqualified-search-registries = ["{registry.address}", "{mirror.address}"]\n')
    for key, expected in (("\x03", "Error: ^C"), ("\x1b[B", f"Trying to pull {mirror.address}/podchoice:latest")):
        terminal = pod.spawn("pull", "podchoice:latest")
        terminal.expect_exact("? Please select an image: ")
        terminal.expect_exact(f"{mirror.address}/podchoice:latest")
        terminal.send(key)
        if key != "\x03":
            terminal.expect_exact(f"▸ {mirror.address}/podchoice:latest")
            terminal.send("\r")
        terminal.expect_exact(expected)
        terminal.expect_exact("\r\n")
        terminal.wait()
        terminal.close()
    file = os.path.join(pod.home, ".cache/containers/short-name-aliases.conf")
    assert Path(file).read_text() == f'[aliases]\n  "podchoice" = "{mirror.address}/podchoice"\n'
    pod.run("rmi", "podchoice")
    assert pod.run("pull", "podchoice").stderr.startswith(f'Resolved "podchoice" as an alias ({file})\n')


def test_info(pod: Pod) -> None:
    text = 'unqualified-search-registries = ["a.b"]\n[[registry]]\nlocation = "x.y"\ninsecure = true\n'
    mirror = '[[registry.mirror]]\nlocation = "m.n/o"\npull-from-mirror = "digest-only"\n'
    path = configure(pod, f'{text}{mirror}[[registry]]\nprefix = "*.foo.bar"\n')
    told = pod.run("info").stdout
    assert pod.run("info", "--format", "{{.Registries.search}}").out == "[a.b]"
    assert {"  search:", "  - a.b", "  x.y:", "    Insecure: true"} <= set(section(told))
    if pod.rootless:
        return
    environment = {**pod.environment, "CONTAINERS_REGISTRIES_CONF": path}
    said = pod.execute([program("podman"), "info"], env=environment, check=False).stdout
    assert section(told) == section(said)


def section(told: str) -> list[str]:
    """Return the lines on registries, without the quotes that either puts around what needs none."""
    lines = told.replace("'", "").replace('"', "").splitlines()
    start = lines.index("registries:")
    return lines[start : next(i for i, line in enumerate(lines) if i > start and not line.startswith(" "))]


def test_credential_helpers_of_the_configuration(pod: Pod, registry: Registry) -> None:
    helper = os.path.join(pod.home, "docker-credential-podtest")
    Path(helper).write_text('#!/bin/sh\ncat >"$HOME/$1"\n[ $1 != get ] || echo \'{"Username": "me", "Secret": "x"}\'\n')
    os.chmod(helper, 0o755)
    environment = {"PATH": f"{pod.home}:{pod.environment['PATH']}"}
    configure(pod, 'credential-helpers = ["podtest"]\n')
    told = pod.run("login", "-v", "-u", "me", "-p", "secret", registry.address, env=environment)
    assert told.stdout == "Used:  credential helper: podtest\nLogin Succeeded!\n"
    assert '"Secret": "secret"' in Path(pod.home, "store").read_text()
    assert pod.run("login", "--get-login", registry.address, env=environment).out == "me"
    assert "stored credentials of me" in pod.run("login", "--verify", registry.address, env=environment).out
    pod.run("logout", registry.address, env=environment)
    assert Path(pod.home, "erase").read_text() == registry.address
    assert not os.path.exists(os.path.join(pod.home, ".config/containers/auth.json"))


# The words after the configuration; podman, where it is installed, says the same.
BAD = {
    'short-name-mode = "x"\n': ["pull", "podnone"],
    '[[registry]]\nlocation = "https://a.b"\n': ["pull", "podnone"],
    "[[registry]]\nblocked = true\n": ["run", "--rm", "podnone"],
    '[aliases]\na = "b"\n': ["pull", "podnone"],
    'unqualified-search-registries = ["127.0.0.1:1", "127.0.0.1:2"]\nshort-name-mode = "enforcing"\n': [
        "pull",
        "podnone",
    ],
    'unqualified-search-registries = ["127.0.0.1:1"]\nshort-name-mode = ""\n[registries.search]\n'
    'registries = ["127.0.0.1:2"]\n': ["pull", "podnone"],
    "unqualified-search-registries = []\n": ["run", "podnone:1"],
    "# no registry\n": ["login"],
    '[[registry]]\nlocation = "127.0.0.1:1"\nblocked = true\n': ["pull", "-q", "127.0.0.1:1/x"],
}


@pytest.mark.parametrize("text", BAD)
def test_bad_configurations(pod: Pod, text: str) -> None:
    path = configure(pod, text)
    refused = pod.run(*([] if pod.rootless else ["--registries-conf", path]), *BAD[text], check=False)
    assert refused.code == 125
    assert refused.stderr.startswith("Error: ") or "\nError: " in refused.stderr
    if pod.rootless:
        return
    podman = program("podman")
    environment = {**pod.environment, "CONTAINERS_REGISTRIES_CONF": path}
    said = subprocess.run(
        [podman, *BAD[text]], capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert said.returncode == 125
    assert refused.stderr.splitlines()[0] == said.stderr.splitlines()[-1]
