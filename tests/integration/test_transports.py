"""`pod load`, `pod save`, and `pod pull` and `pod run` of images in files, as users type them."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.command import Pod, make_pod
from tests.fixtures.leaks import control_groups
from tests.fixtures.user import current_user

CODE = 125


def lines(pod: Pod, *arguments: str) -> list[str]:
    return pod.run(*arguments).out.splitlines()


def names(pod: Pod) -> list[str]:
    return sorted(lines(pod, "images", "--format", "{{.Repository}}:{{.Tag}}"))


@pytest.fixture
def there(box: Pod) -> Path:
    """A directory that the user may write to."""
    path = Path(box.directory) / "files"
    path.mkdir()
    os.chown(path, box.user.uid, box.user.gid)
    return path


@pytest.fixture
def other(command: str, workplace: str, box: Pod) -> Iterator[Pod]:
    """Another store, of root's where that is possible: whoever uses `box`."""
    made = make_pod(command, f"{box.directory}-other", current_user())
    yield made
    made.remove_containers()
    assert made.leftovers(control_groups(), timeout=60) == []
    subprocess.run(["rm", "-rf", made.directory], check=True)


@pytest.mark.parametrize("format", ["docker-archive", "oci-archive", "oci-dir", "docker-dir"])
def test_save_load_and_run(box: Pod, busybox: str, there: Path, format: str) -> None:
    before = box.run("images", "-q", "--no-trunc").out
    output = str(there / "image")
    told = box.run("save", "--format", format, "--output", output, busybox)
    assert told.stdout == ""
    assert "Writing manifest to image destination" in told.stderr
    assert box.run("rmi", busybox).code == 0
    loaded = box.run("load", "--quiet", "--input", output)
    assert loaded.stderr == ""
    # A directory has no place for a name.
    assert loaded.out == f"Loaded image: {before if format == 'docker-dir' else busybox}"
    assert box.run("images", "-q", "--no-trunc").out == before
    transport = {"oci-dir": "oci", "docker-dir": "dir"}.get(format, format)
    assert box.run("run", "--rm", "--network=none", f"{transport}:{output}", "echo", "hello").out == "hello"
    assert box.run("pull", "--quiet", f"{transport}:{output}").out == before[7:]
    assert os.listdir(there) == ["image"]


def test_several_images_through_a_pipe(box: Pod, busybox: str, other: Pod) -> None:
    box.run("tag", busybox, "mine:v1")
    second = box.run("import", "-", "second", input=images.tar(images.entry("only", b"x"))).out
    saved = box.start("save", "--quiet", "--multi-image-archive", "mine:v1", "second", busybox)
    with saved:
        loaded = subprocess.run(
            other.argv("load"), stdin=saved.stdout, capture_output=True, env=other.environment, cwd="/", check=True
        )
    assert saved.returncode == 0
    told = loaded.stdout.decode().splitlines()
    assert told == [
        "Loaded image: localhost/mine:v1",
        f"Loaded image: {busybox}",
        "Loaded image: localhost/second:latest",
    ]
    assert names(other) == names(box)
    assert second in lines(other, "images", "-q", "--no-trunc")
    assert other.run("run", "--rm", "--network=none", "mine:v1", "cat", "/etc/passwd").out.startswith("root:x:0:0")


def test_names_and_forms_of_saved_images(box: Pod, busybox: str, there: Path) -> None:
    archive = str(there / "a.tar")
    box.run("save", "-q", "-o", archive, busybox, "more:1", "docker.io/library/more:2")
    with tarfile.open(archive) as file:
        manifest = json.load(file.extractfile("manifest.json") or file.fileobj)  # type: ignore[arg-type]
    assert manifest[0]["RepoTags"] == [busybox, "localhost/more:1", "docker.io/library/more:2"]
    assert box.run("load", "-qi", archive).out.splitlines() == [
        f"Loaded image: {name}" for name in manifest[0]["RepoTags"]
    ]
    compressed = str(there / "a.tar.gz")
    with open(archive, "rb") as file, open(compressed, "wb") as target:
        target.write(images.gzip(file.read()))
    assert f"Loaded image: {busybox}" in lines(box, "load", "-q", "-i", compressed)
    with open(archive, "rb") as file:
        assert f"Loaded image: {busybox}" in box.run("load", input=file.read()).out
    identifier = box.run("images", "-q", busybox).out
    box.run("save", "-q", "-o", str(there / "b.tar"), identifier)
    assert box.run("load", "-q", "-i", str(there / "b.tar")).out.startswith("Loaded image: sha256:")
    for flags, blob_size in (["--uncompressed", "--format=oci-dir"], 1), (["--format=docker-dir", "--compress"], 0):
        output = there / flags[0]
        box.run("save", "-q", *flags, "-o", str(output), busybox)
        plain = max(path.stat().st_size for path in output.rglob("*")) > 1_500_000
        assert plain == bool(blob_size)
    assert box.run("save", "-q", "--format=oci-archive", "-o", "/dev/stdout", busybox).code == 0


