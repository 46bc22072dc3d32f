"""RUN --mount and RUN with documents."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time

import pytest

from tests.fixtures.command import Pod
from tests.integration.test_build import build, context, inspect, run


def top_layer(pod: Pod, image: str) -> list[str]:
    """List the files of an image's topmost layer."""
    diff = f"{pod.root}/layers/{inspect(pod, image)['RootFS']['Layers'][-1].removeprefix('sha256:')}/diff"
    return sorted(os.path.relpath(f"{parent}/{name}", diff) for parent, _, names in os.walk(diff) for name in names)


def test_bind_mounts(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox} AS other
RUN mkdir /o && echo other > /o/file
FROM {busybox}
WORKDIR /w
RUN --mount=target=/context --mount=type=bind,source=d/inner,target=one \\
    --mount=from=other,source=/o,target=/other --mount=from={busybox},source=/bin/busybox,target=/tool/busybox \\
    cat /context/a one/b /other/file > /said && /tool/busybox true && ! touch /context/x
RUN --mount=target=/context,rw echo new > /context/a && cat /context/a >> /said
"""
    files = {"a": "a\n", "d/inner/b": "b\n"}
    build(box, text, "-t", "bound", files=files)
    assert run(box, "bound", "cat", "/said") == "a\nb\nother\nnew"
    assert top_layer(box, "bound") == ["said"]
    with open(f"{box.directory}/context/a") as file:
        assert file.read() == "a\n"
    assert build(box, text, files=files).stdout.count("Using cache") == 4
    changed = build(box, text, "-t", "bound", files={**files, "d/inner/b": "c\n"})
    assert changed.stdout.count("Using cache") == 2
    assert run(box, "bound", "cat", "/said") == "a\nc\nother\nnew"


def test_what_is_written_to_a_mounted_file_is_thrown_away(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
RUN --mount=type=bind,source=file,target=/f,rw cat /f > /said && echo new > /f && cat /f >> /said
"""
    build(box, text, "-t", "bound", files={"file": "old\n"})
    assert run(box, "bound", "cat", "/said") == "old\nnew"
    with open(f"{box.directory}/context/file") as file:
        assert file.read() == "old\n"


def test_links_of_an_image_are_not_the_hosts(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox} AS other
RUN ln -s /usr/bin /l && mkdir -p /usr/bin/python3 && echo image > /usr/bin/python3/file
FROM {busybox}
RUN --mount=from=other,source=/l/python3,target=/m cat /m/file > /said
"""
    build(box, text, "-t", "bound")
    assert run(box, "bound", "cat", "/said") == "image"


def test_caches_and_memory(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
ARG N
RUN --mount=type=cache,target=/cache,mode=700,uid=3 --mount=type=tmpfs,target=/memory,size=1m \\
    echo $N >> /cache/all && cat /cache/all > /said && ls -ldn /cache | cut -c1-20 >> /said && \\
    touch /memory/x && mount | grep -c 'on /memory type tmpfs.*size=1024k' >> /said
"""
    build(box, text, "-t", "one", "--build-arg", "N=1")
    build(box, text, "-t", "two", "--build-arg", "N=2")
    said = run(box, "two", "cat", "/said").split()
    assert said[:3] == ["1", "2", "drwx------"]
    assert said[-1] == "1"
    assert top_layer(box, "two") == ["said"]


