"""What the result of a step depends on: with any of it changed, an older result is not taken."""

from __future__ import annotations

import os

import pytest

from tests.fixtures.command import Pod
from tests.integration.test_build import build, context, inspect, run


def test_the_flags_on_the_containers_of_run(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN grep there /etc/hosts > /said\n"
    for address in ("10.1.2.3", "10.5.6.7"):
        built = build(box, text, "--add-host", f"there:{address}", "-t", "said")
        assert "Using cache" not in built.stdout
        assert address in run(box, "said", "cat", "/said")
    assert "Using cache" in build(box, text, "--add-host", "there:10.1.2.3").stdout


def test_a_proxy_that_is_declared(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nARG http_proxy\nRUN echo $http_proxy > /said\n"
    for proxy in ("http://one.invalid", "http://two.invalid"):
        build(box, text, "--build-arg", f"http_proxy={proxy}", "-t", "said")
        assert run(box, "said", "cat", "/said") == proxy
        assert f"http_proxy={proxy}" in inspect(box, "said")["History"][-1]["created_by"]
    text = f"FROM {busybox}\nRUN echo $http_proxy > /said\n"
    build(box, text, "--build-arg", "http_proxy=http://one.invalid")
    assert "Using cache" in build(box, text, "--build-arg", "http_proxy=http://two.invalid").stdout


def test_all_that_a_mounted_context_shows(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN --mount=target=/c cat /c/d/ignored > /said; stat -c %a /c/d >> /said\n"
    files = {".containerignore": "d/ignored\n", "d/other": ""}
    for content in ("one", "two"):
        build(box, text, "-t", "said", files={**files, "d/ignored": content})
        assert run(box, "said", "cat", "/said").startswith(content)
    os.chmod(f"{box.directory}/context/d", 0o751)
    build(box, text, "-t", "said", files={**files, "d/ignored": "two"})
    assert run(box, "said", "cat", "/said").endswith("751")
    text = f"FROM {busybox}\nRUN --mount=target=/c,source=[ab] cat /c/file > /said; stat -c %a /c >> /said\n"
    for content in ("one", "two"):
        build(box, text, "-t", "said", files={"[ab]/file": content, "a/file": "", "b/file": ""})
        assert run(box, "said", "cat", "/said").startswith(content)
    os.chmod(f"{box.directory}/context/[ab]", 0o751)
    build(box, text, "-t", "said")
    assert run(box, "said", "cat", "/said").endswith("751")


def test_a_context_with_something_that_may_not_be_read(box: Pod, busybox: str) -> None:
    if not box.rootless or os.getuid() != 0:
        pytest.skip("root reads all, and only root makes a file of somebody else's")
    text = f"FROM {busybox}\nRUN --mount=target=/c,source=d cat /c/file > /said\n"
    directory = context(box, text, {"d/file": "one"})
    with open(f"{directory}/d/alien", "w", opener=lambda path, flags: os.open(path, flags, 0o600)):
        pass
    for _ in range(2):
        assert "Using cache" not in box.run("build", "--network", "none", "-t", "said", directory).stdout
        assert run(box, "said", "cat", "/said") == "one"


def test_variables_of_the_command_line(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS one\nENV B=changed$A\nLABEL l=$A\nFROM one\nRUN echo $A $B > /said\n"
    for value in ("1", "2"):
        build(box, text, "--env", f"A={value}", "--env", "B=0", "-t", "said")
        assert run(box, "said", "cat", "/said") == f"{value} changed{value}"
    image = inspect(box, "said")
    assert {"A=2", "B=changed2"} < set(image["Config"]["Env"])
    assert image["Config"]["Labels"]["l"] == "2"


def test_an_older_result_of_the_step_before(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS one\nRUN head -c 8 /dev/urandom > /a\nFROM one\nRUN cp /a /b\n"
    build(box, text)
    build(box, text, "--no-cache", "--target", "one")
    built = build(box, text, "-t", "said").stdout
    assert built.count("Using cache") == 1
    run(box, "said", "cmp", "/a", "/b")
