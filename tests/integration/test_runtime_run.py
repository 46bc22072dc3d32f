"""What a container's process finds, as root and as user 0 of an ordinary user's namespace."""

from __future__ import annotations

import os
import resource
import subprocess
from typing import Any

import pytest

from tests.fixtures.bundle import COMMAND, Runtime, configuration, with_user_namespace


def fields(text: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_the_exit_status_is_the_containers(runtime: Runtime) -> None:
    assert runtime.run(configuration("sh", "-c", "exit 7")).returncode == 7
    # Its own signals do not reach the first process of a pid namespace: a child's fate is told by its parent.
    assert runtime.run(configuration("sh", "-c", "sh -c 'kill -9 $$'; exit $?")).returncode == 137


def test_namespaces_are_its_own(runtime: Runtime) -> None:
    kinds = ("pid", "net", "ipc", "uts", "mnt")
    seen = runtime.output("hostname", "echo $$", *(f"readlink /proc/self/ns/{kind}" for kind in kinds)).split()
    assert seen[:2] == ["box", "1"]
    assert not set(seen[2:]) & {os.readlink(f"/proc/self/ns/{kind}") for kind in kinds}


def test_loopback_is_up(runtime: Runtime) -> None:
    assert "UP" in runtime.output("ip addr show lo")


def test_signals_are_as_in_any_program(runtime: Runtime) -> None:
    # Not by way of a shell, which changes them.
    status = fields(runtime.output(spec=configuration("cat", "/proc/self/status")))
    assert {status[name] for name in ("SigIgn", "SigBlk", "SigCgt")} == {"0" * 16}


def test_only_three_files_are_open(runtime: Runtime) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    assert runtime.output("ls /proc/1/fd", "true").split() == ["0", "1", "2"]
    os.close(reading)
    os.close(writing)


def test_files_to_preserve_are_kept(runtime: Runtime) -> None:
    reading, writing = os.pipe()
    runtime.configure(configuration("sh", "-c", "echo kept >&3; ls /proc/1/fd; true"))
    child = os.dup(writing)
    command = ["bash", "-c", f'exec 3>&{child}; exec "$@"', "x", *runtime.prefix(), *COMMAND]
    done = subprocess.run(
        [*command, "--root", runtime.state, "run", "--preserve-fds=1", "box"],
        cwd=runtime.bundle,
        pass_fds=(child,),
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(child)
    os.close(writing)
    assert os.read(reading, 100) == b"kept\n", done.stderr
    os.close(reading)
    assert done.stdout.split() == ["0", "1", "2", "3"]


def test_the_environment_is_the_configurations(runtime: Runtime) -> None:
    spec = configuration("env", env=["PATH=/bin", "A=1", "LC_ALL=C", "A=2"])
    assert sorted(runtime.output(spec=spec).splitlines()) == ["A=2", "HOME=/root", "LC_ALL=C", "PATH=/bin"]


def test_home_is_that_of_the_user_in_the_image(as_root: Runtime) -> None:
    assert as_root.output("echo $HOME", user={"uid": 1000, "gid": 1000}) == "/srv/web\n"
    assert as_root.output("echo $HOME", user={"uid": 77, "gid": 77}) == "/\n"


def test_capabilities(runtime: Runtime) -> None:
    status = fields(runtime.output("cat /proc/self/status"))
    assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {"00000000800405fb"}
    assert {status[name] for name in ("CapInh", "CapAmb")} == {"0" * 16}


def test_a_user_has_no_capabilities_unless_ambient_and_only_its_groups(as_root: Runtime) -> None:
    user = {"uid": 1000, "gid": 1000, "additionalGids": [5, 7]}
    seen = as_root.output("cat /proc/self/status", user=user)
    assert fields(seen)["CapEff"] == "0" * 16
    assert fields(seen)["Groups"].split() == ["5", "7"]
    kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
    sets = {kind: ["CAP_KILL", "CAP_FUTURE"] for kind in kinds}
    seen = as_root.output("cat /proc/self/status", user=user, capabilities=sets)
    assert {fields(seen)[f"Cap{name}"] for name in ("Eff", "Prm", "Inh", "Bnd", "Amb")} == {"0000000000000020"}


def test_no_new_privileges(runtime: Runtime) -> None:
    assert fields(runtime.output("cat /proc/self/status"))["NoNewPrivs"] == "0"
    assert fields(runtime.output("cat /proc/self/status", noNewPrivileges=True))["NoNewPrivs"] == "1"


@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("denied", [["mkdir"], ["mkdir", "execveat", "accept", "memfd_create"]])
def test_seccomp(runtime: Runtime, no_new_privileges: bool, denied: list[str]) -> None:
    spec = configuration("sh", "-c", "grep Seccomp: /proc/self/status; mkdir /tmp/x || echo refused")
    spec["process"]["noNewPrivileges"] = no_new_privileges
    rule = {"names": denied, "action": "SCMP_ACT_ERRNO"}
    spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    assert runtime.output(spec=spec).split() == ["Seccomp:", "2", "refused"]


def test_the_tree_of_mounts(runtime: Runtime) -> None:
    lines = runtime.output("cat /proc/self/mountinfo").splitlines()
    points = {line.split()[4]: line for line in lines}
    assert {"/", "/proc", "/dev", "/sys", "/dev/pts", "/dev/shm"} <= set(points)
    assert " ro," in points["/sys"]
    assert " ro," in points["/proc/sys"]
    assert not any("shared:" in line or "master:" in line for line in lines)


def test_devices_and_links(runtime: Runtime) -> None:
    script = "for i in null zero full tty random urandom; do stat -c '%F %t:%T %a' /dev/$i; done"
    seen = runtime.output(
        script, "readlink /dev/fd /dev/ptmx /dev/stdout || for i in fd ptmx stdout; do readlink /dev/$i; done"
    )
    assert seen.splitlines()[:2] == ["character special file 1:3 666", "character special file 1:5 666"]
    assert "pts/ptmx" in seen
    assert runtime.output("echo x > /dev/null; head -c 3 /dev/zero | wc -c").strip() == "3"


def test_listed_devices(as_root: Runtime) -> None:
    spec = configuration("sh", "-c", "stat -c '%F %t:%T %a %u' /dev/sub/loop /dev/pipe")
    spec["linux"]["devices"] = [
        {"path": "/dev/sub/loop", "type": "b", "major": 7, "minor": 1, "fileMode": 0o640, "uid": 5},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o600},
    ]
    assert as_root.output(spec=spec).splitlines() == ["block special file 7:1 640 5", "fifo 0:0 600 0"]


def test_masked_and_readonly_paths(runtime: Runtime) -> None:
    seen = runtime.output(
        "wc -c < /proc/timer_list",
        "ls /sys/firmware | wc -l",
        "echo 1 2>/dev/null > /proc/sys/kernel/msgmax || echo refused",
    )
    assert seen.split() == ["0", "0", "refused"]


def test_a_readonly_root_keeps_its_mounts_writable(runtime: Runtime) -> None:
    spec = configuration("sh", "-c", "touch /x 2>/dev/null || echo refused; touch /dev/shm/y && echo written")
    spec["root"]["readonly"] = True
    assert runtime.output(spec=spec).split() == ["refused", "written"]


def test_bind_mounts(runtime: Runtime) -> None:
    source = f"{runtime.directory}/source"
    os.makedirs(f"{source}/sub")
    with open(f"{source}/file", "w") as file:
        file.write("text")
    binds = [
        {"destination": "/a/new/place", "type": "bind", "source": source, "options": ["rbind", "ro", "nosuid"]},
        {"destination": "/one", "type": "bind", "source": f"{source}/file", "options": ["bind"]},
        {"destination": "/relative", "type": "bind", "source": "../source", "options": ["bind", "rro"]},
    ]
    spec = configuration(
        "sh", "-c", "ls /a/new/place; cat /one; touch /a/new/place/x 2>/dev/null || echo refused; ls /relative"
    )
    spec["mounts"] += binds
    assert runtime.output(spec=spec).split() == ["file", "sub", "textrefused", "file", "sub"]


def test_a_tmpfs_takes_the_mode_of_what_it_covers_and_its_content_if_asked(runtime: Runtime) -> None:
    os.makedirs(f"{runtime.rootfs}/data/sub")
    os.symlink("/etc/shadow", f"{runtime.rootfs}/data/link")
    with open(f"{runtime.rootfs}/data/sub/file", "w") as file:
        file.write("text")
    os.chmod(f"{runtime.rootfs}/data", 0o711)
    if os.getuid() == 0:
        subprocess.run(["chown", "-hR", f"{runtime.user.uid}", f"{runtime.rootfs}/data"], check=True)
    script = "stat -c %a /data; cat /data/sub/file; readlink /data/link; touch /data/x || echo ro"
    spec = configuration("sh", "-c", script)
    spec["mounts"].append({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "ro"]})
    assert runtime.output(spec=spec).split() == ["711", "text/etc/shadow", "ro"]


