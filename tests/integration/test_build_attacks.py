"""What Containerfiles, contexts and images have tried against the host that builds them (contrib/docs/security.md)."""

from __future__ import annotations

import os

import pytest

from tests.fixtures.command import Pod
from tests.integration.test_build import build, context, inspect, run

SECRET = "of the host\n"


@pytest.fixture
def victim(box: Pod) -> str:
    """A directory of the host's, which the user who builds may read and write, but no build is to get to."""
    path = os.path.join(box.directory, "victim")
    os.mkdir(path)
    with open(f"{path}/secret", "w") as file:
        file.write(SECRET)
    for name in (path, f"{path}/secret"):
        os.chown(name, box.user.uid, box.user.gid)
    return path


def untouched(victim: str) -> bool:
    with open(f"{victim}/secret") as file:
        return os.listdir(victim) == ["secret"] and file.read() == SECRET


def test_links_of_mounted_trees_lead_nowhere(box: Pod, busybox: str, victim: str) -> None:
    """CVE-2024-1753: the source of a bind mount is a link of the image's, or of the context's, to the host's root."""
    evil = (
        f"FROM {busybox} AS evil\nRUN ln -s / /root-of && ln -s {victim} /direct && mkdir -p /x && ln -s ../.. /x/up\n"
    )
    for source in (f"/root-of{victim}", "/direct", f"/x/up/..{victim}"):
        text = (
            f"{evil}FROM {busybox}\nRUN --mount=from=evil,source={source},target=/m,rw cat /m/secret; echo > /m/new\n"
        )
        tried = build(box, text, check=False)
        assert SECRET.strip() not in tried.stdout + tried.stderr
        assert untouched(victim)
    directory = context(box, f"FROM {busybox}\nRUN --mount=source=link,target=/m,rw cat /m/secret; echo > /m/new\n")
    os.symlink(victim, f"{directory}/link")
    tried = box.run("build", "--network", "none", directory, check=False)
    assert SECRET.strip() not in tried.stdout + tried.stderr
    assert untouched(victim)


def test_targets_of_mounts_stay_inside(box: Pod, busybox: str, victim: str) -> None:
    """CVE-2024-1753, the other end; CVE-2024-23652: what was mounted on is not tidied away on the host."""
    links = f"FROM {busybox}\nRUN ln -s {victim} /link && ln -s / /root-of\n"
    for target in ("/link/made", f"/root-of{victim}/made", f"/../../..{victim}/made"):
        build(box, f"{links}RUN --mount=type=tmpfs,target={target} true\n", check=False)
        build(box, f"{links}RUN --mount=type=bind,target={target} true\n", check=False)
        assert untouched(victim)
    replaced = f"RUN --mount=type=tmpfs,target=/a/secret rm -rf /a; ln -sfn {victim} /a; true\n"
    build(box, f"FROM {busybox}\n{replaced}RUN true\n", check=False)
    assert untouched(victim)


def test_options_of_mounts_are_no_list(box: Pod, busybox: str, victim: str) -> None:
    """CVE-2024-9407: what stands in bind-propagation gets to mount(2)."""
    for said in (f"rw,upperdir={victim}", "shared:rw", "exec,dev"):
        mount = f'--mount="type=bind,target=/m,bind-propagation={said}"'
        tried = build(box, f"FROM {busybox}\nRUN {mount} touch /m/new\n", check=False)
        assert tried.code != 0
    shared = "--mount=type=bind,target=/m,bind-propagation=rshared"
    build(box, f"FROM {busybox}\nRUN {shared} mount -t tmpfs none /m; true\n", "--cap-add", "SYS_ADMIN", check=False)
    with open("/proc/self/mountinfo") as file:
        assert not any(box.directory in line and "tmpfs none" in line for line in file)
    assert untouched(victim)


def test_names_of_caches_are_no_paths(box: Pod, busybox: str, victim: str) -> None:
    """CVE-2024-9675: the ID of a cache names a directory outside of them all, its source another."""
    for option in (f"id=../../../../../../..{victim}", f"id={victim}", "id=.", "id=.."):
        text = f"FROM {busybox}\nRUN --mount=type=cache,{option},target=/c ls /c; touch /c/new\n"
        made = build(box, text)
        assert "secret" not in made.stdout
        assert untouched(victim)
    caches = f"{box.root}/build/caches"
    assert all(len(name.partition(".")[0]) == 32 for name in os.listdir(caches))


