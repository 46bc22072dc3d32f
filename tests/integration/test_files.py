"""A container's files as seen from outside: diff, export, and what a hostile container does against it."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import time

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually

CHANGE = """
mkdir -p /data/inner; echo 12345 >/data/inner/file; ln /data/inner/file /data/hard; ln -s inner /data/link
rm /bin/vi; rm -rf /etc/gone; echo more >>/etc/passwd; chmod 700 /home 2>/dev/null; mkfifo /data/fifo; exit 0
"""


def changed(box: Pod, image: str, *options: str) -> None:
    box.run("run", "--name", "one", *options, image, "sh", "-c", CHANGE)


def exported(box: Pod, name: str) -> dict[str, tarfile.TarInfo]:
    path = os.path.join(box.home, "out.tar")
    box.run("export", "--output", path, name)
    with tarfile.open(path) as archive:
        return {member.name.rstrip("/"): member for member in archive}


def test_diff(box: Pod, busybox: str) -> None:
    changed(box, busybox)
    lines = box.run("diff", "one").stdout.splitlines()
    assert {"C /bin", "D /bin/vi", "A /data", "A /data/inner", "A /data/inner/file", "A /data/link"} <= set(lines)
    assert not any(path in line for line in lines for path in ("/etc/hosts", "/proc", "/dev/pts", "/run/.containerenv"))
    assert box.run("container", "diff", "--latest").stdout.splitlines() == lines
    assert box.run("diff", "-l").stdout.splitlines() == lines
    told = json.loads(box.run("diff", "--format", "json", "one").out)
    assert "/bin/vi" in told["deleted"]
    assert "/data/inner/file" in told["added"]


def test_diff_of_a_running_container(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "one", busybox, "sh", "-c", "touch /new; sleep 600")
    box.run("exec", "one", "sh", "-c", "until test -e /new; do sleep 0.05; done; rm /bin/vi && mkdir /bin/vi")
    lines = box.run("diff", "one").stdout.splitlines()
    assert "A /new" in lines
    assert "C /bin/vi" in lines


def test_diff_of_a_directory_made_anew(box: Pod, busybox: str) -> None:
    box.run(
        "run",
        "--name",
        "one",
        busybox,
        "sh",
        "-c",
        "cp /bin/busybox /; /busybox rm -r /bin; /busybox mkdir /bin; /busybox touch /bin/x",
    )
    lines = box.run("diff", "one").stdout.splitlines()
    assert {"A /bin/x", "D /bin/sh", "D /bin/busybox"} <= set(lines)


def test_image_diff(box: Pod, busybox: str) -> None:
    assert "A /bin/busybox" in box.run("image", "diff", busybox).stdout.splitlines()
    assert box.run("image", "diff", busybox, busybox).out == ""
    box.run("run", "--name", "changer", busybox, "touch", "/usr/bin/new")
    box.run("commit", "-q", "changer", "changed")
    assert box.run("image", "diff", "changed", busybox).stdout.endswith("C /usr\nC /usr/bin\nA /usr/bin/new\n")
    assert "/bin/busybox" in json.loads(box.run("image", "diff", "--format", "json", busybox).out)["added"]
    failed = box.run("image", "diff", "none", check=False)
    assert failed.code == 125


def test_diff_says_what_is_wrong(box: Pod, busybox: str) -> None:
    assert box.run("diff", "none", check=False).stderr.startswith("Error: none not found: layer not known\n")
    failed = box.run("diff", "--format", "yaml", "none", check=False)
    assert (failed.code, failed.stderr) == (125, "Error: only supported value for '--format' is 'json'\n")
    assert box.run("diff", "--latest", "one", check=False).code == 125
    assert box.run("container", "diff", check=False).code == 125


def test_export(box: Pod, busybox: str) -> None:
    changed(box, busybox, "--volume", "data:/volume")
    members = exported(box, "one")
    assert members["data/hard"].size == 6
    assert {members["data/hard"].type, members["data/inner/file"].type} == {
        tarfile.LNKTYPE,
        tarfile.REGTYPE,
    }  # one file
    assert members["data/link"].linkname == "inner"
    assert members["data/fifo"].isfifo()
    assert "bin/vi" not in members
    assert "bin/busybox" in members
    assert (members["bin/busybox"].uid, members["bin/busybox"].gid) == (0, 0)
    assert not any(".wh." in name for name in members)
    box.run("start", "one")
    result = box.run("export", "one", "-o", os.path.join(box.home, "again.tar"))
    assert result.stdout == ""


def test_export_of_a_running_container_has_no_mounts(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "one", "--volume", "data:/volume", "--tmpfs", "/memory", busybox, "sh", "-c",
            "touch /volume/a /memory/b /own; sleep 600")  # fmt: skip
    eventually(lambda: box.run("exec", "one", "ls", "/own", check=False).code == 0)
    members = exported(box, "one")
    assert "own" in members
    assert "volume" in members
    assert not {"volume/a", "memory/b", "proc/1", "etc/hosts/x"} & set(members)


def test_export_to_stdout(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "one", busybox, "true")
    process = box.start("export", "one")
    data, _ = process.communicate()
    assert process.returncode == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert "bin/busybox" in archive.getnames()
    terminal = box.spawn("export", "one")
    terminal.expect("refusing to export to terminal. Use -o flag or redirect")
    terminal.wait()
    assert terminal.exitstatus == 125
    terminal.close()
    failed = box.run("export", "-o", "a:b", "one", check=False)
    assert (failed.code, failed.stderr) == (125, 'Error: invalid filename (should not contain ":") "a:b"\n')
    assert box.run("export", "none", check=False).code == 125


def test_owners_in_a_user_namespace(box: Pod, busybox: str) -> None:
    maps = ("--uidmap", "0:1:1000", "--gidmap", "0:1:1000")
    box.run("run", "--name", "one", *maps, busybox, "sh", "-c", "touch /own; chown 7:8 /own")
    members = exported(box, "one")
    assert (members["own"].uid, members["own"].gid) == (7, 8)
    assert (members["bin/busybox"].uid, members["bin/busybox"].gid) == (0, 0)
    assert "A /own" in box.run("diff", "one").stdout.splitlines()


def test_export_while_a_container_swaps_names(box: Pod, busybox: str) -> None:
    """CVE-2018-15664: what is a directory now is a link to the host's /etc in a moment."""
    secret = os.path.join(box.directory, "secret")
    box.execute(["sh", "-c", f"mkdir {secret}; echo the-host >{secret}/file"])
    swap = f"mkdir -p /a/file; ln -s {secret} /b; while :; do mv /a /c; mv /b /a; mv /a /b; mv /c /a; done"
    box.run("run", "--detach", "--name", "one", busybox, "sh", "-c", swap)
    for _ in range(5):
        process = box.start("export", "one")
        data, _ = process.communicate()
        assert process.returncode == 0
        assert b"the-host" not in data