def test_the_working_directory_is_made(runtime: Runtime) -> None:
    assert runtime.output("pwd", cwd="/new/deep") == "/new/deep\n"


def test_umask_and_oom_score(runtime: Runtime) -> None:
    seen = runtime.output(
        "umask", "cat /proc/self/oom_score_adj", oomScoreAdj=321, user={"uid": 0, "gid": 0, "umask": 0o77}
    )
    assert seen.split() == ["0077", "321"]
    assert runtime.output("umask").strip() == "0022"


def test_resource_limits(runtime: Runtime) -> None:
    limits = [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    seen = runtime.output("grep -E 'open files|core' /proc/self/limits", rlimits=limits)
    assert [line.split()[-3:-1] for line in seen.splitlines()] == [["0", "0"], ["64", "128"]]


def test_kernel_parameters(runtime: Runtime) -> None:
    spec = configuration("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start")
    spec["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "80"}
    assert runtime.output(spec=spec).strip() == "80"


def test_a_user_namespace_of_its_own(as_root: Runtime) -> None:
    spec = with_user_namespace(
        configuration("sh", "-c", "id -u; cat /proc/self/uid_map; stat -c %u /; echo > /dev/null")
    )
    assert as_root.output(spec=spec).split() == ["0", "0", "100000", "65536", "65534"]


def test_a_user_namespace_inside_of_another_whose_mounts_are_not_its_own(runtime: Runtime) -> None:
    # `unshare --user` alone, as the ordinary user's commands are run here: its mount namespace is the host's.
    spec = with_user_namespace(configuration("id", "-u"), host=0, size=1)
    spec["mounts"].append({"destination": "/here", "type": "bind", "source": runtime.rootfs, "options": ["bind"]})
    done = runtime.run(spec)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_a_time_namespace(as_root: Runtime) -> None:
    spec = configuration("cat", "/proc/uptime")
    spec["linux"]["namespaces"].append({"type": "time"})
    spec["linux"]["timeOffsets"] = {"boottime": {"secs": 1_000_000}}
    assert float(as_root.output(spec=spec).split()[0]) > 1_000_000


def test_namespaces_joined_by_path(as_root: Runtime) -> None:
    pid = as_root.start("first", with_user_namespace(configuration("sleep", "600")))
    try:
        kinds = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "user": "user"}
        spec = configuration(
            "sh", "-c", "; ".join(f"readlink /proc/self/ns/{name}" for name in kinds.values()) + "; ps"
        )
        del spec["hostname"]
        spec["linux"]["namespaces"] = [
            {"type": "mount"},
            *({"type": kind, "path": f"/proc/{pid}/ns/{name}"} for kind, name in kinds.items()),
        ]
        seen = as_root.output(spec=spec).splitlines()
        assert seen[: len(kinds)] == [os.readlink(f"/proc/{pid}/ns/{name}") for name in kinds.values()]
        assert any("sleep 600" in line for line in seen)
    finally:
        as_root("delete", "--force", "first")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"args": ["missing"]}, "executable file `missing` not found in $PATH: no such file or directory"),
        ({"args": ["/bin/missing"]}, "executable file `/bin/missing` not found: no such file or directory"),
        ({"args": ["/etc"]}, "open executable `/etc`: permission denied"),
        ({"args": ["/etc/passwd"]}, "open executable `/etc/passwd`: permission denied"),
        ({"cwd": "/etc/passwd"}, "change to the working directory `/etc/passwd`: not a directory"),
        ({"user": {"uid": 2**32 - 1}}, "is not between"),
    ],
)
def test_what_cannot_be_run_is_refused_by_create(runtime: Runtime, change: dict[str, Any], message: str) -> None:
    runtime.configure(configuration("true", **change))
    done = runtime("create", "box")
    assert done.returncode == 1
    assert message in done.stderr
    assert runtime.leftovers() == []


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        (
            {"destination": "/x", "type": "bind", "source": "/no/where", "options": ["bind"]},
            "No such file or directory",
        ),
        ({"destination": "/x", "type": "nosuchfs", "source": "x"}, "No such device"),
        ({"destination": "/x", "type": "tmpfs", "source": "x", "options": ["bogus=1"]}, "`bogus`: Invalid argument"),
        ({"destination": "/etc/passwd/x", "type": "tmpfs", "source": "x"}, "Not a directory"),
    ],
)
def test_bad_mounts(runtime: Runtime, mount: dict[str, Any], message: str) -> None:
    spec = configuration("true")
    spec["mounts"].append(mount)
    done = runtime.run(spec)
    assert done.returncode == 1
    assert f"on `{mount['destination']}`" in done.stderr
    assert message in done.stderr