def test_a_layout_gets_a_further_image(box: Pod, busybox: str, there: Path) -> None:
    layout = str(there / "layout")
    for name in ("one", "two"):
        box.run("tag", busybox, name)
        box.run("save", "-q", "--format", "oci-dir", "-o", layout, name)
    box.run("untag", busybox)
    refused = box.run("pull", f"oci:{layout}", check=False)
    assert refused.code == CODE
    assert "more than one image in oci, choose an image" in refused.stderr
    box.run("pull", "-q", f"oci:{layout}:localhost/two:latest")
    assert names(box) == ["localhost/two:latest"]
    assert lines(box, "load", "-q", "-i", layout) == [
        f"Loaded image: localhost/{name}:latest" for name in ("one", "two")
    ]
    assert box.run("pull", "-q", "containers-storage:one").out == box.run("pull", "-q", f"oci:{layout}:@0").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["save", "-o", "x"], "requires at least 1 arg(s)"),
        (["save", "nope", "-o", "x"], "nope: image not known"),
        (
            ["save", "--format=foo", "IMAGE"],
            "format value must be one of oci-dir oci-archive docker-dir docker-archive",
        ),
        (["save", "--compress", "IMAGE"], "--compress can only be set when --format is 'docker-dir'"),
        (
            ["save", "-m", "--format=oci-archive", "IMAGE", "IMAGE"],
            'unsupported format "oci-archive" for saving multiple',
        ),
        (["save", "-o", "x:y", "IMAGE"], "invalid filename (should not contain ':') \"x:y\""),
        (
            ["save", "-o", "/no/such/x", "IMAGE"],
            'opening file "/no/such/x": open /no/such/x: no such file or directory',
        ),
        (["save", "-o", "/", "IMAGE"], 'opening file "/": open /: is a directory'),
        (["save", "-o", "/etc/passwd", "IMAGE"], "docker-archive doesn't support modifying existing images"),
        (["save", "--format=oci-dir", "IMAGE"], "the format oci-dir is a directory"),
        (["save", "--format=docker-dir", "-o", "/etc", "IMAGE"], "don't want to overwrite important data"),
        (["save", "--signature-policy", "/no/such/x", "IMAGE"], "/no/such/x"),
        (["load", "-i", "/no/such/x"], "stat /no/such/x: no such file or directory"),
        (["load", "x"], "takes no arguments"),
        (
            ["load", "-i", "/etc/passwd"],
            "payload does not match any of the supported image formats: /etc/passwd: not a tar",
        ),
        (["load", "-i", "/etc"], "payload does not match any of the supported image formats"),
        (["load", "--signature-policy", "/no/such/x"], "/no/such/x"),
        (["pull", "oci:/no/such/x"], "open /no/such/x: no such file or directory"),
        (["pull", "--all-tags", "dir:/etc"], "pulling all tags is not supported for dir transport"),
        (["pull", "ostree:x"], "the transport ostree is not supported"),
        (["run", "docker-archive:/etc/passwd", "true"], "/etc/passwd: not a tar archive"),
        (["create", "docker-daemon:x", "true"], "reference x has neither a tag nor a digest"),
    ],
)
def test_errors(box: Pod, busybox: str, words: list[str], told: str) -> None:
    result = box.run(*(busybox if word == "IMAGE" else word for word in words), check=False, input=b"")
    assert result.code == CODE
    assert told in result.stderr
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) <= 2
    assert result.stdout == ""


