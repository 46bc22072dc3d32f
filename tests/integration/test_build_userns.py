"""`pod build --userns`: RUN in a user namespace of its own, and the owners of what it sees and leaves."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.fixtures import ranges
from tests.fixtures.command import Pod
from tests.integration.test_build import build, context, run
from tests.integration.test_build_mounts import top_layer

OWNERS = "stat -c '%n %u:%g %a'"


def mapped(box: Pod) -> tuple[str, ...]:
    """Return flags that shift all IDs: for a user within those of the user's own namespace."""
    return ("--userns-uid-map", "0:20000:40000" if box.rootless else "0:300000:65536")


def first_line(box: Pod) -> str:
    return "0 20000 40000" if box.rootless else "0 300000 65536"


def test_files_have_the_owners_that_the_step_sees(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
RUN mkdir -p /base/d && echo old > /base/file && chown 5:6 /base/file
COPY --chown=7:8 file /copied
WORKDIR /work
RUN cat /proc/self/uid_map /proc/self/gid_map > /map && id -u > /said && {OWNERS} /base/file /copied /work / >> /said
RUN echo new >> /base/file && chown 9:9 /copied && cp /bin/busybox /suid && chown 3:3 /suid && chmod 4755 /suid \\
    && ln /suid /other && ln -s nowhere /link && rm -r /base/d && chown -h 4:4 /link
USER 1000:1001
WORKDIR /home/user
RUN touch own && {OWNERS} own /suid /other /copied /base/file . > /tmp/seen || cat /tmp/seen
USER 0
COPY --chown=1000:9 file /home/user/file
RUN {OWNERS} /home/user/* /map /link >> /said
"""
    build(box, text, "-t", "own", *mapped(box), files={"file": "x\n"})
    assert [" ".join(line.split()) for line in run(box, "own", "cat", "/map").splitlines()] == [first_line(box)] * 2
    assert run(box, "own", "cat", "/said").splitlines() == [
        "0",
        "/base/file 5:6 644",
        "/copied 7:8 644",
        "/work 0:0 755",
        "/ 0:0 755",
        "/home/user/file 1000:9 644",
        "/home/user/own 1000:1001 644",
        "/map 0:0 644",
        "/link 4:4 777",
    ]
    assert run(box, "own", "cat", "/tmp/seen").splitlines() == [
        "own 1000:1001 644",
        "/suid 3:3 4755",
        "/other 3:3 4755",
        "/copied 9:9 644",
        "/base/file 5:6 644",
        ". 1000:1001 755",
    ]
    assert run(box, "own", "sh", "-c", f"{OWNERS} /suid /base/file /work /; cat /base/file; ls /base").splitlines() == [
        "/suid 3:3 4755",
        "/base/file 5:6 644",
        "/work 0:0 755",
        "/ 0:0 755",
        "old",
        "new",
        "file",
    ]


def test_in_one_layer(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
RUN echo a > /a && chown 5:5 /a
COPY --chown=6:6 file /b
RUN {OWNERS} /a /b > /said && chown 7:7 /a
"""
    for flag in ("--layers=false", "--squash-all"):
        build(box, text, "-t", "one", flag, *mapped(box), files={"file": "x\n"})
        assert run(box, "one", "cat", "/said").splitlines() == ["/a 5:5 644", "/b 6:6 644"]
        assert run(box, "one", "sh", "-c", f"{OWNERS} /a /b").splitlines() == ["/a 7:7 644", "/b 6:6 644"]


def test_from_nothing(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox} AS tools
FROM scratch
COPY --from=tools /bin /bin
RUN ["/bin/busybox", "sh", "-c", "echo 1 > /etc/one && mkdir /run/x && busybox stat -c %u / /etc /etc/one > /said"]
"""
    build(box, text, "-t", "scratched", *mapped(box))
    assert run(box, "scratched", "cat", "/said").split() == ["0", "0", "0"]


def test_mounts_of_a_step(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox} AS other
RUN mkdir /o && echo other > /o/file && chown 5:5 /o/file
FROM {busybox}
RUN --mount=type=cache,target=/cache,uid=3 --mount=type=secret,id=word,uid=4,mode=0400 \\
    --mount=type=tmpfs,target=/memory --mount=from=other,source=/o,target=/other \\
    --mount=from=other,source=/o,target=/changed,rw --mount=target=/context \\
    --mount=type=cache,from=other,source=/o,target=/filled \\
    cat /run/secrets/word /context/file /filled/file > /said \\
    && {OWNERS} /cache /run/secrets/word /memory /other/file /changed/file /filled/file >> /said \\
    && touch /cache/kept /filled/more && chown 6 /cache/kept && echo x >> /changed/file && ! touch /other/x
RUN --mount=type=cache,target=/cache,uid=3 {OWNERS} /cache/kept >> /said
RUN <<END
#!/bin/sh
echo document >> /said
END
"""
    secret = f"{box.directory}/secret"
    with open(secret, "w") as file:
        file.write("hidden\n")
    os.chown(secret, box.user.uid, box.user.gid)
    build(box, text, "-t", "own", "--secret", f"id=word,src={secret}", *mapped(box), files={"file": "context\n"})
    assert run(box, "own", "cat", "/said").splitlines() == [
        "hidden",
        "context",
        "other",
        "/cache 3:0 755",
        "/run/secrets/word 4:0 400",
        "/memory 0:0 1777",
        "/other/file 5:5 644",
        "/changed/file 5:5 644",
        "/filled/file 5:5 644",
        "/cache/kept 6:0 644",
        "document",
    ]
    assert top_layer(box, "own") == ["said"]


def test_the_map_counts_for_what_is_known(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN cat /proc/self/uid_map\n"
    build(box, text)
    assert "Using cache" not in build(box, text, *mapped(box)).stdout
    assert "Using cache" in build(box, text, *mapped(box)).stdout
    assert "Using cache" in build(box, text, "--userns", "host").stdout
    assert "Using cache" not in build(box, text, "--userns", "private").stdout
    assert "Using cache" not in build(box, text, "--userns-gid-map", "0:1000:1000").stdout


@pytest.mark.parametrize("how", ["container", "private", ""])
def test_a_new_namespace_with_the_same_users(box: Pod, busybox: str, how: str) -> None:
    text = f"FROM {busybox}\nRUN cat /proc/self/uid_map > /map && readlink /proc/self/ns/user > /ns && chown 5 /map\n"
    build(box, text, "-t", "own", f"--userns={how}")
    assert run(box, "own", "stat", "-c", "%u", "/map") == "5"
    # The user's own namespace maps 0 to the user.
    assert run(box, "own", "cat", "/map").split()[:2] == ["0", "0"]
    assert run(box, "own", "cat", "/ns") != os.readlink("/proc/self/ns/user")


WRONG = [
    ("--userns", "nonsense", "checking user namespace: stat nonsense: no such file or directory"),
    ("--userns", "ns:/none", "checking user namespace: stat /none: no such file or directory"),
    ("--userns", "auto:color=red", 'unknown option specified: "color"'),
    ("--userns-uid-map", "0:1", 'mapping "0:1" is not in the form containerid:hostid:size[,...]'),
    ("--userns-gid-map", "a:b:c", 'mapping "a:b:c" is not in the form containerid:hostid:size[,...]'),
    ("--userns-uid-map-user", "nobodys", 'no subuid ranges found for user "nobodys" in /etc/subuid'),
    ("--userns-gid-map-group", "nobodys", 'no subuid ranges found for user "nobodys" in /etc/subuid'),
]


@pytest.mark.parametrize(("flag", "value", "told"), WRONG)
def test_what_makes_no_sense(box: Pod, busybox: str, flag: str, value: str, told: str) -> None:
    failed = box.run("build", flag, value, context(box, f"FROM {busybox}\nRUN true\n"), check=False)
    assert failed.code == 125
    assert failed.stderr.splitlines()[0] == f"Error: {told}"


def test_what_contradicts_each_other(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN true\n"
    failed = build(box, text, "--userns", "host", *mapped(box), check=False)
    assert failed.stderr.startswith("Error: can not specify ID mappings while using host's user namespace\n")
    failed = build(box, text, "--userns", "auto", *mapped(box), check=False)
    assert failed.stderr.startswith("Error: --userns auto and --userns-* are mutually exclusive\n")


def test_a_step_that_fails_leaves_nothing(box: Pod, busybox: str) -> None:
    failed = build(box, f"FROM {busybox}\nRUN touch /x && exit 3\n", *mapped(box), check=False)
    assert failed.code == 3
    assert box.run("ps", "--all", "--quiet").out == ""
    assert os.listdir(f"{box.root}/containers") == []
    assert os.listdir(f"{box.root}/staging") == []


def test_ids_that_nobody_else_has(rootless_box: Pod, busybox: str) -> None:
    rootless_box.run("run", "-d", "--name", "a", "--userns", "auto:size=2000", busybox, "sleep", "100")
    first = int(rootless_box.run("exec", "a", "cat", "/proc/self/uid_map").out.split()[1])
    text = f"FROM {busybox}\nRUN cat /proc/self/uid_map > /said && touch /x && chown 5:5 /x\n"
    for how, size in (("auto", 1024), ("auto:size=3000", 3000), ("auto:uidmapping=1024:1024:1", 1024)):
        build(rootless_box, text, "-t", "own", "--userns", how)
        lines = run(rootless_box, "own", "cat", "/said").splitlines()
        assert lines[0].split() == ["0", str(first + 2000), str(size)]
        assert run(rootless_box, "own", "stat", "-c", "%u:%g", "/x") == "5:5"
    text = f"FROM {busybox}\nUSER 5000\nRUN cat /proc/self/uid_map > /tmp/said\n"
    build(rootless_box, text, "-t", "own", "--userns", "auto")
    assert run(rootless_box, "own", "cat", "/tmp/said").split()[2] == "5001"
    failed = build(rootless_box, text, "--userns", "auto:size=64000", check=False)
    assert "not enough unused IDs in user namespace" in failed.stderr


def test_roots_own_ranges(root_box: Pod, busybox: str) -> None:
    """With ranges of our own, in a mount namespace of our own."""
    text = f"FROM {busybox}\nRUN cat /proc/self/?id_map > /said && touch /x && chown 5:5 /x\n"
    command, directory = " ".join(root_box.argv()), context(root_box, text)
    script = ranges.mounted(root_box.home, "containers:700000:3000\nother:800000:4000")
    flags = (
        "--userns auto",
        "--userns-uid-map-user other",
        "--userns-gid-map-group containers",
        "--userns-uid-map-user other --userns-gid-map-group containers --userns-uid-map 5000:90000:10",
    )
    for said in flags:
        script += f"{command} build --quiet --network none -t own {said} {directory} && "
        script += f"{command} run --rm --network none own sh -c 'cat /said; stat -c %u:%g /x'\n"
    result = root_box.execute(["unshare", "-m", "sh", "-ec", script])
    found = [" ".join(line.split()) for line in result.stdout.splitlines() if len(line) < 64]
    assert found == [
        *("0 700000 1024", "0 700000 1024", "5:5"),
        *("0 800000 4000", "0 800000 4000", "5:5"),
        *("0 700000 3000", "0 700000 3000", "5:5"),
        *("0 700000 3000", "0 800000 4000", "5000 90000 10", "5:5"),
    ]


def test_a_users_own_ranges(rootless_box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN cat /proc/self/uid_map > /said && touch /x && chown 5:5 /x\n"
    build(rootless_box, text, "-t", "own", "--userns-uid-map-user", rootless_box.user.name)
    assert run(rootless_box, "own", "cat", "/said").split()[:2] == ["0", "1"]
    assert run(rootless_box, "own", "stat", "-c", "%u:%g", "/x") == "5:5"


def test_the_namespace_of_another(root_box: Pod, busybox: str) -> None:
    root_box.run("run", "-d", "--name", "a", "--uidmap", "0:100000:2000", busybox, "sleep", "100")
    pid = root_box.run("inspect", "--format", "{{.State.Pid}}", "a").out
    text = f"FROM {busybox}\nRUN readlink /proc/self/ns/user > /said && touch /x && chown 5:5 /x\n"
    for how in (f"/proc/{pid}/ns/user", f"ns:/proc/{pid}/ns/user"):
        build(root_box, text, "-t", "own", "--no-cache", "--userns", how)
        assert run(root_box, "own", "cat", "/said") == root_box.run("exec", "a", "readlink", "/proc/self/ns/user").out
        assert run(root_box, "own", "stat", "-c", "%u:%g", "/x") == "5:5"


def test_another_runtime(root_box: Pod, busybox: str) -> None:
    if shutil.which("runc") is None:
        pytest.skip("there is no runc")
    text = f"""\
FROM {busybox}
WORKDIR /work
RUN --mount=type=cache,target=/cache --mount=target=/context cp /context/file . && cp file /cache && chown 5:5 file
"""
    build(root_box, text, "-t", "own", "--runtime", "runc", *mapped(root_box), files={"file": "x\n"})
    assert run(root_box, "own", "stat", "-c", "%u:%g", "/work", "/work/file").split() == ["0:0", "5:5"]


def test_layers_that_are_kept_packed(root_box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN touch /x && chown 5:5 /x\nRUN stat -c %u:%g /x /bin > /said\n"
    env = {"STORAGE_OPTS": "overlay.pod_layers=erofs"}
    root_box.run("build", "--network", "none", "-t", "own", *mapped(root_box), context(root_box, text), env=env)
    said = root_box.run("run", "--rm", "--network", "none", "own", "cat", "/said", env=env)
    assert said.out.split() == ["5:5", "0:0"]
    assert any(
        os.path.exists(f"{root_box.root}/layers/{key}/layer.erofs") for key in os.listdir(f"{root_box.root}/layers")
    )


def test_what_other_commands_are_told_of_users_counts_for_them(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN id -u > /said\n"
    directory = context(box, text)
    box.run("build", "--network", "none", "-t", "own", directory, env={"PODMAN_USERNS": "keep-id:uid=9"})
    assert run(box, "own", "cat", "/said") == "0"


def test_places_of_volumes_and_working_directories(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
RUN mkdir /full && touch /full/file && chown 5:5 /full/file
VOLUME /empty /full
WORKDIR /w
RUN --mount=type=tmpfs,target=/w/m {OWNERS} . /empty /full /full/file > /said && touch /empty/x
"""
    expected = [". 0:0 755", "/empty 0:0 755", "/full 0:0 755", "/full/file 5:5 644"]
    for flags in ((), ("--compat-volumes",)):
        build(box, text, "-t", "own", *flags, *mapped(box))
        assert run(box, "own", "cat", "/said").splitlines() == expected


@pytest.mark.parametrize("flags", [(), ("--isolation", "chroot"), ("--pid", "host", "--ipc", "host")])
def test_networks_and_other_namespaces(box: Pod, busybox: str, flags: tuple[str, ...]) -> None:
    text = (
        f"FROM {busybox}\nRUN {OWNERS} /etc/hosts /etc/resolv.conf > /said && ip address && mount && chown 5:5 /said\n"
    )
    box.run("build", "-t", "own", *flags, *mapped(box), context(box, text))
    assert run(box, "own", "sh", "-c", f"cat /said; {OWNERS} /said").splitlines() == [
        "/etc/hosts 0:0 644",
        "/etc/resolv.conf 0:0 644",
        "/said 5:5 644",
    ]