def test_what_podman_takes_beside_dockers_options(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
RUN --mount=type=tmpfs,target=/etc,tmpcopyup,noexec --mount=type=tmpfs,target=/empty \\
    --mount=type=cache,target=/c,nosuid,nodev,noexec --mount=type=bind,target=/b,nosuid,noexec \\
    --mount=type=bind,target=/w,rw,noexec \\
    test -s /etc/passwd && ls -A /empty > /said && \\
    mount | sed -n 's/.* on \\(.etc\\|.c\\|.b\\|.w\\) .*noexec.*/\\1/p' >> /said
RUN cat /etc/passwd >> /said
"""
    build(box, text, "-t", "one")
    said = run(box, "one", "cat", "/said").split()
    assert sorted(said[:4]) == ["/b", "/c", "/etc", "/w"]
    assert said[4].startswith("root:")


def test_a_mount_hides_none_that_is_below_it(box: Pod, busybox: str) -> None:
    mounts = "--mount=type=bind,source=f,target=/o/z/f --mount=type=tmpfs,target=/o --mount=type=tmpfs,target=/o/z"
    build(box, f"FROM {busybox}\nRUN {mounts} cat /o/z/f > /said\n", "-t", "one", files={"f": "here"})
    assert run(box, "one", "cat", "/said") == "here"


def test_a_mount_of_a_step_hides_none_of_the_builds_below_it(box: Pod, busybox: str) -> None:
    host = f"{box.directory}/host"
    os.mkdir(host)
    with open(f"{host}/file", "w") as file:
        file.write("here")
    text = f"""\
FROM {busybox}
RUN --mount=type=tmpfs,target=/o --mount=type=tmpfs,target=/etc cat /o/z/file > /said && grep -c localhost /etc/hosts
RUN --mount=type=bind,target=/etc ls -A /etc >> /said
RUN --mount=type=bind,target=/etc,rw grep -c localhost /etc/hosts
RUN --mount=type=tmpfs,target=/t,noexec=true mount | grep -c 'on /t .*noexec'
"""
    build(box, text, "-t", "one", "--volume", f"{host}:/o/z", files={"only": ""})
    assert run(box, "one", "cat", "/said").split() == ["hereContainerfile", "only"]
    assert run(box, "one", "sh", "-c", "ls -A /o 2>/dev/null; true") == ""


def test_what_a_program_makes_of_places_of_mounts_stays(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
RUN mkdir -p /kept /own /run/real && ln -s /run/real /link && ln -s /nowhere /dangling
RUN rm -r /kept /own
RUN --mount=type=tmpfs,target=/link/deep/s --mount=type=tmpfs,target=/dangling/x --mount=type=tmpfs,target=/kept/m \\
    --mount=type=tmpfs,target=/own/m rm /link && mkdir -p /link/deep/s && chmod 700 /kept && chown 5:5 /own
"""
    build(box, text, "-t", "one")
    look = "ls -A /run/real; ls -d /nowhere 2>/dev/null; ls /link/deep; stat -c %a.%u.%g /kept /own; ls -A /kept /own"
    assert run(box, "one", "sh", "-c", look).split() == ["s", "700.0.0", "755.5.5", "/kept:", "/own:"]


@pytest.mark.parametrize("flags", [[], ["--squash"], ["--userns-uid-map", "0:20000:1000"]])
def test_places_of_mounts_stay_in_no_layer(box: Pod, busybox: str, flags: list[str]) -> None:
    text = f"""\
FROM {busybox}
RUN mkdir -p /gone/old /kept /run/real && touch /gone/old/file && ln -s /run/real /link
RUN rm -r /gone /kept
RUN --mount=type=secret,id=s,target=/link/deep/s --mount=type=tmpfs,target=/gone/old \\
    --mount=type=cache,target=/kept/cache cat /link/deep/s && touch /gone/old/x /kept/beside /kept/cache/x
"""
    secret = f"id=s,src={os.path.join(box.directory, 'context', 'Containerfile')}"
    build(box, text, "-t", "one", "--secret", secret, *flags)
    assert run(box, "one", "ls", "-A", "/kept") == "beside"
    assert run(box, "one", "sh", "-c", "ls -A -d /gone /run/real/* 2>/dev/null; true") == ""


def test_a_locked_cache_is_one_steps_at_a_time(box: Pod, busybox: str) -> None:
    step = "RUN --mount=type=cache,id=c,sharing=locked,target=/c [ ! -e /c/x ] && touch /c/x && sleep 2 && rm /c/x"
    text = f"FROM {busybox} AS a\n{step}; :\nFROM {busybox} AS b\n{step}\nFROM scratch\n"
    text += "COPY --from=a /bin/true /a\nCOPY --from=b /bin/true /b\n"
    began = time.monotonic()
    build(box, text)
    assert time.monotonic() - began >= 4
    build(box, text.replace("locked", "private"))


def test_locked_caches_are_taken_together(box: Pod, busybox: str) -> None:
    a, b = (f"--mount=type=cache,id={name},sharing=locked,target=/{name}" for name in "ab")
    text = f"FROM {busybox} AS one\nRUN {a} {b} --mount=type=cache,id=a,sharing=locked,target=/c sleep 1\n"
    text += f"FROM {busybox} AS two\nRUN {b} {a} sleep 1; :\nFROM scratch\n"
    text += "COPY --from=one /bin/true /one\nCOPY --from=two /bin/true /two\n"
    directory = context(box, text)
    started = box.start("build", "--network", "none", directory, stderr=subprocess.DEVNULL)
    try:
        assert started.communicate(timeout=60) is not None
        assert started.returncode == 0
    finally:
        started.kill()


def test_a_known_step_waits_for_no_lock(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN --mount=type=cache,id=a,sharing=locked,target=/a [ ! -e /a/wait ]\n"
    build(box, text)
    slow = f"FROM {busybox}\nRUN --mount=type=cache,id=a,sharing=locked,target=/a echo holds && sleep 1000\n"
    started = box.start("build", "--network", "none", context(box, slow), stderr=subprocess.DEVNULL)
    assert started.stdout is not None
    try:
        assert any(line == b"holds\n" for line in started.stdout)
        assert "Using cache" in build(box, text).stdout
        assert started.poll() is None
    finally:
        started.terminate()
        started.wait()
        started.stdout.close()


@pytest.mark.parametrize("flags", [[], ["--runtime", "runc"]], ids=["own", "runc"])
def test_a_variable_with_a_secret_is_in_no_file(box: Pod, busybox: str, flags: list[str]) -> None:
    """Neither while the step runs nor later."""
    if flags and shutil.which(flags[1]) is None:
        pytest.skip(f"there is no {flags[1]}")
    text = f"FROM {busybox}\nRUN --mount=type=secret,id=s,env=S [ ${{#S}} = 11 ] && echo there && sleep 100\n"
    words = [*flags, "--network", "none", "--secret", "id=s,env=MINE", context(box, text)]
    started = box.start("build", *words, env={"MINE": "zyzzyvaquux"})
    assert started.stdout is not None
    assert b"there\n" in iter(started.stdout.readline, b"")

    def found() -> str:
        words = ["grep", "-rla", "-D", "skip", "zyzzyvaquux", box.root, box.runroot]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    assert found() == ""
    started.terminate()
    started.communicate()
    assert found() == ""


def test_secrets_are_in_no_layer(box: Pod, busybox: str) -> None:
    directory = context(
        box,
        f"""\
FROM {busybox}
RUN --mount=type=secret,id=one --mount=type=secret,id=two,target=/two,mode=444,uid=5 --mount=type=secret,id=none \\
    --mount=type=secret,id=two,env=TWO \\
    cat /run/secrets/one | tr a-z A-Z > /said && ls -ln /two | cut -c1-20 >> /said && echo $TWO | tr a-z A-Z >> /said
""",
    )
    with open(f"{box.directory}/secret", "w") as file:
        file.write("xyzzyplugh")
    os.chmod(f"{box.directory}/secret", 0o644)
    one, two = f"id=one,src={box.directory}/secret", "id=two,env=MINE"
    flags = ("--network", "none", "--secret", one, "--secret", two)
    box.run("build", *flags, "-t", "told", directory, env={"MINE": "other"})
    assert run(box, "told", "cat", "/said").startswith("XYZZYPLUGH-r--r--r--    1 5")
    assert run(box, "told", "cat", "/said").endswith("OTHER")
    assert top_layer(box, "told") == ["said"]
    found = subprocess.run(
        ["grep", "-rl", "xyzzyplugh", f"{box.root}/layers"], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""
    text = f"FROM {busybox}\nRUN --mount=type=secret,id=x,required true\n"
    failed = build(box, text, check=False)
    assert "secret required but no secret with id x found" in failed.stderr
    failed = build(box, text, "--secret", "id=x,src=/nonexistent", check=False)
    assert failed.stderr == "Error: could not parse secret: stat /nonexistent: no such file or directory\n"


def test_ssh(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN --mount=type=ssh ls -l $SSH_AUTH_SOCK > /said\n"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{box.directory}/agent")
        os.chmod(f"{box.directory}/agent", 0o666)
        directory = context(box, text)
        flags = ("--network", "none", "--ssh", f"default={box.directory}/agent")
        box.run("build", *flags, "-t", "told", directory)
    said = run(box, "told", "cat", "/said")
    assert said[0] == "s"
    assert said.endswith("/run/buildkit/ssh_agent.0")
    assert top_layer(box, "told") == ["said"]
    assert "SSH_AUTH_SOCK must be set" in build(box, text, "--ssh", "default", check=False).stderr


def test_documents(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
RUN <<X
set -e
echo "shell $0" > /said
X
RUN <<X
#!/bin/awk -f
BEGIN {{ print "awk" >> "/said" }}
X
RUN cat <<A >> /said && cat <<'B' >> /said
a $((1 + 1))
A
b $b
B
"""
    build(box, text, "-t", "said")
    assert run(box, "said", "cat", "/said").splitlines()[1:] == ["awk", "a 2", "b $b"]
    assert top_layer(box, "said") == ["said"]
