"""What a hostile image brings along: libraries, locales, modules, sources, where our process might look for its own."""

from __future__ import annotations

import encodings
import locale
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import runtime as runtime_package
from tests.fixtures.bundle import SOURCE, Runtime, configuration, with_user_namespace
from tests.fixtures.watch import Watch

_LIBRARIES = "usr/lib/x86_64-linux-gnu lib/x86_64-linux-gnu lib64 usr/lib lib usr/lib/aarch64-linux-gnu".split()
_TRAP = b"open('/trapped', 'w')\n"


def put(runtime: Runtime, path: str, content: bytes = b"\x7fELF trap") -> None:
    whole = f"{runtime.rootfs}/{path.lstrip('/')}"
    if len(path) < 200 and not os.path.lexists(whole):
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "wb") as file:
            file.write(content)
        os.chmod(whole, 0o755)


def set_traps(runtime: Runtime) -> None:
    """Put a file wherever the C library or Python might look for one after entering the image."""
    for directory in _LIBRARIES:
        for name in ("libc.so.6", "libnss_files.so.2", "libnss_evil.so.2", "libnss_compat.so.2", "libgcc_s.so.1"):
            put(runtime, f"{directory}/{name}")
        for name in ("gconv-modules", "gconv-modules.cache", "UTF-8.so", "ISO8859-1.so", "EUC-JP.so"):
            put(runtime, f"{directory}/gconv/{name}")
    put(runtime, "/etc/nsswitch.conf", b"passwd: evil files\ngroup: evil\nhosts: evil\n")
    put(runtime, "/etc/ld.so.preload", b"/lib/libnss_evil.so.2\n")
    for name in ("ld.so.cache", "ld.so.conf", "localtime", "timezone", "group", "hosts", "resolv.conf", "inputrc"):
        put(runtime, f"/etc/{name}", b"trap\n")
    for place in ("C.utf8", "C.UTF-8", "en_US.utf8", "de_DE.utf8", "de_DE", "de"):
        for category in ("LC_CTYPE", "LC_MESSAGES/SYS_LC_MESSAGES", "LC_IDENTIFICATION"):
            put(runtime, f"/usr/lib/locale/{place}/{category}")
        for domain in ("libc.mo", "argparse.mo"):
            put(runtime, f"/usr/share/locale/{place}/LC_MESSAGES/{domain}")
    put(runtime, "/usr/lib/locale/locale-archive")
    put(runtime, "/usr/share/locale/locale.alias")
    put(runtime, "/usr/share/zoneinfo/UTC")
    # Our own sources, as a traceback would show them; all modules of the running Python, as an import would find them.
    for directory, _names, files in os.walk(os.path.dirname(runtime_package.__file__)):
        for name in files:
            put(runtime, f"{directory}/{name}", _TRAP)
    library = os.path.dirname(os.__file__)
    for name in os.listdir(library):
        if name.endswith(".py"):
            put(runtime, f"{library}/{name}", _TRAP)
    for name in os.listdir(os.path.dirname(encodings.__file__)):
        put(runtime, f"{library}/encodings/{name}", _TRAP)
    for name in (
        "warnings.py",
        "sitecustomize.py",
        "usercustomize.py",
        "pyvenv.cfg",
        "python311.zip",
        "json/__init__.py",
    ):
        for place in (SOURCE, library, os.path.dirname(library), "/", "/usr/lib/python3/dist-packages", "/root"):
            put(runtime, f"{place}/{name}", _TRAP)


HOSTILE = [
    "PATH=/bin",
    "LD_PRELOAD=/lib/libnss_evil.so.2",
    "LD_LIBRARY_PATH=/lib",
    "LD_AUDIT=/lib/libnss_evil.so.2",
    "GCONV_PATH=/usr/lib/gconv",
    "LOCPATH=/usr/lib/locale",
    "NLSPATH=/usr/share/locale/%L/%N",
    "LC_ALL=de_DE",
    "LANG=de_DE.utf8",
    "LANGUAGE=de",
    "TZ=:/etc/localtime",
    "TZDIR=/usr/share/zoneinfo",
    "PYTHONPATH=/root",
    "PYTHONHOME=/root",
    "PYTHONSTARTUP=/root/sitecustomize.py",
    "PYTHONUSERBASE=/root",
    "PYTHONINSPECT=1",
    "PYTHONWARNINGS=error",
    "PYTHONFAULTHANDLER=1",
    "GLIBC_TUNABLES=glibc.malloc.check=3",
    "MALLOC_TRACE=/trapped",
    "HOSTALIASES=/etc/hosts",
    "RES_OPTIONS=debug",
]
# Files of the image that are ours to read: the user's home directory, and what is executed.
_EXPECTED = {"etc/passwd", "bin/busybox"}


