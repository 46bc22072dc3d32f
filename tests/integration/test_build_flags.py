"""The flags of `build` on arguments, contexts, the cache, and the containers of RUN."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest

from tests.fixtures.command import Pod, Result
from tests.fixtures.monitor import eventually
from tests.integration.test_build import context, run


def build(pod: Pod, containerfile: str, *flags: str, check: bool = True) -> Result:
    return pod.run("build", "--network", "none", *flags, context(pod, containerfile), check=check)


def said(pod: Pod, busybox: str, command: str, *flags: str) -> str:
    """Return what the command of a RUN says."""
    build(pod, f"FROM {busybox}\nRUN ({command}) > /said\n", *flags, "-t", "said")
    return run(pod, "said", "cat", "/said")


def test_what_run_finds_around_it(box: Pod, busybox: str) -> None:
    os.mkdir(f"{box.directory}/mounted")
    with open(f"{box.directory}/mounted/file", "w") as file:
        file.write("mounted\n")
    flags = (
        *("--add-host", "there:10.1.2.3", "--volume", f"{box.directory}/mounted:/mounted:ro", "--shm-size", "5m"),
        *("--ulimit", "nofile=77:99", "--cap-drop", "CHOWN", "--cap-add", "SYS_TIME", "--group-add", "1234"),
        *("--security-opt", "no-new-privileges", "--no-hostname", "--http-proxy=false", "--device", "/dev/null:/dev/x"),
        *("--cgroup-parent", "", "--cgroupns", "private", "--ipc", "private", "--pid", "private", "--uts", "private"),
    )
    script = (
        "grep there /etc/hosts; cat /mounted/file; df -k /dev/shm | grep -o ' 5120 '; ulimit -Sn; id -G;"
        " chown 5 /tmp 2>&1; grep NoNewPrivs /proc/self/status; ls /dev/x; touch /mounted/y 2>&1; env"
    )
    text = said(box, busybox, script, *flags)
    for expected in ("10.1.2.3", "there", "mounted", " 5120 ", "77", "1234", "Operation not permitted", "/dev/x"):
        assert expected in text, text
    assert "NoNewPrivs:\t1" in text
    assert "Read-only file system" in text
    assert said(box, busybox, "grep localhost /etc/hosts || echo none", "--no-hosts") == "none"


def test_limits(box: Pod, busybox: str) -> None:
    if box.rootless:
        pytest.skip("an ordinary user has limits only where they are delegated")
    flags = (
        *("--memory", "64m", "--memory-swap", "128m", "--cpu-shares", "77", "--cpu-period", "50000"),
        *("--cpu-quota", "25000", "--cpuset-cpus", "0", "--cpuset-mems", "0"),
    )
    shown = said(box, busybox, "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes || cat memory.max", *flags)
    assert shown == str(64 << 20)


def test_name_servers(box: Pod, busybox: str) -> None:
    flags = ("--dns", "10.9.8.7", "--dns-search", "example.org", "--dns-option", "ndots:3")
    directory = context(box, f"FROM {busybox}\nRUN cat /etc/resolv.conf > /said\n")
    if box.rootless:
        pytest.skip("an ordinary user's containers have a network only where pasta can give them one")
    box.run("build", *flags, "--network", "bridge", "-t", "said", directory)
    shown = run(box, "said", "cat", "/said")
    assert "search example.org" in shown
    assert "ndots:3" in shown


def test_arguments_from_files(box: Pod, busybox: str) -> None:
    with open(f"{box.directory}/arguments", "w") as file:
        file.write("# comment\nA=1\n\nB=x y\n")
    text = f"FROM {busybox}\nARG A=0\nARG B\nARG C\nRUN echo $A $B $C > /said\n"
    build(box, text, "--build-arg-file", f"{box.directory}/arguments", "--build-arg", "C=3", "-t", "said")
    assert run(box, "said", "cat", "/said") == "1 x y 3"


def test_further_contexts(box: Pod, busybox: str) -> None:
    os.mkdir(f"{box.directory}/further")
    for name, text in (("kept", "kept"), ("left", "left"), (".containerignore", "left\n")):
        with open(f"{box.directory}/further/{name}", "w") as file:
            file.write(text)
    text = 'FROM base AS stage\nFROM stage\nCOPY --from=more . /more/\nCMD ["ls", "/more"]\n'
    flags = ("--build-context", f"more={box.directory}/further", "--build-context", f"base=docker-image://{busybox}")
    build(box, text, *flags, "-t", "made")
    assert run(box, "made") == "kept"
    failed = build(box, text, "--build-context", "more", check=False)
    assert failed.stderr.startswith('Error: invalid value "more" for --build-context')


def test_old_steps_are_not_taken(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN date +%s%N > /said\n"
    build(box, text, "-t", "one")
    assert "Using cache" in build(box, text, "--cache-ttl", "1h").stdout
    time.sleep(0.1)
    assert "Using cache" not in build(box, text, "--cache-ttl", "100ms").stdout


def test_namespaces_in_the_words_of_buildah(box: Pod, busybox: str) -> None:
    spaces = "for one in ipc uts; do readlink /proc/self/ns/$one; done"
    here = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("ipc", "uts")]
    if not box.rootless:  # whose own namespaces are not those of the test
        flags = ("--ipc", "/proc/self/ns/ipc", "--uts", "host", "--pid", "container")
        assert said(box, busybox, spaces, *flags).split() == here
    assert "unrecognized namespace mode" in build(box, f"FROM {busybox}\n", "--ipc", "x", check=False).stderr


def test_isolation(box: Pod, busybox: str) -> None:
    spaces = "for one in ipc pid net; do readlink /proc/self/ns/$one; done"
    names, text = ("ipc", "pid"), f"FROM {busybox}\nRUN ({spaces}) > /said\n"
    private = said(box, busybox, spaces, "--isolation", "oci").split()
    here = [os.readlink(f"/proc/self/ns/{kind}") for kind in names]
    assert private[:2] != here
    assert said(box, busybox, spaces, "--isolation", "Chroot").split()[:2] == here
    for words, env in ((["--isolation", "chroot"], {}), ([], {"BUILDAH_ISOLATION": "chroot"})):
        box.run("build", "--no-cache", *words, "-t", "said", context(box, text), env=env)
        assert run(box, "said", "cat", "/said").split() == [*here, os.readlink("/proc/self/ns/net")]
    assert said(box, busybox, "echo ran", "--isolation", "rootless") == "ran"
    assert "Using cache" in build(box, text, "--isolation", "default").stdout
    failed = build(box, f"FROM {busybox}\n", "--isolation", "vm", check=False)
    assert failed.stderr.splitlines()[0] == 'Error: unrecognized isolation type "vm"'


def test_isolation_by_chroot_ends_what_a_step_has_begun(box: Pod, busybox: str) -> None:
    if box.rootless:
        pytest.skip("an ordinary user has a control group only where it is delegated")
    words = ["sleep", f"9{os.getpid()}"]
    build(box, f"FROM {busybox}\nRUN {' '.join(words)} & true\n", "--isolation", "chroot")
    eventually(lambda: subprocess.run(["pgrep", "-xf", " ".join(words)], check=False).returncode == 1)


def test_another_runtime(box: Pod, busybox: str) -> None:
    if shutil.which("runc") is None:
        pytest.skip("there is no runc")
    log = f"{box.directory}/runc.log"
    flags = ("--runtime", "runc", "--runtime-flag", f"log={log},log-format=json")
    assert said(box, busybox, "echo ran", *flags) == "ran"
    assert os.path.exists(log)
    failed = build(box, f"FROM {busybox}\nRUN true\n", "--runtime", "/none", check=False)
    assert "no valid executable found for OCI runtime /none" in failed.stderr


def test_what_other_builders_take(box: Pod, busybox: str) -> None:
    flags = ("--load", "--log-rusage", "--rusage-logfile", "/x", "--blob-cache", "/x", "--cdi-config-dir", "/x")
    assert said(box, busybox, "echo ran", *flags, "--pull-never") == "ran"
    failed = build(box, "FROM localhost/none\n", "--pull-never", check=False)
    assert failed.code == 125
    assert "localhost/none: image not known" in failed.stderr
    failed = build(box, "FROM localhost/none\n", "--pull-never", "--pull-always", check=False)
    told = "Error: can only set one of 'pull' or 'pull-always' or 'pull-never'"
    assert failed.stderr.startswith(told)
    assert build(box, "FROM x\n", "--pull=newer", "--pull-never", check=False).stderr.startswith(told)