def test_a_limit_that_may_not_be_raised_is_named(runtime: Runtime) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] == resource.RLIM_INFINITY:
        pytest.skip("there is no limit")
    limit = [{"type": "RLIMIT_NOFILE", "soft": 2**40, "hard": 2**40}]
    done = runtime.run(configuration("true", rlimits=limit))
    assert done.returncode == 1
    assert "set rlimit RLIMIT_NOFILE" in done.stderr


@pytest.mark.parametrize("in_user_namespace", [True, False])
def test_idmapped_mounts(as_root: Runtime, in_user_namespace: bool) -> None:
    source = f"{as_root.directory}/mapped"
    os.mkdir(source)
    os.chown(source, 1000, 1001)
    # The container's root could not make it: the root file system belongs to the host's root here.
    os.mkdir(f"{as_root.rootfs}/mapped")
    spec = configuration("stat", "-c", "%u %g", "/mapped")
    mount: dict[str, Any] = {"destination": "/mapped", "type": "bind", "source": source, "options": ["bind", "idmap"]}
    if in_user_namespace:
        with_user_namespace(spec)
    else:
        mount["uidMappings"] = mount["gidMappings"] = [{"containerID": 1000, "hostID": 5000, "size": 10}]
    spec["mounts"].append(mount)
    assert as_root.output(spec=spec).split() == (["1000", "1001"] if in_user_namespace else ["5000", "5001"])