def specifications() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield starts that go well, and failures at every later step."""
    loose = [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]
    for new in (True, False):
        spec = configuration("true", env=HOSTILE, noNewPrivileges=new)
        spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": loose}
        yield f"well {new}", spec
    yield "user namespace", with_user_namespace(configuration("true", env=HOSTILE))
    yield "other user", configuration("true", env=HOSTILE, user={"uid": 1000, "gid": 1000, "additionalGids": [7]})
    yield "terminal", configuration("true", env=HOSTILE, terminal=True)
    yield "no such program", configuration("missing", env=HOSTILE)
    yield "not executable", configuration("/etc/passwd", env=HOSTILE)
    yield "no such directory", configuration("true", env=HOSTILE, cwd="/proc/self/fd/7")
    yield "too many arguments", configuration("true", "x" * 200_000, env=HOSTILE)
    yield "odd characters", configuration("tr\udce4ue\u20ac", env=[*HOSTILE, "X=\udcff\u00e9\u4e2d"])
    yield "refused limit", configuration("true", env=HOSTILE, rlimits=[{"type": "RLIMIT_NICE", "soft": 0, "hard": 0}])
    bad = configuration("true", env=HOSTILE)
    bad["hooks"] = {"startContainer": [{"path": "/bin/missing"}]}
    yield "hook that fails", bad


def test_no_file_of_the_image_is_opened(runtime: Runtime) -> None:
    """CVE-2019-14271 and a Python runtime's own traps: modules, locales, codecs, NSS, tracebacks."""
    set_traps(runtime)
    watch = Watch(runtime.rootfs)
    environment = {**os.environ, "LC_ALL": "de_DE.utf8", "LANGUAGE": "de", "TZ": ":/etc/localtime"}
    try:
        for what, spec in specifications():
            if runtime.user.uid and what in ("user namespace", "other user"):
                continue
            done = runtime.run(spec, env=environment)
            assert "Traceback" not in done.stderr, what
            opened = watch.opened()
            assert opened <= _EXPECTED, (what, opened, done.stderr)
            if done.returncode == 0:
                assert "bin/busybox" in opened  # the watch sees
    finally:
        watch.close()
    assert not os.path.exists(f"{runtime.rootfs}/trapped")


def test_no_file_of_the_image_is_opened_by_exec(as_root: Runtime) -> None:
    set_traps(as_root)
    as_root.start("box", configuration("sleep", "600", env=HOSTILE))
    watch = Watch(as_root.rootfs)
    try:
        for words in (["true"], ["missing"], ["/etc/passwd"], ["true", "x" * 130_000], ["tr\u00fc\u20ac"]):
            done = as_root("exec", "box", *words)
            assert "Traceback" not in done.stderr
            assert watch.opened() <= _EXPECTED, words
        for option in (["--cwd", "/proc/self/fd/7"], ["--user", "1000:1000"], ["--tty"], ["--env", "LC_ALL=de"]):
            as_root("exec", *option, "box", "true")
            assert watch.opened() <= _EXPECTED, option
    finally:
        watch.close()
        as_root("delete", "--force", "box")
    assert not os.path.exists(f"{as_root.rootfs}/trapped")


def test_an_unexpected_exception_shows_no_source_of_the_image(runtime: Runtime) -> None:
    """A traceback would open our sources by their paths, which are now the image's."""
    set_traps(runtime)
    code = (
        f"import sys; sys.path.insert(0, {SOURCE!r}); sys.dont_write_bytecode = True\n"
        "from runtime import command\n"
        "def resolve(*arguments, **options):\n"
        "    return {}['a fault of ours']\n"
        "command.resolve = resolve\n"
        "from runtime.__main__ import main; main()\n"
    )
    runtime.command = [sys.executable, "-I", "-S", "-B", "-c", code]
    watch = Watch(runtime.rootfs)
    try:
        done = runtime.run(configuration("true"))
        assert done.returncode == 1
        assert "a fault of ours" in done.stderr
        assert watch.opened() <= _EXPECTED
    finally:
        watch.close()