def test_terminals_are_refused(box: Pod, busybox: str) -> None:
    for words, told in (
        (["save", busybox], "refusing to save to terminal. Use -o flag or redirect"),
        (["load"], "cannot read from terminal, use command-line redirection or the --input flag"),
    ):
        terminal = box.spawn(*words)
        terminal.expect_exact(told)
        terminal.expect(["$"])
        terminal.close()


@pytest.mark.parametrize("format", ["oci-dir", "docker-dir"])
def test_what_a_killed_save_left_goes_with_the_next_command(box: Pod, busybox: str, there: Path, format: str) -> None:
    process = box.start("save", "--quiet", "--format", format, "--output", str(there / "image"), busybox)
    end = time.monotonic() + 20
    while not os.listdir(there) and time.monotonic() < end:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    left = os.listdir(there)
    box.run("tag", busybox, "another")
    assert os.listdir(there) == [name for name in left if name == "image"]


def test_policies_hold_for_files(box: Pod, busybox: str, there: Path) -> None:
    archive, policy = str(there / "a.tar"), str(there / "policy.json")
    box.run("save", "-q", "-o", archive, busybox)
    with open(policy, "w") as file:
        json.dump({"default": [{"type": "reject"}]}, file)
    for words in (
        ["load", "-i", archive],
        ["pull", f"docker-archive:{archive}"],
        ["save", "-o", f"{archive}2", busybox],
    ):
        result = box.run(words[0], "--signature-policy", policy, *words[1:], check=False)
        assert result.code == CODE
        assert "Source image rejected" in result.stderr
    assert not os.path.exists(f"{archive}2")


def test_what_was_interrupted_leaves_nothing(box: Pod, busybox: str, there: Path) -> None:
    os.mkfifo(there / "fifo")
    os.chown(there / "fifo", box.user.uid, box.user.gid)
    for words in (["load", "-i", str(there / "fifo")], ["save", "-o", str(there / "fifo"), busybox]):
        process = box.start(*words)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.7)
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode != 0
    assert os.listdir(there) == ["fifo"]
    before = box.run("images", "-q").out
    archive = there / "a.tar"
    box.run("save", "-q", "-o", str(archive), busybox)
    data = archive.read_bytes()
    for wrong in (data[: len(data) // 2], data.replace(b"guest:x:1000", b"guest:x:0000", 1)):
        box.run("rmi", "-fa")
        result = box.run("load", input=wrong, check=False)
        assert result.code == CODE
        assert len(result.stderr.splitlines()) < 8
        assert box.run("images", "-q").out == ""
        assert box.run("system", "check").code == 0
    assert before


@pytest.mark.parametrize("format", ["docker-archive", "oci-dir"])
def test_of_several_images_all_are_loaded_or_none(box: Pod, busybox: str, there: Path, format: str) -> None:
    box.run("import", "-", "second", input=images.tar(images.entry("only", b"x")))
    path = there / "images"
    if format == "docker-archive":
        box.run("save", "--quiet", "--multi-image-archive", "--output", str(path), busybox, "second")
        data = path.read_bytes()
        place = data.index(images.tar(images.entry("only", b"x"))[:1024])
        path.write_bytes(data[:place] + data[place:].replace(b"only", b"0nly", 1))
    else:
        for name in (busybox, "second"):
            box.run("push", "--quiet", name, f"oci:{path}:{name.partition('/')[2] or name}")
        index = json.loads((path / "index.json").read_bytes())
        (own,) = json.loads(
            (path / "blobs" / "sha256" / index["manifests"][1]["digest"].removeprefix("sha256:")).read_bytes()
        )["layers"]
        blob = path / "blobs" / "sha256" / own["digest"].removeprefix("sha256:")
        blob.write_bytes(bytes(len(blob.read_bytes())))
    box.run("rmi", "--all", "--force")
    failed = box.run("load", "--input", str(path), check=False)
    assert failed.code == CODE
    assert failed.stderr.splitlines()[-1].startswith("Error: "), failed.stderr
    assert "Loaded image" not in failed.stdout
    assert box.run("images", "--all", "--quiet").out == ""
    assert os.listdir(f"{box.root}/layers") == []
