"""`pod run` and `pod create`: what each option does to the container, seen from inside it."""

from __future__ import annotations

import json
import os
import re
import stat

import pytest

from tests.fixtures.command import Pod

ID = re.compile(r"[0-9a-f]{64}")


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def inside(box: Pod, image: str, script: str, *options: str) -> str:
    """Run a shell script in a container of its own and return what it prints."""
    return box.run("run", "--rm", *options, image, *sh(script)).out


def test_output_and_exit_code(box: Pod, busybox: str) -> None:
    result = box.run("run", "--rm", busybox, *sh("echo out; echo err >&2; exit 7"), check=False)
    assert (result.code, result.stdout, result.stderr) == (7, "out\n", "err\n")


def test_killed_by_a_signal(box: Pod, busybox: str) -> None:
    # PID 1 cannot be killed by its own signal, so a child is.
    assert box.run("run", "--rm", busybox, *sh("sh -c 'kill -9 $$'; exit $?"), check=False).code == 137


def test_rm_leaves_nothing(box: Pod, busybox: str) -> None:
    box.run("run", "--rm", busybox, "true")
    assert box.run("ps", "--all", "--quiet").out == ""


def test_without_rm_the_container_stays(box: Pod, busybox: str) -> None:
    box.run("run", "--name", "kept", busybox, *sh("exit 3"), check=False)
    assert "Exited (3)" in box.run("ps", "--all").out
    box.run("rm", "kept")
    assert box.run("ps", "--all", "--quiet").out == ""


def test_command_of_the_image(box: Pod, busybox: str) -> None:
    assert box.run("run", "--rm", "-i", busybox, input="echo from the shell\n").out == "from the shell"


def test_without_interactive_stdin_is_empty(box: Pod, busybox: str) -> None:
    assert box.run("run", "--rm", busybox, "cat", input="ignored").out == ""


def test_interactive_passes_bytes_through(box: Pod, busybox: str) -> None:
    data = bytes(range(256)) * 4096
    result = box.run("run", "--rm", "-i", busybox, "sha256sum", input=data)
    import hashlib

    assert result.out.split()[0] == hashlib.sha256(data).hexdigest()


def test_much_output_arrives_whole(box: Pod, busybox: str) -> None:
    out = box.run("run", "--rm", busybox, *sh("seq 200000")).stdout.splitlines()
    assert (len(out), out[-1]) == (200000, "200000")


def test_environment(box: Pod, busybox: str) -> None:
    result = inside(box, busybox, "echo $A-$B-$HOME-$PATH", "-e", "A=1", "--env", "B")
    assert result == "1--/root-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_environment_from_the_command(box: Pod, busybox: str) -> None:
    result = box.run("run", "--rm", "-e", "FROM_HOST", busybox, *sh("echo $FROM_HOST"), env={"FROM_HOST": "yes"})
    assert result.out == "yes"


def test_env_file(box: Pod, busybox: str) -> None:
    path = os.path.join(box.home, "env")
    with open(path, "w") as file:
        file.write("# comment\nA=1 2\nB=x\n")
    os.chmod(path, 0o644)
    assert inside(box, busybox, 'echo "$A/$B"', "--env-file", path, "-e", "B=y") == "1 2/y"


def test_working_directory_is_made(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "pwd", "-w", "/some/where") == "/some/where"


@pytest.mark.parametrize(
    ("option", "shown"), [("guest", "1000:1000"), ("1000", "1000:1000"), ("77:88", "77:88"), ("0", "0:0")]
)
def test_user(box: Pod, busybox: str, option: str, shown: str) -> None:
    assert inside(box, busybox, "echo $(id -u):$(id -g)", "--user", option) == shown


def test_entrypoint(box: Pod, busybox: str) -> None:
    assert box.run("run", "--rm", "--entrypoint", "echo", busybox, "a", "b").out == "a b"
    assert box.run("run", "--rm", "--entrypoint", '["echo", "x"]', busybox, "y").out == "x y"


def test_hostname(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "hostname; grep -c web /etc/hosts", "--hostname", "web").split() == ["web", "1"]


