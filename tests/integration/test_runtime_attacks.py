"""What hostile images and containers try: each test is named by the advisory whose way in must stay shut."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from runtime import trampoline
from tests.fixtures.bundle import Runtime, configuration


@pytest.fixture
def outside(runtime: Runtime) -> str:
    """A directory of the host beside the bundle that nobody may change."""
    path = f"{runtime.directory}/outside"
    os.mkdir(path, 0o777)
    with open(f"{path}/kept", "w") as file:
        file.write("kept")
    os.chmod(path, 0o777)
    return path


def unchanged(path: str) -> bool:
    with open(f"{path}/kept") as file:
        return os.listdir(path) == ["kept"] and file.read() == "kept"


def replace(runtime: Runtime, name: str, target: str) -> None:
    """Make a name of the image's root a symbolic link."""
    path = f"{runtime.rootfs}/{name}"
    if os.path.isdir(path):
        shutil.rmtree(path)
    os.symlink(target, path)


# CVE-2019-5736: the runtime's own program, reached through /proc/self/exe


def test_the_program_behind_self_exe_is_the_trampoline(runtime: Runtime) -> None:
    done = runtime.run(configuration("/proc/self/exe"))
    assert done.returncode == 127


def test_a_script_run_by_self_exe_runs_nothing_of_the_host(runtime: Runtime) -> None:
    path = f"{runtime.rootfs}/bin/script"
    with open(path, "w") as file:
        file.write("#!/proc/self/exe\nimport os\nprint('python')\n")
    os.chmod(path, 0o755)
    done = runtime.run(configuration("/bin/script"))
    assert done.returncode == 127
    assert "python" not in done.stdout


def test_a_program_with_self_exe_as_its_loader_runs_nothing_of_the_host(runtime: Runtime) -> None:
    with open("/bin/true", "rb") as file:
        image = bytearray(file.read())
    loader = b"/lib64/ld-linux-x86-64.so.2\0"
    if loader not in image:
        pytest.skip("no dynamic program for this machine")
    at = image.index(loader)
    image[at : at + len(loader)] = b"/proc/self/exe\0".ljust(len(loader), b"\0")
    path = f"{runtime.rootfs}/bin/program"
    with open(path, "wb") as program:
        program.write(image)
    os.chmod(path, 0o755)
    done = runtime.run(configuration("/bin/program"))
    assert done.returncode != 0
    assert "Python" not in done.stdout + done.stderr


def test_the_trampoline_cannot_be_written() -> None:
    memfd = trampoline.prepare(2)
    try:
        path = f"/proc/self/fd/{memfd}"
        with pytest.raises(PermissionError):
            os.write(memfd, b"x")
        for size in (0, 1 << 20):
            with pytest.raises(PermissionError):
                os.ftruncate(memfd, size)
        with pytest.raises(PermissionError):
            os.truncate(path, 0)
    finally:
        os.close(memfd)


# CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2019-16884: /proc and /sys somewhere else


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["etc", "/etc", "../../outside"])
def test_proc_and_sys_must_be_plain_directories(runtime: Runtime, outside: str, name: str, target: str) -> None:
    replace(runtime, name, target)
    done = runtime.run(configuration("true"))
    assert done.returncode == 1
    assert f"on `/{name}`" in done.stderr
    assert unchanged(outside)


@pytest.mark.parametrize("place", ["/proc", "/proc/self/attr", "/proc/sys/kernel", "/proc/1", "//proc//self/./attr"])
def test_nothing_is_mounted_over_or_in_proc(runtime: Runtime, outside: str, place: str) -> None:
    for mount in ({"type": "tmpfs", "source": "tmpfs"}, {"type": "bind", "source": outside, "options": ["bind"]}):
        spec = configuration("true")
        spec["mounts"].append({"destination": place, **mount})
        done = runtime.run(spec)
        assert done.returncode == 1
        assert "/proc" in done.stderr