def test_the_programs_environment_is_the_specifications(runtime: Runtime) -> None:
    """CVE-2020-14370 and kin: nothing of the caller's environment, nothing of Python's, gets in."""
    environment = {**os.environ, "SECRET": "1", "LC_ALL": locale.setlocale(locale.LC_ALL, None), "PYTHONPATH": "/root"}
    spec = configuration("env", env=["PATH=/bin", "ONLY=this"])
    lines = runtime.run(spec, env=environment).stdout.splitlines()
    assert set(lines) == {"PATH=/bin", "ONLY=this", "HOME=/root"}


@pytest.mark.parametrize("option", ["--preserve-fds=0", None])
def test_no_descriptor_of_the_caller_is_inherited(runtime: Runtime, option: str | None) -> None:
    """CVE-2024-21626: descriptors that the runtime's caller forgot to close."""
    left = [os.open(path, os.O_RDONLY) for path in ("/", "/etc/passwd", "/sys/fs/cgroup", runtime.bundle)]
    try:
        runtime.configure(configuration("sh", "-c", "ls -l /proc/self/fd; ls -l /proc/1/fd"))
        done = runtime("run", *([option] if option else []), "box", pass_fds=left)
    finally:
        for fd in left:
            os.close(fd)
    assert done.returncode == 0, done.stderr
    targets = [line.partition(" -> ")[2] for line in done.stdout.splitlines() if " -> " in line]
    assert targets
    assert not [name for name in targets if not name.startswith(("pipe:", "/dev/null", "/proc/"))], targets


def test_what_waits_for_start_cannot_be_reached_by_a_working_directory(as_root: Runtime) -> None:
    """CVE-2024-21626, every number: those that init itself has open at that moment, and links to them."""
    os.symlink("/proc/self/fd", f"{as_root.rootfs}/fd")
    for number in range(3, 40):
        for path in (f"/proc/self/fd/{number}", f"/fd/{number}/..", f"/proc/thread-self/fd/{number}"):
            done = as_root.run(configuration("ls", "../../../../etc/shadow", cwd=path))
            assert done.returncode == 1, (path, done.stdout)
            assert "change to the working directory" in done.stderr


def test_groups_of_the_caller_are_dropped(as_root: Runtime) -> None:
    """CVE-2022-2989, CVE-2023-25173: supplementary groups of whoever calls the runtime."""
    as_root.configure(configuration("id", "-G", user={"uid": 5, "gid": 6}))
    command = ["setpriv", "--groups=4,27,1234", *as_root.command, "--root", as_root.state, "run", "box"]
    done = subprocess.run(command, cwd=as_root.bundle, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "6\n"), done.stderr
    as_root.configure(configuration("id", "-G", user={"uid": 5, "gid": 6, "additionalGids": [8, 9]}))
    done = subprocess.run(command, cwd=as_root.bundle, capture_output=True, text=True, check=False)
    assert sorted(done.stdout.split()) == ["6", "8", "9"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"kernel.shm_rmid_forced": "1+kernel.core_pattern=|/evil"},
        {"kernel.shm_rmid_forced": "1\nkernel.core_pattern=|/evil"},
        {"kernel.shm_rmid_forced+kernel.core_pattern": "|/evil"},
        {"kernel.shm_rmid_forced=1 kernel.core_pattern": "|/evil"},
        {"kernel.core_pattern": "|/evil"},
        {"kernel/core_pattern": "|/evil"},
        {"net/../kernel/core_pattern": "|/evil"},
        {"net.ipv4./.kernel.core_pattern": "|/evil"},
        {"net.ipv4.../kernel/core_pattern": "|/evil"},
        {"fs.mqueue.../.../kernel/core_pattern": "|/evil"},
    ],
)
def test_sysctls_are_not_injected(runtime: Runtime, parameters: dict[str, str]) -> None:
    """CVE-2022-0811: `+` in the value of an allowed parameter set kernel.core_pattern."""
    with open("/proc/sys/kernel/core_pattern") as file:
        before = file.read()
    spec = configuration("true")
    spec["linux"]["sysctl"] = parameters
    assert runtime.run(spec).returncode == 1
    with open("/proc/sys/kernel/core_pattern") as file:
        assert file.read() == before