def test_default_hostname_is_the_id(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sleep", "100")
    assert box.run("exec", "c", "hostname").out == box.run("inspect", "--format", "{{.Id}}", "c").out[:12]


def test_read_only(box: Pod, busybox: str) -> None:
    script = "touch /file 2>/dev/null && echo writable; touch /tmp/file && echo tmp; touch /run/file && echo run"
    assert inside(box, busybox, script, "--read-only").split() == ["tmp", "run"]


def test_init(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "echo $$; cat /proc/1/comm", "--init").split()[0] != "1"


def test_capabilities(box: Pod, busybox: str) -> None:
    def bounding(*options: str) -> int:
        return int(inside(box, busybox, "grep CapBnd /proc/self/status", *options).split()[1], 16)

    default = bounding()
    assert default == 0x800405FB, "podman's default capabilities"
    assert bounding("--cap-drop", "all") == 0
    assert bounding("--cap-drop", "ALL", "--cap-add", "net_raw") == 1 << 13
    assert bounding("--cap-add", "CAP_SYS_PTRACE") == default | 1 << 19
    assert bounding("--privileged") > default


def test_ordinary_user_of_the_image_has_no_capabilities(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "grep CapEff /proc/self/status", "--user", "1000").split()[1] == "0" * 16


def test_no_new_privileges(box: Pod, busybox: str) -> None:
    script = "grep NoNewPrivs /proc/self/status"
    assert inside(box, busybox, script).split()[1] == "0"
    assert inside(box, busybox, script, "--security-opt", "no-new-privileges").split()[1] == "1"


def test_seccomp(box: Pod, busybox: str) -> None:
    script = "grep Seccomp: /proc/self/status"
    assert inside(box, busybox, script).split()[1] == "2"
    assert inside(box, busybox, script, "--security-opt", "seccomp=unconfined").split()[1] == "0"
    assert "not permitted" in box.run("run", "--rm", busybox, "unshare", "-m", "true", check=False).stderr


def test_masked_and_read_only_paths(box: Pod, busybox: str) -> None:
    masked = "for name in kcore keys timer_list sched_debug; do test -e /proc/$name && cat /proc/$name; done | wc -c"
    assert inside(box, busybox, masked) == "0"
    assert inside(box, busybox, "echo 1 > /proc/sys/kernel/sysrq || echo refused", "--user", "0").endswith("refused")
    assert "read-only" in inside(box, busybox, "(echo h > /proc/sys/kernel/hostname) 2>&1 || true").lower()


def test_ulimit(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "ulimit -n; ulimit -H -n", "--ulimit", "nofile=100:200").split() == ["100", "200"]


def test_devices(box: Pod, busybox: str) -> None:
    script = "for d in null zero full random urandom tty; do test -c /dev/$d || echo $d; done; echo x >/dev/null"
    assert inside(box, busybox, script) == ""


def test_shm_size(box: Pod, busybox: str) -> None:
    assert "size=1024k" in inside(box, busybox, "grep /dev/shm /proc/mounts", "--shm-size", "1m")


def test_network_none_has_loopback_only(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "ls /sys/class/net", "--network", "none") == "lo"
    assert "127.0.0.1" in inside(box, busybox, "ip addr show lo", "--network", "none")


def test_network_host(box: Pod, busybox: str) -> None:
    own = os.readlink("/proc/self/ns/net")
    assert inside(box, busybox, "readlink /proc/self/ns/net", "--network", "host") == own


@pytest.mark.parametrize("name", ["pid", "ipc", "uts"])
def test_host_namespaces(box: Pod, busybox: str, name: str) -> None:
    own = os.readlink(f"/proc/self/ns/{name}")
    assert inside(box, busybox, f"readlink /proc/self/ns/{name}", f"--{name}", "host") == own
    assert inside(box, busybox, f"readlink /proc/self/ns/{name}") != own


def test_bind_mount(box: Pod, busybox: str) -> None:
    path = os.path.join(box.home, "shared")
    os.mkdir(path)
    os.chown(path, box.user.uid, box.user.gid)
    inside(box, busybox, "echo hello > /data/file", "-v", f"{path}:/data")
    with open(os.path.join(path, "file")) as file:
        assert file.read() == "hello\n"
    assert os.stat(os.path.join(path, "file")).st_uid == box.user.uid
    script = "cat /data/file; touch /data/other 2>/dev/null || echo read-only"
    assert inside(box, busybox, script, "-v", f"{path}:/data:ro").split() == ["hello", "read-only"]
    mount = f"type=bind,source={path},target=/data,readonly"
    assert inside(box, busybox, script, "--mount", mount).split() == ["hello", "read-only"]


def test_bind_mount_of_a_file(box: Pod, busybox: str) -> None:
    path = os.path.join(box.home, "file")
    with open(path, "w") as file:
        file.write("content")
    os.chmod(path, 0o644)
    assert inside(box, busybox, "cat /deep/in/file", "-v", f"{path}:/deep/in/file") == "content"


def test_tmpfs(box: Pod, busybox: str) -> None:
    line = inside(box, busybox, "grep ' /mnt ' /proc/mounts", "--tmpfs", "/mnt:size=64k,mode=700")
    assert line.startswith("tmpfs")
    assert "size=64k" in line
    assert "tmpfs" in inside(box, busybox, "grep ' /mnt ' /proc/mounts", "--mount", "type=tmpfs,destination=/mnt")


def test_named_volume_keeps_its_content(box: Pod, busybox: str) -> None:
    inside(box, busybox, "echo kept > /data/file", "-v", "vol:/data")
    assert inside(box, busybox, "cat /data/file", "--mount", "type=volume,source=vol,target=/data") == "kept"
    assert box.run("volume", "ls", "--quiet").out == "vol"
    box.run("volume", "rm", "vol")
    assert box.run("volume", "ls", "--quiet").out == ""


def test_new_volume_gets_the_content_of_the_image(box: Pod, busybox: str) -> None:
    assert "root:x:0" in inside(box, busybox, "cat /etc/passwd", "-v", "etc:/etc")


def test_new_volume_belongs_to_the_user_where_the_image_has_nothing(box: Pod, busybox: str) -> None:
    script = "touch /fresh/file && stat -c %u:%g /fresh /fresh/file"
    assert inside(box, busybox, script, "-v", "fresh:/fresh", "-u", "1000:1000").split() == ["1000:1000", "1000:1000"]


def test_cidfile(box: Pod, busybox: str) -> None:
    path = os.path.join(box.home, "cid")
    box.run("run", "-d", "--cidfile", path, busybox, "sleep", "100")
    with open(path) as file:
        assert file.read().strip() == box.run("ps", "-q", "--no-trunc").out


def test_labels_and_annotations(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", "--label", "a=1", "-l", "b", "--annotation", "x.y=z", busybox)
    config = json.loads(box.run("inspect", "c").stdout)[0]["Config"]
    assert config["Labels"] == {"a": "1", "b": ""}
    assert config["Annotations"]["x.y"] == "z"


def test_rootfs(box: Pod, busybox: str) -> None:
    tree = os.path.join(box.home, "tree")
    os.makedirs(os.path.join(tree, "bin"))
    for name in ("proc", "sys", "dev", "etc"):
        os.mkdir(os.path.join(tree, name))
    with open("/bin/busybox", "rb") as source, open(os.path.join(tree, "bin/sh"), "wb") as target:
        target.write(source.read())
    os.chmod(os.path.join(tree, "bin/sh"), 0o755)
    for path, _, names in os.walk(tree):
        for name in [path, *(os.path.join(path, name) for name in names)]:
            os.chown(name, box.user.uid, box.user.gid)
    assert box.run("run", "--rm", "--rootfs", tree, "/bin/sh", "-c", "echo own tree").out == "own tree"


def test_pull_never_and_always(pod: Pod, busybox: str) -> None:
    assert pod.run("run", "--rm", "--pull", "never", busybox, "true", check=False).code == 125
    assert pod.run("run", "--rm", "--pull", "missing", "--quiet", busybox, "echo", "pulled").out == "pulled"
    assert pod.run("run", "--rm", "--pull", "always", "--quiet", busybox, "echo", "again").out == "again"


def test_name_and_replace(box: Pod, busybox: str) -> None:
    first = box.run("run", "-d", "--stop-timeout", "0", "--name", "c", busybox, "sleep", "100").out
    assert ID.fullmatch(first)
    assert box.run("run", "-d", "--stop-timeout", "0", "--name", "c", busybox, "sleep", "100", check=False).code == 125
    second = box.run("run", "-d", "--replace", "--stop-timeout", "0", "--name", "c", busybox, "sleep", "100").out
    assert second != first
    assert box.run("ps", "-aq", "--no-trunc").out == second


def test_replacing_takes_no_beginning_of_an_id_for_a_name(box: Pod, busybox: str) -> None:
    first: dict[str, str] = {}
    while True:  # at most seventeen times
        identity = box.run("create", busybox).out
        if identity[0] in first:
            break
        first[identity[0]] = identity
    for _ in range(2):
        made = box.run("create", "--replace", "--name", identity[0], busybox).out
        assert made not in (identity, first[identity[0]])
    assert sorted(box.run("ps", "-aq", "--no-trunc").out.split()) == sorted([*first.values(), identity, made])


def test_default_umask_and_root_directory(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "umask; stat -c %a /; pwd").split() == ["0022", "755", "/"]


def test_descriptors_do_not_leak_into_the_container(box: Pod, busybox: str) -> None:
    # ls opens one more for the directory itself.
    assert inside(box, busybox, "ls /proc/self/fd").split() == ["0", "1", "2", "3"]


def test_signals_are_at_their_defaults(box: Pod, busybox: str) -> None:
    # Python ignores SIGPIPE and SIGXFSZ; a container must not inherit that.
    # No shell between: busybox's own ignores SIGQUIT.
    shown = box.run("run", "--rm", busybox, "grep", "-E", "SigIgn|SigBlk", "/proc/self/status").out
    assert shown.split()[1::2] == ["0" * 16, "0" * 16]


@pytest.mark.parametrize("mode", ["root"], indirect=True)
def test_limits(box: Pod, busybox: str) -> None:
    options = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "33", "--cpuset-cpus", "0"]
    box.run("run", "-d", "--name", "c", *options, busybox, "sleep", "100")
    pid = box.run("inspect", "--format", "{{.State.Pid}}", "c").out
    with open(f"/proc/{pid}/cgroup") as file:
        groups = dict(line.strip().split(":")[1:] for line in file)

    def value(controller: str, name: str) -> str:
        path = f"/sys/fs/cgroup/{controller}{groups.get(controller, groups.get(''))}/{name}"
        with open(path) as file:
            return file.read().strip()

    if "memory" not in groups:
        pytest.skip("cgroup v2 is covered by the system suite")
    assert value("memory", "memory.limit_in_bytes") == str(64 << 20)
    assert value("cpu", "cpu.cfs_quota_us") == "50000"
    assert value("pids", "pids.max") == "33"
    assert value("cpuset", "cpuset.cpus") == "0"


@pytest.mark.parametrize("mode", ["root"], indirect=True)
def test_out_of_memory(box: Pod, busybox: str) -> None:
    script = "x=$(head -c 100000000 /dev/zero | tr '\\0' x)"
    result = box.run("run", "--name", "c", "--memory", "20m", busybox, *sh(script), check=False)
    assert result.code == 137
    assert box.run("inspect", "--format", "{{.State.OOMKilled}}", "c").out == "true"


def test_files_written_belong_to_the_container(box: Pod, busybox: str) -> None:
    inside(box, busybox, "mkdir -m 700 /x && echo y > /x/y && chown 5:6 /x/y && stat -c %u:%g /x/y")
    box.run("create", "--name", "c", busybox)
    mode = os.stat(os.path.join(box.root, "containers")).st_mode
    assert not stat.S_IMODE(mode) & 0o022