def test_a_link_in_the_image_does_not_lead_a_volume_into_proc(runtime: Runtime, outside: str) -> None:
    os.symlink("/proc/sys/kernel", f"{runtime.rootfs}/data")
    spec = configuration("true")
    spec["mounts"].append({"destination": "/data", "type": "bind", "source": outside, "options": ["bind"]})
    done = runtime.run(spec)
    assert done.returncode == 1
    assert "procfs may be mounted" in done.stderr


# CVE-2021-30465, CVE-2024-45310, CVE-2019-18837: targets of mounts outside of the root


@pytest.mark.parametrize("target", ["{outside}", "../../outside", "/../../../../../..{outside}"])
def test_targets_of_mounts_stay_inside(runtime: Runtime, outside: str, target: str) -> None:
    os.symlink(target.format(outside=outside), f"{runtime.rootfs}/way")
    spec = configuration("true")
    spec["mounts"].append({"destination": "/way/new/deep", "type": "tmpfs", "source": "tmpfs"})
    spec["mounts"].append({"destination": "/way/kept", "type": "bind", "source": "/bin/busybox", "options": ["bind"]})
    assert runtime.run(spec).returncode == 0
    assert unchanged(outside)


def test_a_target_that_is_exchanged_all_the_time_stays_inside(runtime: Runtime, outside: str) -> None:
    os.makedirs(f"{runtime.rootfs}/a/b")
    os.symlink(outside, f"{runtime.rootfs}/link")
    over = threading.Event()
    libc = ctypes.CDLL(None)

    def exchange() -> None:
        one, other = f"{runtime.rootfs}/a".encode(), f"{runtime.rootfs}/link".encode()
        while not over.is_set():
            libc.renameat2(-100, one, -100, other, 2)

    racer = threading.Thread(target=exchange)
    racer.start()
    try:
        for _attempt in range(25):
            spec = configuration("true")
            spec["mounts"].append({"destination": "/a/b/c", "type": "tmpfs", "source": "tmpfs"})
            runtime.run(spec)
    finally:
        over.set()
        racer.join()
    assert unchanged(outside)


# CVE-2024-21626: a working directory that is a leaked file of the host


@pytest.mark.parametrize("number", [*range(3, 16)])
def test_the_working_directory_is_in_the_container(runtime: Runtime, number: int) -> None:
    done = runtime.run(configuration("cat", "../../../../../../etc/hostname", cwd=f"/proc/self/fd/{number}"))
    assert done.returncode == 1
    assert "change to the working directory" in done.stderr


def test_the_working_directory_of_exec_is_in_the_container(as_root: Runtime) -> None:
    as_root.start("box", configuration("sleep", "600"))
    try:
        for number in range(3, 16):
            done = as_root("exec", "--cwd", f"/proc/self/fd/{number}", "box", "pwd")
            assert done.returncode != 0, done.stdout
    finally:
        as_root("delete", "--force", "box")


def test_a_link_as_working_directory_makes_nothing_outside(runtime: Runtime, outside: str) -> None:
    os.symlink(outside, f"{runtime.rootfs}/work")
    assert runtime.run(configuration("true", cwd="/work/new")).returncode == 0
    assert unchanged(outside)


# CVE-2025-31133, CVE-2025-52565, CVE-2026-41579: /dev that is not what it seems


def test_a_null_device_that_is_none_is_not_used_as_a_mask(runtime: Runtime) -> None:
    spec = configuration("true")
    spec["mounts"] = [mount for mount in spec["mounts"] if not mount["destination"].startswith("/dev")]
    spec["mounts"].append(
        {"destination": "/dev", "type": "bind", "source": f"{runtime.rootfs}/dev", "options": ["bind"]}
    )
    os.symlink("/proc/sys/kernel/core_pattern", f"{runtime.rootfs}/dev/null")
    done = runtime.run(spec)
    assert done.returncode == 1
    assert "/dev/null is not the null device" in done.stderr or "mask" in done.stderr