def test_lengths_that_are_odd_or_huge(runtime: Runtime) -> None:
    """CVE-2021-43784: lengths in a configuration overflowed; here they are errors or work, and nothing else."""
    long = "x" * 70_000
    mapping = {"containerID": 0, "hostID": 100_000, "size": 1}

    def spec(**linux: Any) -> dict[str, Any]:
        made = configuration("true")
        made["linux"].update(linux)
        return made

    many = [{**mapping, "containerID": number, "hostID": 100_000 + number} for number in range(70_000)]
    user = [*configuration("true")["linux"]["namespaces"], {"type": "user"}]
    cases = [
        spec(namespaces=user, uidMappings=many, gidMappings=many),
        spec(namespaces=user, uidMappings=[{**mapping, "size": 1 << 32}], gidMappings=[mapping]),
        spec(maskedPaths=[f"/{long}"]),
        spec(readonlyPaths=[f"/{long}/{long}"]),
        spec(sysctl={f"net.{long}": "1"}),
        spec(sysctl={"kernel.shm_rmid_forced": long}),
        spec(rootfsPropagation=long),
        spec(seccomp={"defaultAction": long}),
        spec(devices=[{"path": f"/dev/{long}", "type": "c", "major": 1, "minor": 3}]),
        spec(devices=[{"path": "/dev/x", "type": "c", "major": 1 << 40, "minor": 1 << 40}]),
        configuration(long * 3),
        configuration("true", cwd=f"/{long}"),
        configuration("true", env=[f"{long}={long}{long}"]),
        configuration("true", apparmorProfile=long),
        {**configuration("true"), "hostname": long},
        {**configuration("true"), "domainname": long},
        {**configuration("true"), "annotations": {"a": long * 20}},
    ]
    for source in ("source", "destination", "type"):
        wrong = configuration("true")
        wrong["mounts"].append({"destination": "/x", "type": "tmpfs", "source": "x", source: f"/{long}"})
        cases.append(wrong)
    wrong = configuration("true")
    wrong["mounts"].append({"destination": "/x", "type": "tmpfs", "source": "x", "options": [long, f"mode={long}"]})
    for number, case in enumerate([*cases, wrong]):
        done = runtime.run(case)
        assert done.returncode in (0, 1), (number, done)
        assert "Traceback" not in done.stderr, (number, done.stderr)
        assert runtime.leftovers() == []


def test_a_host_file_is_no_device(runtime: Runtime) -> None:
    """A node that cannot be made is bound from the host: only if that is the very device, never another file."""
    spec = configuration("cat")
    path = f"/dev/shm/stolen-{os.getpid()}"
    spec["process"]["args"] = ["cat", path]
    spec["linux"]["devices"] = [{"path": path, "type": "c", "major": 1, "minor": 3}]
    if not runtime.user.uid:
        spec = with_user_namespace(spec)
    with open(path, "w") as file:
        file.write("secret")
    try:
        done = runtime.run(spec)
    finally:
        os.unlink(path)
    assert done.returncode == 1
    assert "another file" in done.stderr
    assert "secret" not in done.stdout


@pytest.mark.parametrize("kind", ["no filter", "filter", "no new privileges"])
def test_hooks_of_the_image_have_no_more_rights_than_its_program(as_root: Runtime, kind: str) -> None:
    """A startContainer hook is found in the image: it must not run before the capabilities are dropped."""
    script = "#!/bin/sh\ngrep -E 'CapEff|CapPrm|CapBnd|Uid|Groups' /proc/self/status > /tmp/$1\n"
    put(as_root, "/bin/report", script.encode())
    os.chmod(f"{as_root.rootfs}/tmp", 0o777)
    spec = configuration("/bin/report", "program", user={"uid": 5, "gid": 6}, noNewPrivileges=kind.startswith("no new"))
    spec["hooks"] = {"startContainer": [{"path": "/bin/report", "args": ["report", "hook"], "env": ["PATH=/bin"]}]}
    if kind != "no filter":
        rules = [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]
        spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    assert as_root.run(spec).returncode == 0
    seen = []
    for name in ("hook", "program"):
        with open(f"{as_root.rootfs}/tmp/{name}") as file:
            seen.append(file.read())
    assert seen[0] == seen[1]
    assert "Uid:\t5" in seen[0]