def config_of(box: Pod, image: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(box.run("image", "inspect", image).out)[0]
    return found


def test_commit(box: Pod, busybox: str) -> None:
    changed(box, busybox, "--env", "A=b", "--label", "l=1", "--workdir", "/data")
    image = box.run("commit", "--author", "Me <me@example.org>", "--quiet", "one", "made:1").out
    assert image == box.run("images", "--quiet", "--no-trunc", "made").out.removeprefix("sha256:")
    told = config_of(box, "localhost/made:1")
    assert told["Author"] == "Me <me@example.org>"
    config = told["Config"]
    assert isinstance(config, dict)
    assert "A=b" in config["Env"]
    assert (config["Labels"], config["WorkingDir"]) == ({"l": "1"}, "/data")
    assert len(told["RootFS"]["Layers"]) == 2  # type: ignore[index]
    script = "cat /data/inner/file; stat -c %h /data/hard; readlink /data/link; test -p /data/fifo && test ! -e /bin/vi"
    assert box.run("run", "--rm", "made:1", "sh", "-c", script).out.split() == ["12345", "2", "inner"]
    assert box.run("system", "check").out == ""


def test_commit_with_changes(box: Pod, busybox: str) -> None:
    ports = ("--network", "bridge", "--publish", "1081:81/udp", "--expose", "82")
    box.run("create", "--name", "one", "--volume", "data:/volume", "--env", "A=b", *ports, busybox, "true")
    path = os.path.join(box.home, "config.json")
    box.execute(["sh", "-c", f"""echo '{{"User": "3"}}' >{path}"""])
    iid = os.path.join(box.home, "iid")
    line = ["commit", "--change", "CMD echo changed", "-c", "ENV C=d", "--config", path, "--include-volumes"]
    box.run(*line, "-c", "EXPOSE 83", "--iidfile", iid, "--format", "docker", "--message", "why", "one", "changed")
    told = config_of(box, "changed")
    config = told["Config"]
    assert isinstance(config, dict)
    assert config["Cmd"] == ["/bin/sh", "-c", "echo changed"]
    assert {"A=b", "C=d"} <= set(config["Env"])
    assert (config["User"], config["Volumes"]) == ("3", {"/volume": {}})
    assert sorted(config["ExposedPorts"]) == ["81/udp", "82/tcp", "83/tcp"]
    assert told["Comment"] == "why"
    assert told["ManifestType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert "why" in box.run("history", "--format", "{{.Comment}}", "changed").out
    with open(iid, encoding="ascii") as file:
        assert file.read() == f"sha256:{told['Id']}"
    assert box.run("run", "--rm", "changed").out == "changed"


def test_commit_squashed(box: Pod, busybox: str) -> None:
    changed(box, busybox)
    box.run("commit", "--squash", "one", "squashed")
    assert len(config_of(box, "squashed")["RootFS"]["Layers"]) == 1  # type: ignore[index]
    assert box.run("run", "--rm", "squashed", "cat", "/data/hard").out == "12345"
    assert box.run("run", "--rm", "squashed", "ls", "/bin/vi", check=False).code != 0


def test_commit_of_a_running_container(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "one", busybox, "sh", "-c", "mkdir /d; echo 1 >/d/a; rm -r /etc/x; sleep 600")
    eventually(lambda: box.run("exec", "one", "ls", "/d/a", check=False).code == 0)
    pause = () if box.rootless else ("--pause",)  # which wants a cgroup
    image = box.run("commit", *pause, "one").out.splitlines()[-1]
    assert box.run("run", "--rm", image, "cat", "/d/a").out == "1"
    assert box.run("inspect", "--format", "{{.State.Status}}", "one").out == "running"


def test_commit_says_what_is_wrong(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "one", busybox, "true")
    before = box.run("images", "--all", "--quiet").out
    for line, message in (
        (("commit", "none"), 'no container with name or ID "none" found: no such container'),
        (("commit", "--format", "x", "one"), 'unrecognized image format "x"'),
        (("commit", "-m", "why", "one"), "messages are only compatible with the docker image format (-f docker)"),
        (("commit", "--change", "NONSENSE", "one"), 'invalid change "NONSENSE" - invalid instruction NONSENSE'),
        (("commit", "one", "UPPER:/"), ""),
    ):
        failed = box.run(*line, check=False)
        assert failed.code == 125
        assert message in failed.stderr
    assert box.run("images", "--all", "--quiet").out == before


def test_commit_killed_at_any_moment_leaves_nothing(box: Pod, busybox: str) -> None:
    box.run("run", "--name", "one", busybox, "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do cp /bin/busybox /$i; done")
    before = box.run("images", "--all", "--quiet", "--no-trunc").out
    for moment in (0.02, 0.05, 0.08, 0.12):
        process = box.start("commit", "--quiet", "one", "killed")
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if "killed" in box.run("images").out:
            box.run("rmi", "killed")
    box.run("system", "prune", "--external")
    assert box.run("images", "--all", "--quiet", "--no-trunc").out == before
    assert os.listdir(f"{box.root}/staging") == []
    assert box.run("system", "check").out == ""


def test_commit_of_owners_in_a_user_namespace(box: Pod, busybox: str) -> None:
    maps = ("--uidmap", "0:1:1000", "--gidmap", "0:1:1000")
    box.run("run", "--name", "one", *maps, busybox, "sh", "-c", "touch /own; chown 7:8 /own")
    box.run("commit", "one", "owned")
    assert box.run("run", "--rm", "owned", "stat", "-c", "%u:%g", "/own", "/bin/busybox").out.split() == ["7:8", "0:0"]


def test_clone(box: Pod, busybox: str) -> None:
    box.run(
        "create", "--name", "one", "--env", "A=b", "--volume", "data:/data", busybox, "sh", "-c", "echo $A $HOSTNAME"
    )
    first = box.run("container", "clone", "one").out
    assert box.run("inspect", "--format", "{{.Name}} {{.Id}}", "one-clone").out == f"one-clone {first}"
    assert box.run("start", "--attach", "one-clone").out == f"b {first[:12]}"
    box.run("container", "clone", "one", "second", busybox)
    assert box.run("inspect", "--format", "{{(index .Mounts 0).Name}}", "second").out == "data"
    box.run("container", "clone", "--run", "--name", "third", "one")
    assert box.run("wait", "third").out == "0"
    box.run("container", "clone", "--destroy", "--force", "one", "fourth")
    assert box.run("container", "exists", "one", check=False).code == 1


def test_clone_with_limits(box: Pod, busybox: str) -> None:
    if box.rootless:
        failed = box.run("create", "--name", "one", busybox, "true") and box.run(
            "container", "clone", "--memory", "64m", "one", check=False
        )
        assert failed.code == 125
        return
    box.run("create", "--name", "one", busybox, "true")
    line = ("container", "clone", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "9", "one", "two")
    box.run(*line)
    fields = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}"
    assert box.run("inspect", "--format", fields, "two").out == f"{64 << 20} 500000000 9"


def test_clone_takes_every_limit(box: Pod, busybox: str) -> None:
    if box.rootless:
        return  # who has no control group to be limited in: test_clone_with_limits
    box.run("create", "--name", "one", busybox, "true")
    device = "/dev/null"
    line = [
        "container",
        "clone",
        "--memory",
        "64m",
        "--memory-reservation",
        "32m",
        "--memory-swap",
        "128m",
        "--cpu-shares",
        "9",
    ]
    line += ["--memory-swappiness", "10", "--cpu-period", "50000", "--cpu-quota", "25000", "--cpuset-cpus", "0"]
    line += ["--cpuset-mems", "0", "--cpu-rt-period", "1000000", "--cpu-rt-runtime", "1000", "--blkio-weight", "20"]
    line += ["--blkio-weight-device", f"{device}:30", "--device-read-bps", f"{device}:1mb"]
    line += ["--device-write-bps", f"{device}:2mb"]
    box.run(*line, "one", "two")
    host = json.loads(box.run("inspect", "two").out)[0]["HostConfig"]
    assert (host["Memory"], host["MemoryReservation"], host["MemorySwap"]) == (64 << 20, 32 << 20, 128 << 20)
    assert (host["CpuShares"], host["CpuPeriod"], host["CpuQuota"], host["MemorySwappiness"]) == (9, 50000, 25000, 10)
    assert (host["CpusetCpus"], host["CpusetMems"], host["BlkioWeight"]) == ("0", "0", 20)
    assert (host["CpuRealtimePeriod"], host["CpuRealtimeRuntime"]) == (1000000, 1000)
    assert host["BlkioWeightDevice"][0]["Weight"] == 30
    assert (host["BlkioDeviceReadBps"][0]["Rate"], host["BlkioDeviceWriteBps"][0]["Rate"]) == (1 << 20, 2 << 20)


def test_clone_says_what_is_wrong(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "one", busybox, "sleep", "600")
    for line, message in (
        (("container", "clone", "none"), "no such container"),
        (("container", "clone", "--force", "one"), "cannot set --force without --destroy: invalid argument"),
        (("container", "clone", "one", "one"), 'the container name "one" is already in use'),
        (("container", "clone", "one", "two", "nonesuch"), "nonesuch"),
        (("container", "clone", "--name", "a", "one", "b"), "cannot set --name"),
    ):
        failed = box.run(*line, check=False)
        assert failed.code == 125, line
        assert message in failed.stderr
    assert box.run("container", "clone", "--destroy", "one", check=False).code == 2
    assert box.run("ps", "--all", "--format", "{{.Names}}").out == "one"


def test_cleanup(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "running", busybox, "sleep", "600")
    box.run("create", "--name", "created", busybox, "true")
    assert box.run("container", "cleanup", "created").out == "created"
    box.run("container", "cleanup", "--all")
    box.run("container", "cleanup", "--rm", "--latest")
    assert box.run("ps", "--all", "--format", "{{.Names}}").out == "running"
    assert box.run("container", "cleanup", "--exec", "f00", "running", check=False).code == 125
    box.run("rm", "--force", "--time", "0", "running")
    box.run("create", "--name", "created", busybox, "true")
    box.run("container", "cleanup", "--rm", "--rmi", "created")
    assert box.run("images", "--quiet").out == ""


def test_mount(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "one", busybox, "cat", "/written")
    failed = box.run("mount", "one", check=False)
    if box.rootless:
        assert failed.code == 125
        assert "in rootless mode, must execute `pod unshare` first" in failed.stderr
        assert box.run("unmount", "one", check=False).code == 125
        script = f"echo from-the-host >$({' '.join(box.argv('mount', 'one'))})/written"
        box.run("unshare", "sh", "-c", script)
        assert box.run("start", "--attach", "one").out == "from-the-host"
        return
    place = failed.out
    assert os.path.exists(f"{place}/bin/busybox")
    with open(f"{place}/written", "w", encoding="ascii") as file:
        file.write("from-the-host\n")
    assert box.run("mount").out.split()[1] == place
    assert json.loads(box.run("mount", "--format", "json").out)[0]["mountpoint"] == place
    assert box.run("mount", "--no-trunc").out.split()[0] == box.run("inspect", "--format", "{{.Id}}", "one").out
    assert box.run("start", "--attach", "one").out == "from-the-host"
    assert box.run("umount", "one").out == "one"
    assert box.run("mount").out == ""
    assert box.run("mount", "--latest").out == place
    with open(f"{place}/written", encoding="ascii"):
        busy = box.run("unmount", "one", check=False)
        assert busy.code == 125
        assert "busy" in busy.stderr
        box.run("unmount", "--force", "--all")
    box.run("mount", "--all")
    box.run("rm", "one")
    assert not os.path.exists(place)


def test_mount_of_a_running_container(box: Pod, busybox: str) -> None:
    if box.rootless:
        box.run("run", "--detach", "--name", "one", busybox, "sleep", "600")
        script = f"ls $({' '.join(box.argv('mount', 'one'))})/bin/busybox"
        assert box.run("unshare", "sh", "-c", script).out.endswith("/bin/busybox")
        return
    box.run("run", "--detach", "--name", "one", busybox, "sh", "-c", "echo 1 >/a; sleep 600")
    place = box.run("mount", "one").out
    with open(f"{place}/b", "w", encoding="ascii") as file:
        file.write("2")
    assert box.run("exec", "one", "cat", "/b").out == "2"
    box.run("restart", "--time", "0", "one")
    box.run("exec", "one", "sh", "-c", "echo 3 >/c")
    assert os.path.exists(f"{place}/c")
    box.run("rm", "--force", "--time", "0", "one")
    assert not os.path.exists(place)


def test_mount_says_what_is_wrong(box: Pod) -> None:
    if box.rootless:
        return
    assert box.run("mount", "none", check=False).code == 125
    assert box.run("mount", "--format", "yaml", check=False).code == 125
    assert box.run("mount", "--all", "one", check=False).stderr.startswith("Error: no arguments are needed with --all")
    assert box.run("unmount", check=False).code == 125
    assert box.run("unmount", "--latest", "x", check=False).code == 125


def test_export_of_a_container_that_is_removed_meanwhile(box: Pod, busybox: str) -> None:
    """What was read is a part only: that is no success."""
    box.run("run", "--name", "c", busybox, "sh", "-c", "for i in $(seq 40); do head -c 100000 /dev/zero >/$i; done")
    identity = box.run("inspect", "--format", "{{.Id}}", "c").out
    with box.start("export", "c") as process:
        assert process.stdout is not None
        assert process.stdout.read(10000)
        box.run("rm", "-f", "-t", "0", "c")
        _, told = process.communicate(timeout=60)
    assert process.returncode == 125
    assert told.decode() == f'Error: no container with name or ID "{identity}" found: no such container\n'