def test_a_dev_that_is_a_link_is_refused(runtime: Runtime, outside: str) -> None:
    for target in (outside, "etc"):
        replace(runtime, "dev", target)
        spec = configuration("true")
        spec["mounts"] = [mount for mount in spec["mounts"] if not mount["destination"].startswith("/dev")]
        done = runtime.run(spec)
        assert done.returncode == 1
        assert "/dev of the container" in done.stderr
        os.unlink(f"{runtime.rootfs}/dev")
        os.mkdir(f"{runtime.rootfs}/dev")
    assert unchanged(outside)


def test_links_in_dev_pts_are_not_taken_for_a_terminal(runtime: Runtime) -> None:
    spec = configuration("true", terminal=True)
    spec["mounts"] = [mount for mount in spec["mounts"] if mount["destination"] != "/dev/pts"]
    spec["mounts"].append({"destination": "/dev/pts", "type": "tmpfs", "source": "tmpfs"})
    done = runtime.run(spec)
    assert done.returncode == 1
    assert "terminal" in done.stderr


# CVE-2022-24769, CVE-2022-29162: inheritable capabilities


@pytest.mark.parametrize("words", [[], ["--cap", "CAP_NET_RAW"]])
def test_exec_gives_no_inheritable_capabilities(as_root: Runtime, words: list[str]) -> None:
    as_root.start("box", configuration("sleep", "600"))
    try:
        seen = as_root("exec", *words, "box", "grep", "-E", "CapInh|CapAmb", "/proc/self/status").stdout
        assert {line.split()[1] for line in seen.splitlines()} == {"0" * 16}
    finally:
        as_root("delete", "--force", "box")


# CVE-2026-30892: exec -u


def test_users_of_exec_are_numbers(as_root: Runtime) -> None:
    as_root.start("box", configuration("sleep", "600"))
    try:
        for text in (
            "1x",
            "0x0",
            "",
            "-0",
            "+0",
            " 1",
            "1:",
            ":1",
            "4294967295",
            "4294967296",
            "1:2:3",
            "1_0",
            "\u0661",
        ):
            done = as_root("exec", "--user", text, "box", "id")
            assert "is not of the form UID[:GID]" in done.stderr, (text, done)
            assert (done.returncode, done.stdout) == (1, "")
        assert as_root("exec", "--user", "1", "box", "id", "-u").stdout == "1\n"
    finally:
        as_root("delete", "--force", "box")


# CVE-2019-14271 and Python's own: code and libraries of the image


def test_modules_of_the_image_are_not_run(runtime: Runtime) -> None:
    for directory in ("usr/lib/python3.11", "usr/lib/python3/dist-packages", "work/main", "runtime", ""):
        os.makedirs(f"{runtime.rootfs}/{directory}/encodings", exist_ok=True)
        for name in ("bisect", "warnings", "traceback", "json", "encodings/idna", "encodings/cp437", "linecache"):
            with open(f"{runtime.rootfs}/{directory}/{name}.py", "w") as file:
                file.write("open('/trapped', 'w')\n")
    for spec in (configuration("true"), configuration("missing"), configuration("true", cwd="/proc/self/fd/3")):
        runtime.run(spec)
    assert not os.path.exists(f"{runtime.rootfs}/trapped")


@pytest.mark.parametrize(
    "content", ["fifo", "/dev/zero", "../../../../etc/passwd", "x:x:" + "0" * 5000, "\udcff:::::\n"]
)
def test_a_hostile_passwd_does_no_harm(runtime: Runtime, content: str) -> None:
    path = f"{runtime.rootfs}/etc/passwd"
    os.unlink(path)
    if content == "fifo":
        os.mkfifo(path)
    elif content.startswith(("/", "..")):
        os.symlink(content, path)
    else:
        with open(path, "w", errors="surrogateescape") as file:
            file.write(content)
    assert runtime.output("echo $HOME") == "/\n"


# CVE-2016-9962, and files that leak into the container


