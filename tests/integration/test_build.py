"""`pod build` from end to end: what images come to, in which order, and what is left when something fails."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import threading
import time
from typing import Any

import pytest

from tests.fixtures.command import Pod, Result


def context(pod: Pod, containerfile: str, files: dict[str, str] | None = None) -> str:
    """Make a context with these files."""
    directory = os.path.join(pod.directory, "context")
    for name, text in {"Containerfile": containerfile, **(files or {})}.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    for parent, _, names in os.walk(directory):
        for name in (".", *names):
            os.chown(os.path.join(parent, name), pod.user.uid, pod.user.gid)
    return directory


def build(
    pod: Pod, containerfile: str, *arguments: str, files: dict[str, str] | None = None, check: bool = True
) -> Result:
    """Build a context of these files, without a network."""
    return pod.run("build", "--network", "none", *arguments, context(pod, containerfile, files), check=check)


def inspect(pod: Pod, image: str) -> Any:
    return json.loads(pod.run("image", "inspect", image).out)[0]


def run(pod: Pod, *arguments: str) -> str:
    return pod.run("run", "--rm", "--network", "none", *arguments).out


def test_the_daily_build(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
ARG WHO=world
ENV GREETING="hello $WHO"
WORKDIR /app
COPY greeting.txt .
RUN echo "$GREETING" > said && cat greeting.txt >> said
USER 7
EXPOSE 80
LABEL a=b
CMD ["cat", "said"]
"""
    made = build(box, text, "-t", "app", "--build-arg", "WHO=you", files={"greeting.txt": "and all\n"})
    lines = made.stdout.splitlines()
    assert lines[0] == f"STEP 1/10: FROM {busybox}"
    assert lines[-4] == "COMMIT app"
    assert lines[-2] == "Successfully tagged localhost/app:latest"
    assert run(box, "app") == "hello you\nand all"
    image = inspect(box, "app")
    assert image["Id"] == lines[-1]
    assert image["Config"]["User"] == "7"
    assert image["Config"]["WorkingDir"] == "/app"
    assert image["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert image["Config"]["Labels"] == {"a": "b"}
    assert "GREETING=hello you" in image["Config"]["Env"]
    assert len(image["RootFS"]["Layers"]) == len(inspect(box, busybox)["RootFS"]["Layers"]) + 2
    told = [entry["created_by"] for entry in image["History"]]
    assert '|1 WHO=you /bin/sh -c echo "$GREETING" > said && cat greeting.txt >> said' in told
    assert run(box, "app", "ls", "-ln", "/app").split("\n")[1].split()[2:4] == ["0", "0"]


def test_a_context_that_is_written_to_meanwhile(box: Pod, busybox: str) -> None:
    """What is taken from the cache later is what its key says, and never what was copied in a hurry."""
    directory = context(box, f"FROM {busybox}\nCOPY file /file\n", {"file": "a" * 4096})
    path, stop = os.path.join(directory, "file"), threading.Event()

    def write() -> None:
        while not stop.is_set():
            for letter in (b"b", b"a"):
                with open(path, "r+b", buffering=0) as file:
                    file.write(letter * 4096)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(8):
            box.run("build", "--network", "none", directory)
    finally:
        stop.set()
        thread.join()
    for letter in ("a", "b"):
        with open(path, "r+b", buffering=0) as file:
            file.write(letter.encode() * 4096)
        box.run("build", "--network", "none", "-t", letter, directory)
        assert run(box, letter, "cat", "/file") == letter * 4096


def test_a_build_again_changes_nothing(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nCOPY a /a\nRUN echo ran > /b\nENV x=y\n"
    first = build(box, text, "-t", "one", files={"a": "1"})
    second = build(box, text, "-t", "two", files={"a": "1"})
    assert first.stdout.splitlines()[-1] == second.stdout.splitlines()[-1]
    assert second.stdout.count("--> Using cache") == 3
    third = build(box, text, files={"a": "2"})
    assert "Using cache" not in third.stdout
    assert build(box, text, "--no-cache", files={"a": "2"}).stdout.count("Using cache") == 0


def test_cached_layers_outlive_their_images(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN echo ran > /b\n"
    build(box, text, "-t", "one")
    box.run("rmi", "one")
    box.run("pull", "-q", busybox)
    assert "Using cache" in build(box, text, "-t", "one").stdout
    assert run(box, "one", "cat", "/b") == "ran"
    assert box.run("system", "check").code == 0


def test_stages(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox} AS base
RUN echo base > /base
FROM base AS one
RUN echo one > /one
FROM base AS unused
RUN exit 1
FROM scratch
COPY --from={busybox} /bin/ /bin/
COPY --from=one /one /base /data/
COPY --from=0 --chown=5:6 --chmod=640 /base /other
CMD ["/bin/cat", "/data/one", "/data/base"]
"""
    made = build(box, text, "-t", "staged")
    assert "[3/4]" not in made.stdout
    assert run(box, "staged") == "one\nbase"
    listed = run(box, "staged", "/bin/busybox", "ls", "-ln", "/other").split()
    assert listed[0].startswith("-rw-r-----")
    assert listed[2:4] == ["5", "6"]
    assert build(box, text, "-t", "again").stdout.splitlines()[-1] == made.stdout.splitlines()[-1]
    one = build(box, text, "--target", "ONE", "-t", "one")
    assert run(box, "one", "cat", "/one") == "one"
    assert "Using cache" in one.stdout
    failed = build(box, text, "--target", "three", check=False)
    assert failed.code == 125
    assert failed.stderr.startswith('Error: The target "three" was not found in the provided Dockerfile\n')


def test_an_entrypoint_drops_the_command_of_the_stage_below(box: Pod, busybox: str) -> None:
    text = f'FROM {busybox} AS one\nCMD ["old"]\nFROM one\nENTRYPOINT ["echo", "new"]\n'
    build(box, text, "-t", "x")
    assert run(box, "x") == "new"


def test_a_trigger_takes_files_of_a_stage(box: Pod, busybox: str) -> None:
    build(box, f"FROM {busybox}\nONBUILD COPY --from=files /a /b\n", "--format", "docker", "-t", "below")
    text = "FROM scratch AS files\nCOPY a /a\nFROM localhost/below\n"
    build(box, text, "--pull=never", "-t", "x", files={"a": "1"})
    assert run(box, "x", "cat", "/b") == "1"


def test_a_document_beside_files_of_a_stage(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS one\nRUN echo file > /file\nFROM {busybox}\n"
    text += "COPY --from=one /file <<document /d/\ntext\ndocument\n"
    build(box, text, "-t", "x")
    assert run(box, "x", "cat", "/d/file", "/d/document") == "file\ntext"


def test_stages_whose_names_are_arguments(box: Pod, busybox: str) -> None:
    text = f"""\
ARG FIRST=one
ARG SECOND=two
FROM scratch AS $FIRST
COPY a /a
FROM $FIRST AS ${{SECOND}}
COPY a /b
FROM {busybox}
COPY --from=two /a /b /
COPY --from=other /a /c
"""
    build(box, text, "-t", "x", "--build-arg", "FIRST=Other", files={"a": "1"})
    assert run(box, "x", "cat", "/a", "/b", "/c") == "111"


def test_documents_and_lines(box: Pod, busybox: str) -> None:
    text = f"""\
# escape=`
FROM {busybox} AS Base
ENV name="it's" `
    # a comment in between
    other=C:\\dir
COPY <<first <<-'second' /etc/
$name $other
first
	$name
	second
RUN <<script
#!/bin/sh
echo "$0 $name" > /script
script
RUN cat > /piped <<-end && echo more >> /piped
	$other
end
CMD cat /etc/first /etc/second /script /piped
"""
    build(box, text, "-t", "x")
    first, second, script, piped, more = run(box, "x").splitlines()
    assert (first, second, piped, more) == ("it's C:\\dir", "$name", "C:\\dir", "more")
    assert script.endswith(" it's")


def test_independent_stages_go_on_side_by_side(box: Pod, busybox: str) -> None:
    """Each of three waits for the others in a cache that they share; one at a time never finds another there."""
    meet = "touch /c/{0}; until [ -e /c/0 ] && [ -e /c/1 ] && [ -e /c/2 ]; do sleep 0.1; done"
    alone = "mkdir /c/alone && sleep 0.5 && rmdir /c/alone"

    def stages(step: str) -> str:
        cache = "--mount=type=cache,id=c,sharing=shared,target=/c"
        made = (
            f"FROM {busybox} AS s{number}\nRUN {cache} {step.format(number)} && echo {number} > /x{number}\n"
            for number in range(3)
        )
        copied = (f"COPY --from=s{number} /x{number} /\n" for number in range(3))
        return "".join(made) + "FROM scratch\n" + "".join(copied)

    build(box, stages(meet))
    build(box, stages(alone), "--jobs", "1")


def test_a_failed_run(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN echo kept > /kept\nRUN echo said; echo complained >&2; exit 42\n"
    failed = build(box, text, "-t", "never", check=False)
    assert failed.code == 42
    assert "said\n" in failed.stdout
    assert "complained\n" in failed.stderr
    assert failed.stderr.endswith(
        'Error: building at STEP "RUN echo said; echo complained >&2; exit 42": while running runtime: exit status 42\n'
    )
    assert box.run("image", "exists", "never", check=False).code == 1
    assert os.listdir(f"{box.root}/staging") == []
    assert os.listdir(f"{box.root}/containers") == []
    again = build(box, text, "--quiet", check=False)
    assert again.stdout == "said\n"
    assert "Using cache" in build(box, text, check=False).stdout


@pytest.mark.parametrize("flag", ["--squash", "--squash-all", "--layers=false"])
def test_squashed(box: Pod, busybox: str, flag: str) -> None:
    text = f'FROM {busybox}\nRUN echo 1 > /one\nRUN rm /one; echo 2 > /two\nENV a=b\nCMD ["cat", "/two"]\n'
    build(box, text, flag, "-t", "squashed")
    image, below = inspect(box, "squashed"), inspect(box, busybox)
    expected = 1 if flag == "--squash-all" else len(below["RootFS"]["Layers"]) + 1
    assert len(image["RootFS"]["Layers"]) == expected
    assert sum(not entry.get("empty_layer") for entry in image["History"]) == expected
    assert run(box, "squashed") == "2"
    assert run(box, "squashed", "sh", "-c", "ls /one || echo gone") == "gone"


def test_layers_hold_what_was_changed_and_nothing_else(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
RUN true
RUN mkdir /d && echo x > /d/x && ln /d/x /d/y && ln -s x /d/z && chown 3:4 /d/x && chmod 4750 /d/x
RUN mkdir -p /e/f && echo old > /e/f/old
RUN rm /d/x /bin/cat && rm -rf /e/f && mkdir /e/f && echo new > /e/f/new
"""
    build(box, text, "-t", "changed")
    layers = [layer.removeprefix("sha256:") for layer in inspect(box, "changed")["RootFS"]["Layers"]]
    assert os.listdir(f"{box.root}/layers/{layers[-4]}/diff") == []
    assert sorted(os.listdir(f"{box.root}/layers/{layers[-3]}/diff")) == ["d"]
    script = "ls -ln /d; ls /e/f; ls /bin/cat || echo gone"
    told = run(box, "changed", "sh", "-c", script)
    assert [line.split()[0] for line in told.splitlines()[1:3]] == ["-rwsr-x---", "lrwxrwxrwx"]
    assert told.endswith("new\ngone")
    box.run("save", "-o", f"{box.directory}/saved.tar", "changed")
    box.run("rmi", "changed")
    box.run("load", "-i", f"{box.directory}/saved.tar")
    assert run(box, "changed", "sh", "-c", script) == told
    assert box.run("system", "check").code == 0


def left_of_builds(pod: Pod) -> list[str]:
    return [*os.listdir(f"{pod.root}/containers"), *os.listdir(f"{pod.root}/staging")]


@pytest.mark.parametrize("delay", [0.3, 2])  # before and after the monitor has executed a bare interpreter
def test_a_killed_build_leaves_nothing(box: Pod, busybox: str, delay: float) -> None:
    directory = context(box, f"FROM {busybox}\nRUN echo kept > /kept\nRUN sleep 100\n")
    started = box.start("build", "--network", "none", directory, stderr=subprocess.DEVNULL)
    assert started.stdout is not None
    for line in started.stdout:
        if line.startswith(b"STEP 3/3"):
            break
    time.sleep(delay)
    started.kill()
    started.wait()
    started.stdout.close()
    deadline = time.monotonic() + 60
    while left_of_builds(box) and time.monotonic() < deadline:
        time.sleep(0.2)
        box.run("tag", busybox, "swept")
    assert os.listdir(f"{box.root}/containers") == []
    assert os.listdir(f"{box.root}/staging") == []
    box.run("rmi", "--force", busybox, "swept")
    assert box.run("images", "--quiet").out == ""


def test_an_interrupted_build_leaves_nothing(box: Pod, busybox: str) -> None:
    directory = context(box, f"FROM {busybox}\nRUN sleep 100\n")
    started = box.start("build", "--network", "none", directory, stderr=subprocess.DEVNULL)
    assert started.stdout is not None
    for line in started.stdout:
        if line.startswith(b"STEP 2/2"):
            break
    time.sleep(0.5)
    started.terminate()
    assert started.wait(timeout=60) == 143
    started.stdout.close()
    assert os.listdir(f"{box.root}/containers") == os.listdir(f"{box.root}/staging") == []


def test_files_flags_and_names(box: Pod, busybox: str) -> None:
    directory = context(box, "FROM nothing\n", {"other": f"FROM {busybox}\nENV a=b c=d\n"})
    made = box.run(
        *("image", "build", "-f", "other", "-t", "one", "--tag", "two:3", "--label", "l=m", "--annotation", "n=o"),
        *("--env", "e=f", "--unsetenv", "c", "--iidfile", f"{box.directory}/iid", "--format", "oci", directory),
        *("--rm", "--force-rm", "--quiet"),
    )
    with open(f"{box.directory}/iid") as file:
        assert file.read() == f"sha256:{made.out}"
    image = inspect(box, "two:3")
    assert image["Id"] == inspect(box, "one")["Id"] == made.out
    assert image["Config"]["Labels"] == {"l": "m"}
    assert image["Annotations"]["n"] == "o"
    assert {"a=b", "e=f"} < set(image["Config"]["Env"])
    assert "c=d" not in image["Config"]["Env"]
    docker = box.run("builder", "build", "-q", "-f", "other", "--format", "docker", directory)
    assert inspect(box, docker.out)["ManifestType"].endswith("docker.distribution.manifest.v2+json")
    assert box.run("buildx", "build", "-q", "-f", "other", "--from", "one", directory).code == 0


def test_what_is_left_out_of_the_context(box: Pod, busybox: str) -> None:
    text = f'FROM {busybox}\nCOPY . /c\nCMD ["ls", "/c"]\n'
    files = {
        "Containerfile": "",
        ".containerignore": "b\nContainerfile\n.c*\n",
        "a": "",
        "b": "",
        "rules": "a\nC*\n.c*\n",
    }
    del files["Containerfile"]
    build(box, text, "-t", "some", files=files)
    assert run(box, "some") == "a\nrules"
    build(box, text, "-t", "some", "--ignorefile", f"{box.directory}/context/rules", files=files)
    assert run(box, "some") == "b\nrules"


def test_errors_name_the_step(box: Pod, busybox: str) -> None:
    failed = build(box, f"FROM {busybox}\nCOPY nothing /\n", check=False)
    assert failed.code == 125
    assert failed.stderr.endswith(
        f'Error: building at STEP "COPY nothing /": checking on sources under "{box.directory}/context":'
        ' copier: stat: "/nothing": no such file or directory\n'
    )
    failed = build(box, "FROM nosuch:1\n", "--pull=never", check=False)
    assert failed.stderr.endswith("Error: creating build container: nosuch:1: image not known\n")
    failed = box.run("build", check=False)
    assert failed.stderr == "Error: no context directory and no Containerfile specified\n"


@pytest.mark.parametrize(
    "words",
    [
        ("builder", "prune", "--force"),
        ("builder", "prune", "-a", "-f", "--filter", "until=1ms"),
        ("image", "prune", "--build-cache", "-f"),
        ("image", "prune", "--all", "-f"),
        ("system", "prune", "--build", "-f"),
        ("system", "prune", "--all", "-f"),
    ],
)
def test_the_cache_is_pruned(box: Pod, busybox: str, words: tuple[str, ...]) -> None:
    text = f"FROM {busybox}\nRUN echo 1 > /x\nRUN dd if=/dev/zero of=/y bs=1k count=1000\n"
    build(box, text, "-t", "one")
    box.run("builder", "prune", "-f", "--filter", "until=1h")
    assert build(box, text).stdout.count("Using cache") == 2
    box.run("rmi", "one")
    box.run("tag", busybox, "kept")
    before = set(os.listdir(f"{box.root}/layers"))
    time.sleep(0.01)
    pruned = box.run(*words)
    if words[0] == "builder":
        assert pruned.out.startswith("Total reclaimed space: 1.0")
    assert len(before - set(os.listdir(f"{box.root}/layers"))) >= 2
    box.run("pull", "--quiet", busybox)
    assert "Using cache" not in build(box, text).stdout


def test_no_prune_takes_the_cache_of_a_build_that_goes_on(box: Pod, busybox: str) -> None:
    directory = context(box, f"FROM {busybox}\nRUN echo kept > /kept\nRUN sleep 3; cat /kept\n")
    started = box.start("build", "--network", "none", directory, stderr=subprocess.DEVNULL)
    assert started.stdout is not None
    for line in started.stdout:
        if line.startswith(b"STEP 3/3"):
            break
    box.run("system", "prune", "--all", "--force")
    assert box.run("ps", "-aq").out == ""
    assert started.stdout.readline() == b"kept\n"
    assert started.wait(timeout=60) == 0
    started.stdout.close()


def test_the_image_below_is_pulled(pod: Pod, busybox: str) -> None:
    for name, text in (("auth.json", "{}"), ("policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')):
        with open(f"{pod.directory}/{name}", "w") as file:
            file.write(text)
    os.mkdir(f"{pod.directory}/certs")
    os.chmod(f"{pod.directory}/certs", 0o755)
    flags = (
        *("--pull", "--tls-verify=false", "--creds", "any:body", "--cert-dir", f"{pod.directory}/certs"),
        *("--authfile", f"{pod.directory}/auth.json", "--signature-policy", f"{pod.directory}/policy.json"),
        *("--retry", "1", "--retry-delay", "1s", "--variant", ""),
    )
    made = build(pod, f"FROM {busybox}\nENV a=b\n", *flags, "--quiet", "--arch", "amd64", "--os", "linux")
    assert inspect(pod, made.out)["Architecture"] == "amd64"
    again = build(pod, f"FROM --platform=$BUILDPLATFORM {busybox}\nENV a=b\n", "--platform", "linux/amd64", "-q")
    assert again.out == made.out


def test_add_unpacks_archives(box: Pod, busybox: str) -> None:
    directory = context(box, f"FROM {busybox}\nADD inner.tar plain /d/\nADD --unpack=false inner.tar /kept/\n")
    with open(f"{directory}/plain", "w") as file:
        file.write("plain")
    with tarfile.open(f"{directory}/inner.tar", "w") as archive:
        entry = tarfile.TarInfo("in/side")
        entry.size, entry.uid = 3, 7
        archive.addfile(entry, io.BytesIO(b"abc"))
    box.run("build", "--network", "none", "-t", "added", directory)
    assert run(box, "added", "sh", "-c", "cat /d/in/side /d/plain; ls /kept") == "abcplaininner.tar"


def test_contexts_from_elsewhere(box: Pod, busybox: str) -> None:
    text = f'FROM {busybox}\nCOPY a /a\nCMD ["cat", "/a"]\n'
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in (("Containerfile", text), ("a", "from a tar")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    box.run("build", "--network", "none", "-t", "tarred", "-", input=data.getvalue())
    assert run(box, "tarred") == "from a tar"
    box.run("build", "--network", "none", "-t", "piped", "-", input=f"FROM {busybox}\nRUN echo piped > /x\n")
    assert run(box, "piped", "cat", "/x") == "piped"
    failed = box.run("build", "--network", "none", "-", input=text, check=False)
    assert "there is no build context to copy from" in failed.stderr
    assert os.listdir(f"{box.root}/staging") == []


def test_triggers_of_the_image_below(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nONBUILD COPY a /a\nONBUILD RUN cat /a /a > /b\nHEALTHCHECK CMD true\n"
    build(box, text, "--format", "docker", "-t", "below")
    assert inspect(box, "below")["Config"]["OnBuild"] == ["COPY a /a", "RUN cat /a /a > /b"]
    made = build(box, "FROM below\nRUN cat /b /b > /c\n", "--format", "docker", "-t", "above", files={"a": "x"})
    assert "STEP 4/4: RUN cat /b /b > /c" in made.stdout
    assert run(box, "above", "cat", "/c") == "xxxx"
    assert not inspect(box, "above")["Config"].get("OnBuild")
    warned = build(box, text)
    assert warned.stderr.count("is not supported for OCI image format and will be ignored") == 2
