"""What the containers of RUN get: privileges, devices, mounts, caches with content, stdin, volumes."""

from __future__ import annotations

import json
import os

from tests.fixtures.command import Pod
from tests.integration.test_build import build, context, run


def test_privileges_only_if_allowed(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN --security=insecure grep CapEff /proc/self/status > /said\n"
    failed = build(box, text, check=False)
    assert failed.code == 125
    assert "security.insecure is not allowed\n" in failed.stderr
    assert failed.stderr.endswith("hint: --allow security.insecure gives this RUN extended privileges\n")
    build(box, text, "--allow", "security.insecure", "-t", "insecure")
    few = build(box, f"FROM {busybox}\nRUN --security=sandbox grep CapEff /proc/self/status\n").stdout.split("CapEff:")[
        1
    ]
    assert int(run(box, "insecure", "cat", "/said").split()[1], 16) > int(few.split()[0], 16)
    failed = build(box, text, "--allow", "security", check=False)
    assert failed.stderr.startswith('Error: unknown entitlement "security" for --allow\n')


def test_devices_by_their_cdi_names(box: Pod, busybox: str) -> None:
    files = os.path.join(box.directory, "cdi")
    os.mkdir(files)
    edits = {"env": ["WITH=device"]}
    kind = {"cdiVersion": "0.6.0", "kind": "pod.test/x", "devices": [{"name": "a", "containerEdits": edits}]}
    with open(f"{files}/x.json", "w") as file:
        json.dump(kind, file)
    text = f"FROM {busybox}\nRUN --device=pod.test/x=a --device=pod.test/x=none echo $WITH > /said\n"
    words = ("--cdi-config-dir", files, "--allow", "device")
    build(box, text, *words, "-t", "made")
    assert run(box, "made", "cat", "/said") == "device"
    assert "Using cache" in build(box, text, *words).stdout
    kind["devices"] = [{"name": "none", "containerEdits": edits}]
    with open(f"{files}/x.json", "w") as file:
        json.dump(kind, file)
    assert "Using cache" not in build(box, text, *words).stdout
    kind["devices"] = [{"name": "a", "containerEdits": edits}]
    with open(f"{files}/x.json", "w") as file:
        json.dump(kind, file)
    failed = build(box, text.replace("x=none", "x=none,required"), *words, check=False)
    assert "unresolvable CDI devices pod.test/x=none" in failed.stderr
    failed = build(box, text, "--cdi-config-dir", files, "--allow", "device=pod.test/x=a", check=False)
    assert "device pod.test/x=none is not allowed\n" in failed.stderr
    failed = build(box, f"FROM {busybox}\nRUN --device=/dev/null true\n", *words, check=False)
    assert '"/dev/null" is not the name of a CDI device' in failed.stderr


def test_a_cache_that_begins_with_files(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox} AS first
RUN mkdir -m 750 /d && echo first > /d/file && ln -s file /d/link
FROM {busybox}
RUN --mount=type=cache,target=/c,id=filled,from=first,source=/d,uid=7 \\
    stat -c '%a %u' /c > /said && cat /c/link >> /said && echo more > /c/file
RUN --mount=type=cache,target=/c,id=filled,from=first,source=/d cat /c/file >> /said
"""
    build(box, text, "-t", "made")
    assert run(box, "made", "cat", "/said") == "750 7\nfirst\nmore"
    assert not [name for name in os.listdir(f"{box.root}/build/caches") if not name.endswith(".lock")][1:]
    assert os.listdir(f"{box.root}/staging") == []
    failed = build(box, f"FROM {busybox}\nRUN --mount=type=cache,target=/c,source=/d true\n", check=False)
    assert "a cache mount with a source requires from" in failed.stderr


def test_mounts_of_all_steps(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN cat /m/file > /one\nRUN cat /m/file /s > /two\n"
    secret = ("--secret", "id=s,env=MINE", "--mount", "type=secret,id=s,target=/s")
    directory = context(box, text, {"file": "text\n"})
    words = ("build", "--network", "none", "--mount", "type=bind,target=/m", *secret, "-t", "made", directory)
    box.run(*words, env={"MINE": "mine"})
    assert run(box, "made", "cat", "/one", "/two") == "text\ntext\nmine"
    assert box.run(*words, env={"MINE": "mine"}).stdout.count("Using cache") == 2
    context(box, text, {"file": "other\n"})
    assert "Using cache" not in box.run(*words, env={"MINE": "mine"}).stdout
    failed = box.run("build", "--mount", "", directory, check=False)
    assert failed.stderr.startswith('Error: invalid value "" for --mount\n')
    failed = box.run("build", "--mount", "type=none", directory, check=False)
    assert failed.stderr.startswith('Error: unsupported mount type "none"\n')


def test_users_that_the_image_does_not_know(box: Pod, busybox: str) -> None:
    """A step may name its own user, as images do that anybody may run: what it writes is the image's."""
    text = f"""\
FROM {busybox}
RUN chmod 666 /etc/passwd /etc/group
USER 1001:1002
RUN id > /tmp/before; grep -c 1001 /etc/passwd /etc/group > /tmp/counted; echo "[$container]" > /tmp/told
RUN echo 'named:x:1001:1002::/:/bin/sh' >> /etc/passwd && echo 'group:x:1002:' >> /etc/group
RUN id > /tmp/after
ENV container=ours
RUN echo "[$container]" >> /tmp/told
"""
    build(box, text, "-t", "known")
    show = "cat /tmp/before /tmp/counted /tmp/after; tail -n 1 /etc/passwd; cat /tmp/told"
    said = run(box, "known", "sh", "-c", show)
    assert said.splitlines() == [
        "uid=1001 gid=1002 groups=1002",
        "/etc/passwd:0",
        "/etc/group:0",
        "uid=1001(named) gid=1002(group) groups=1002(group)",
        "named:x:1001:1002::/:/bin/sh",
        "[]",
        "[ours]",
    ]


def test_stdin(box: Pod, busybox: str) -> None:
    directory = context(box, f"FROM {busybox}\nRUN cat > /said\n")
    for text in ("one", "two"):
        box.run("build", "--network", "none", "--stdin", "-t", "made", directory, input=text)
        assert run(box, "made", "cat", "/said") == text
    box.run("build", "--network", "none", "-t", "made", directory, input="three")
    assert run(box, "made", "cat", "/said") == ""
    failed = box.run("build", "--stdin", "-f", "-", directory, input=f"FROM {busybox}\n", check=False)
    assert failed.stderr.startswith("Error: --stdin: stdin is read for the context or the Containerfile\n")


def test_volumes_keep_what_they_had(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
RUN mkdir /v && echo kept > /v/file
VOLUME /v
RUN echo changed > /v/file && echo new > /v/new && cat /v/file > /said
"""
    for flags, expected in (([], "changed\nnew"), (["--compat-volumes"], "kept")):
        directory = context(box, f"{text}RUN cat /v/* > /found\n")
        box.run("build", "--network", "none", *flags, "-t", "made", directory)
        assert run(box, "made", "cat", "/said") == "changed"
        assert run(box, "made", "cat", "/found") == expected
    failed = build(box, text, "--compat-volumes", "--squash", check=False)
    assert "--compat-volumes goes with layers only" in failed.stderr
    build(box, f"FROM {busybox}\nVOLUME /none\nRUN touch /none/file\nRUN ! ls /none/file\n", "--compat-volumes")


def test_stages_that_nothing_needs(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS unused\nRUN echo ran\nFROM {busybox}\n"
    words = ("build", "--network", "none", context(box, text))
    assert "ran\n" not in box.run(*words).stdout
    assert "ran\n" in box.run(*words, "--skip-unused-stages=false").stdout