def test_the_process_that_enters_cannot_be_looked_into(as_root: Runtime) -> None:
    script = "while :; do for i in /proc/[0-9]*; do ls -l $i/fd $i/cwd $i/root 2>/dev/null; done; done"
    spec = configuration("sh", "-c", f"({script}) > /seen")
    as_root.start("box", spec)
    try:
        for _attempt in range(30):
            assert as_root("exec", "box", "true").returncode == 0
    finally:
        as_root("delete", "--force", "box")
    with open(f"{as_root.rootfs}/seen") as file:
        lines = file.read().splitlines()
    # The standard output of the first process is a file of the host, given to it on purpose.
    leaks = [line for line in lines if as_root.directory in line and not line.endswith("box.log")]
    assert lines
    assert not leaks
    assert not [line for line in lines if "/sys/fs/cgroup" in line or ".json" in line]


def test_other_roots_cgroups_are_not_writable(runtime: Runtime) -> None:
    spec = configuration("sh", "-c", "for i in /sys/fs/cgroup/*/; do mkdir $i/x 2>/dev/null && echo made; done; true")
    options = ["ro", "nosuid", "noexec", "nodev"]
    spec["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options})
    assert runtime.output(spec=spec) == ""


def test_cgroups_of_others_are_not_in_sight(as_root: Runtime) -> None:
    """CVE-2023-25809: without a cgroup namespace, and writable, the mount shows the container's own cgroups only."""
    other = f"/sys/fs/cgroup/pids/of-others-{os.getpid()}"
    if not os.path.isdir("/sys/fs/cgroup/pids"):
        other = f"/sys/fs/cgroup/of-others-{os.getpid()}"
    os.mkdir(other)
    try:
        spec = configuration("sh", "-c", "ls -d /sys/fs/cgroup/* /sys/fs/cgroup/*/*")
        spec["mounts"].append(
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]}
        )
        seen = as_root.output(spec=spec)
    finally:
        os.rmdir(other)
    assert "cgroup.procs" in seen
    assert "of-others" not in seen


# bad bundles


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '{"ociVersion": 1}', "[" * 100_000, '{"a": "' + "x" * 17_000_000]
)
def test_files_that_are_no_configuration(runtime: Runtime, text: str) -> None:
    with open(f"{runtime.bundle}/config.json", "w") as file:
        file.write(text)
    done = runtime("run", "box")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def mutations(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the configuration with one value after another replaced by one of the wrong kind."""
    whole = json.loads(json.dumps(value))

    def walk(node: Any, trail: list[Any]) -> Iterator[list[Any]]:
        if trail:
            yield trail
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            yield from walk(node[key], [*trail, key])

    for trail in list(walk(whole, [])):
        wrongs: list[Any] = [None, -1, "x\0y", [[]], {"a": {}}]
        for wrong in wrongs:
            copy = json.loads(json.dumps(value))
            node = copy
            for key in trail[:-1]:
                node = node[key]
            node[trail[-1]] = wrong
            yield f"{trail}={wrong!r}", copy


def test_values_of_the_wrong_kind_are_errors_and_nothing_else(runtime: Runtime) -> None:
    spec = configuration("true", rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])
    spec["mounts"] = spec["mounts"][:2]
    script = (
        "import sys, json, os; sys.path.insert(0, sys.argv[1]);"
        "from runtime import create, delete, errors\n"
        "for number, line in enumerate(open(sys.argv[3])):\n"
        "    what, spec = json.loads(line)\n"
        "    try:\n"
        "        made = create.create(f'b{number}', '.', spec, root=sys.argv[2])\n"
        "        delete.delete(sys.argv[2], f'b{number}', force=True)\n"
        "        os.waitpid(made.pid, 0)\n"
        "    except errors.OCIRuntimeError:\n"
        "        pass\n"
        "    except BaseException as error:\n"
        "        print(what, repr(error))\n"
    )
    cases = f"{runtime.directory}/cases"
    with open(cases, "w") as file:
        file.writelines(json.dumps(case) + "\n" for case in mutations(spec))
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = [*runtime.prefix(), "python3", "-I", "-c", script, source, runtime.state, cases]
    done = subprocess.run(command, cwd=runtime.bundle, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr
