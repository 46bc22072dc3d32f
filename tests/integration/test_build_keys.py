"""What the result of a step depends on: with any of it changed, an older result is not taken."""

from __future__ import annotations

import glob
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


def taken(box: Pod, busybox: str, flags: str, source: str, script: str) -> tuple[bool, str]:
    """Copy something of a stage that a script makes; tell whether that was known, and the image's ID."""
    made = f"mkdir -p /d/e && echo one > /d/a && echo two > /d/b && echo sub > /d/e/c && ln -s a /d/link && {script}"
    text = f"FROM {busybox} AS src\nRUN {made}\nFROM {busybox}\nCOPY --from=src {flags} {source} /to/\n"
    out = build(box, text).stdout
    return out.count("Using cache") > out.split("[2/2] STEP")[0].count("Using cache"), out.splitlines()[-1]


@pytest.mark.parametrize(
    ("flags", "source", "same", "others"),
    [
        ("", "/d/a", "echo x > /d/b", ("echo x > /d/a", "chmod 600 /d/a", "chown 7 /d/a")),
        ("", "/d/link", "echo x > /d/b", ("ln -sf b /d/link", "echo x > /d/a")),
        ("", "/d", "echo x > /other", ("echo x > /d/new", "rm /d/b", "chmod 700 /d/e", "ln -sf b /d/link")),
        ("--exclude=b", "/d", "echo x > /d/b", ("echo x > /d/a",)),
        ("--parents", "/d/e/c", "echo x > /d/b", ("chmod 700 /d/e", "echo x > /d/e/c")),
        ("--chown=3:4 --chmod=640 --link", "/d/a /d/b", "echo x > /d/e/c", ("echo x > /d/b",)),
        ("", "/d/[ab]", "echo x > /d/e/c", ("mv /d/a /d/c",)),
    ],
)
def test_only_what_is_taken_of_a_stage(
    box: Pod, busybox: str, flags: str, source: str, same: str, others: tuple[str, ...]
) -> None:
    known, image = taken(box, busybox, flags, source, "true")
    assert not known
    # Something else in the stage is another, then it is this once more, by another way.
    assert taken(box, busybox, flags, source, same) == (True, image)
    assert taken(box, busybox, flags, source, same) == (True, image)
    for other in others:
        known, changed = taken(box, busybox, flags, source, other)
        assert not known, other
        assert changed != image


def test_what_is_taken_of_an_image(box: Pod, busybox: str) -> None:
    for number, content in enumerate(("one", "two")):
        build(box, f"FROM {busybox}\nRUN echo same > /a && echo {content} > /b\n", "-t", "from")
        out = build(box, f"FROM {busybox}\nCOPY --from=localhost/from /a /a\n").stdout
        assert out.count("Using cache") == number
    failed = build(box, f"FROM {busybox}\nCOPY --from=localhost/from /missing /a\n", check=False)
    assert '"/missing": no such file or directory' in failed.stderr


def test_attributes_of_what_is_taken_of_a_stage(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS src\nCOPY d /d\nFROM {busybox}\nCOPY --from=src /d/a /a\n"
    directory = context(box, text, {"d/a": "same"})
    images = []
    for value in (b"one", b"two"):
        os.setxattr(f"{directory}/d/a", "user.kind", value)
        out = build(box, text).stdout
        assert "Using cache" not in out
        images.append(out.splitlines()[-1])
    assert len(set(images)) == 2


def test_what_is_taken_of_a_stage_is_not_read_again(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS src\nRUN echo one > /taken\nFROM {busybox}\nCOPY --from=src /taken /to\n"
    image = build(box, text).stdout.splitlines()[-1]
    (path,) = glob.glob(f"{box.root}/layers/*/diff/taken")
    with open(path, "r+") as file:  # what nobody does to a layer: whoever reads it sees another file
        file.write("two")
    again = build(box, text).stdout
    assert again.splitlines()[-1] == image
    assert again.count("Using cache") == 2
    assert run(box, image, "cat", "/to") == "one"


MOUNTED = "mkdir -p /made/d && echo x > /made/d/f && ln -s made /link"


@pytest.mark.parametrize("source", ["/made", "/link", "/made/d/f", "link/d/../d"])
@pytest.mark.parametrize(
    ("script", "known"),
    [
        ("echo other > /elsewhere && {0}", True),
        ("echo other > /made.d && {0} && touch -d @5 /made/d/f /made", True),
        ("{0} && echo y > /made/d/f", False),
        ("{0} && chown -R 5 /made", False),
    ],
)
def test_only_what_a_mount_shows_of_a_stage(box: Pod, busybox: str, source: str, script: str, *, known: bool) -> None:
    text = f"FROM {busybox} AS src\nRUN %s\nFROM {busybox}\nRUN --mount=from=src,source={source},target=/m true\n"
    last = "[2/2] STEP 2/2"
    for one, expected in ((MOUNTED, False), (script.format(MOUNTED), known), (script.format(MOUNTED), True)):
        lines = build(box, text % one).stdout.splitlines()
        at = next(number for number, line in enumerate(lines) if line.startswith(last))
        assert ("--> Using cache" in "\n".join(lines[at:])) is expected, lines


def test_all_that_a_mount_of_a_whole_stage_shows(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS src\nRUN %s\nFROM {busybox}\nRUN --mount=from=src,target=/m true\n"
    build(box, text % MOUNTED)
    assert "Using cache" not in build(box, text % f"echo other > /elsewhere && {MOUNTED}").stdout


def test_a_part_that_a_stage_does_not_have(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS src\nFROM {busybox}\nRUN --mount=from=src,source=/missing,target=/m true\n"
    failed = build(box, text, check=False)
    assert failed.code
    assert "/missing" in failed.stderr
    assert "Traceback" not in failed.stderr