def test_stages_side_by_side_gain_nothing_by_a_race(box: Pod, busybox: str, victim: str) -> None:
    """CVE-2024-11218, CVE-2024-23651: one stage exchanges what another one mounts, or mounts on, in a shared cache."""
    cache = "--mount=type=cache,id=shared,sharing=shared,target=/c"
    swap = f"rm -rf /c/d; mkdir -p /c/d/in; rm -rf /c/d; ln -s {victim} /c/d"
    swap = f"i=0; while [ $i -lt 3000 ]; do {swap}; i=$((i+1)); done"
    inner = "--mount=type=tmpfs,target=/c/d/in"
    tries = "".join(
        f"RUN {cache} {inner} echo {number}; cat /c/d/secret; echo > /c/d/new; true\n" for number in range(6)
    )
    text = f"FROM {busybox} AS one\nRUN {cache} {swap}; true\nFROM {busybox} AS two\n{tries}"
    text += f"FROM {busybox}\nCOPY --from=one /etc/passwd /one\nCOPY --from=two /etc/passwd /two\n"
    tried = build(box, text, check=False)
    assert SECRET.strip() not in tried.stdout + tried.stderr
    assert untouched(victim)


def test_variables_of_the_host_are_not_the_builds(box: Pod, busybox: str) -> None:
    """CVE-2021-3602: a RUN finds the environment of whoever builds, in its own or in that of a process it sees."""
    environment = box.environment | {"HOST_SECRET": "leaked-into-the-build", "LD_PRELOAD_OF": "host"}
    look = "env; cat /proc/[0-9]*/environ | tr '\\0' '\\n'"
    directory = context(box, f"FROM {busybox}\nARG HOST_SECRET\nRUN {look}\n")
    for flags in ((), ("--isolation", "chroot")):
        made = box.run("build", "--no-cache", "--network", "none", *flags, directory, env=environment, check=False)
        assert "leaked-into-the-build" not in made.stdout + made.stderr


def test_groups_of_the_host_are_not_the_builds(box: Pod, busybox: str) -> None:
    """CVE-2022-2990: the supplementary groups of whoever builds are those of the program."""
    text = f"FROM {busybox}\nRUN grep Groups: /proc/self/status\nUSER 77:88\nRUN grep Groups: /proc/self/status\n"
    argv = box.argv("build", "--network", "none", context(box, text))
    if not box.rootless:
        argv = ["setpriv", "--groups=4321,1234", *argv]
    made = box.execute(argv).stdout
    told = [line.split()[1:] for line in made.splitlines() if line.startswith("Groups:")]
    # Its own group is among them, or a program could lose it, and what that may not read (CVE-2022-2989).
    assert told == [["0"], ["88"]]


def test_accounts_of_the_image_are_not_read_on_the_host(box: Pod, busybox: str, victim: str) -> None:
    """CVE-2024-9676: /etc/passwd of the image is a link out of it, something without an end, or waits for a writer."""
    with open(f"{victim}/secret", "w") as file:
        file.write("hosts:x:4444:4444::/:/bin/sh\n")
    for made in (
        f"ln -sf {victim}/secret /etc/passwd",
        "rm /etc/passwd; mkfifo /etc/passwd",
        "ln -sf /dev/zero /etc/passwd",
    ):
        for step in ("USER hosts\nRUN id", "COPY --chown=hosts f /f"):
            tried = build(box, f"FROM {busybox}\nRUN {made}\n{step}\n", files={"f": ""}, check=False)
            assert tried.code != 0
            assert "4444" not in tried.stdout + tried.stderr


def test_sources_outside_of_the_context(box: Pod, busybox: str, victim: str) -> None:
    """Links, `..`, and what an archive brings: COPY and ADD take nothing that is not below the context."""
    directory = context(box, "", {"d/f": "own\n"})
    os.symlink(victim, f"{directory}/link")
    os.symlink(f"../../../../../../../..{victim}", f"{directory}/d/up")
    os.symlink(f"{victim}/secret", f"{directory}/file")
    for source in ("link", "link/secret", "d/up/secret", "file", "../victim/secret", "d/../../victim/secret", victim):
        for word in ("COPY", "ADD", "COPY --link", "COPY --parents"):
            with open(f"{directory}/Containerfile", "w") as file:
                file.write(f"FROM {busybox}\n{word} {source} /x/\n")
            tried = box.run("build", "--network", "none", "-t", "tried", directory, check=False)
            if tried.code == 0:
                assert SECRET.strip() not in run(box, "tried", "sh", "-c", "find /x -type f | xargs cat")
    with open(f"{directory}/Containerfile", "w") as file:
        file.write(f"FROM {busybox}\nCOPY . /x/\n")
    box.run("build", "--network", "none", "-t", "tried", directory)
    assert run(box, "tried", "sh", "-c", "cat /x/d/f; readlink /x/file") == f"own\n{victim}/secret"
    assert untouched(victim)


def test_the_cache_tells_images_without_files_apart(box: Pod) -> None:
    """CVE-2024-24557: settings of an image below that no key told of, so that a step was taken for another's."""
    flags = ("--format", "docker", "-t")
    for value in ("true", "false"):
        build(box, f"FROM scratch\nENV TOLD={value}\n", *flags, f"base-{value}")
        build(box, f"FROM base-{value}\nCOPY f /f\n", *flags, f"on-{value}", files={"f": ""})
    for value in ("true", "false"):
        assert f"TOLD={value}" in inspect(box, f"on-{value}")["Config"]["Env"]
