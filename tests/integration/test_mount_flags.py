"""`--volume`, `--mount`, `--tmpfs` and the other flags of `run` and `create` on what is mounted, seen from inside."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.fixtures.command import Pod


def inside(box: Pod, image: str, script: str, *options: str) -> str:
    """Run a shell script in a container of its own and return what it prints."""
    return box.run("run", "--rm", *options, image, "sh", "-c", script).out


@pytest.fixture
def source(box: Pod) -> str:
    """A directory of the user with a file in it."""
    path = os.path.join(box.home, "source")
    os.makedirs(os.path.join(path, "sub"))
    for name in ("file", "sub/below"):
        with open(os.path.join(path, name), "w") as file:
            file.write(name)
    for name in (path, f"{path}/sub", f"{path}/file", f"{path}/sub/below"):
        os.chown(name, box.user.uid, box.user.gid)
    return path


def options_of(box: Pod, image: str, *flags: str, at: str = "/x") -> set[str]:
    """Return the mount options that a container sees at a place."""
    return set(inside(box, image, f"grep ' {at} ' /proc/mounts", *flags).split("\n")[-1].split()[3].split(","))


def test_options_of_volume(box: Pod, busybox: str, source: str) -> None:
    assert {"ro", "noexec"} <= options_of(box, busybox, "--volume", f"{source}:/x:ro,noexec,nosuid,nodev,z")
    assert {"rw", "nosuid", "nodev"} <= options_of(box, busybox, "-v", "named:/x:rw,copy,Z")
    if not box.rootless:
        assert "nodev" not in options_of(box, busybox, "-v", "named:/x:dev,suid,exec")
    shown = inside(box, busybox, "grep ' /x ' /proc/self/mountinfo", "-v", f"{source}:/x:rslave,rbind")
    assert " - " in shown
    result = box.run("run", "--rm", "-v", "source:/x:nocopy", busybox, "ls", "/x")
    assert result.out == ""


def test_relative_source_of_a_volume(box: Pod, busybox: str, source: str) -> None:
    assert source
    assert inside(box, busybox, "cat /x/file", "-v", "./source:/x") == "file"


def test_overlay_volume_is_thrown_away(box: Pod, busybox: str, source: str) -> None:
    script = "cat /x/file; echo new > /x/file; touch /x/more; cat /x/file"
    box.run("create", "--name", "c", "-v", f"{source}:/x:O", busybox, "sh", "-c", script)
    for _ in range(2):
        assert box.run("start", "-a", "c").out == "filenew"
    box.run("rm", "c")
    assert sorted(os.listdir(source)) == ["file", "sub"]
    with open(f"{source}/file") as file:
        assert file.read() == "file"
    box.run("run", "--rm", "-v", "vol:/x", busybox, "touch", "/x/kept")
    assert inside(box, busybox, "touch /x/gone; ls /x", "-v", "vol:/x:O").split() == ["gone", "kept"]
    assert inside(box, busybox, "ls /x", "-v", "vol:/x") == "kept"


def test_overlay_volume_with_upperdir_keeps_what_is_written(box: Pod, busybox: str, source: str) -> None:
    for name in ("upper", "work"):
        os.mkdir(os.path.join(box.home, name))
        os.chown(os.path.join(box.home, name), box.user.uid, box.user.gid)
    places = f"upperdir={box.home}/upper,workdir={box.home}/work"
    for expected in ("", "kept"):
        shown = inside(box, busybox, "cat /x/new 2>/dev/null; echo -n kept > /x/new", "-v", f"{source}:/x:O,{places}")
        assert shown == expected
    assert os.listdir(f"{box.home}/upper") == ["new"]


def test_chown_of_a_volume(box: Pod, busybox: str, source: str) -> None:
    script = "stat -c %u:%g /x /x/file /x/sub /x/sub/below; touch /x/own"
    assert set(inside(box, busybox, script, "-v", f"{source}:/x:U", "--user", "12:34").split()) == {"12:34"}
    bind = f"type=bind,src={source},dst=/x,U=true"
    assert set(inside(box, busybox, script, "--mount", bind, "--user", "0:0").split()) == {"0:0"}
    named = "type=volume,src=v,dst=/x,chown=true"
    assert set(inside(box, busybox, "stat -c %u /x", "--mount", named, "--user", "7").split()) == {"7"}
    refused = box.run("run", "--rm", "-v", "/etc:/x:U", busybox, "true", check=False)
    assert refused.code == 126
    assert 'chowning host path "/etc" is not allowed' in refused.stderr


@pytest.mark.skipif("POD_TEST_RUNTIME" in os.environ, reason="runc 1.1 takes no notice of it")
def test_idmap(box: Pod, busybox: str, source: str) -> None:
    mapping = "idmap=uids=0-5000-1000;gids=0-6000-1000"
    result = box.run("run", "--rm", "-v", f"{source}:/x:{mapping}", busybox, "stat", "-c", "%u:%g", "/x", check=False)
    if box.rootless:
        # The kernel wants the privileges of the namespace that owns the file system.
        assert result.code == 126
        assert "not permitted" in result.stderr
        return
    assert result.out == "5000:6000"
    both = f"type=bind,src={source},dst=/x,idmap={mapping.partition('=')[2]}"
    assert inside(box, busybox, "stat -c %u:%g /x", "--mount", f'"{both}"'.strip('"')) == "5000:6000"


def test_nocreate(box: Pod, busybox: str) -> None:
    refused = box.run("run", "--rm", "-v", "missing:/x:nocreate", busybox, "true", check=False)
    assert refused.code == 125
    assert 'no volume with name "missing" found: no such volume' in refused.stderr
    box.run("volume", "create", "missing")
    box.run("run", "--rm", "-v", "missing:/x:nocreate", busybox, "true")
    box.run("run", "--rm", "--mount", "type=volume,src=missing,dst=/x,nocreate=true", busybox, "true")


def test_types_of_mount(box: Pod, busybox: str, source: str) -> None:
    shown = inside(
        box,
        busybox,
        "cat /proc/mounts; cat /b/file; ls /g /r; stat -c %a:%u /t",
        *("--mount", f"type=bind,src={source},dst=/b,ro,bind-nonrecursive=true,relabel=shared"),
        *("--mount", f"type=glob,src={source}/f*,dst=/g"),
        *("--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=710,notmpcopyup,chown=true"),
        *("--mount", "type=ramfs,dst=/r"),
        *("--mount", "type=devpts,dst=/p,mode=600,max=5,uid=0"),
        *("--user", "12"),
    )
    lines = {line.split()[1]: line.split() for line in shown.splitlines() if line.count(" ") > 4}
    assert "ro" in lines["/b"][3].split(",")
    assert (lines["/t"][2], lines["/r"][2], lines["/p"][2]) == ("tmpfs", "ramfs", "devpts")
    assert "size=1024k" in lines["/t"][3]
    assert "max=5" in lines["/p"][3]
    assert "/g/file" in lines
    assert shown.splitlines()[-1] == "710:12"


@pytest.mark.skipif("POD_TEST_RUNTIME" in os.environ, reason="runc 1.1 does not know it")
def test_a_link_is_copied_with_no_dereference(box: Pod, busybox: str, source: str) -> None:
    os.symlink("/nowhere", f"{source}/link")
    mount = f"type=bind,src={source}/link,dst=/x,no-dereference=true"
    assert inside(box, busybox, "readlink /x", "--mount", mount) == "/nowhere"


def test_what_is_thrown_away_is_so_at_each_restart(box: Pod, busybox: str, source: str) -> None:
    box.run("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "t")
    script = "ls /o /s; echo x > /o/new; cat /run/secrets/*; sleep 0.1; exit 3"
    box.run("secret", "create", "token", "-", input="S")
    box.run("run", "--rm", "-v", "v:/x", busybox, "sh", "-c", "mkdir /x/a; echo x > /x/a/below")
    flags = ("-v", f"{source}:/o:O", "-v", "t:/t", "--secret", "token", "--mount", "type=volume,src=v,dst=/s,subpath=a")
    box.run("run", "-d", "--restart", "on-failure:2", "--name", "c", *flags, busybox, "sh", "-c", script)
    deadline = time.monotonic() + 60
    expected = ["/o:", "file", "sub", "", "/s:", "below", "S"] * 3
    while box.run("logs", "c").stdout.replace("S/", "S\n/").split("\n") != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert box.run("logs", "c").stdout.replace("S/", "S\n/").split("\n") == expected


def test_quoted_fields_of_mount(box: Pod, busybox: str) -> None:
    path = os.path.join(box.home, "a,b")
    os.mkdir(path)
    os.chmod(path, 0o755)
    assert inside(box, busybox, "ls -d /x", "--mount", f'type=bind,"src={path}",dst=/x') == "/x"


def test_image_mounts(box: Pod, busybox: str) -> None:
    assert "bin" in inside(box, busybox, "ls /x; ! touch /x/new", "--mount", f"type=image,source={busybox},dst=/x")
    rw = f"type=image,source={busybox},dst=/x,rw=true"
    assert inside(box, busybox, "touch /x/new && ls /x/new", "--mount", rw) == "/x/new"
    sub = f"type=image,source={busybox},dst=/x,subpath=/etc"
    assert "root:x:0" in inside(box, busybox, "cat /x/passwd; ls -a /x/..", "--mount", sub)


def test_subpath_of_a_volume(box: Pod, busybox: str) -> None:
    inside(box, busybox, "mkdir -p /x/a/b; echo deep > /x/a/b/file", "-v", "v:/x")
    sub = "type=volume,src=v,dst=/s,subpath=a/b"
    assert inside(box, busybox, "cat /s/file", "--mount", sub) == "deep"
    file = "type=volume,src=v,dst=/s,volume-subpath=a/b/file"
    assert inside(box, busybox, "cat /s", "--mount", file) == "deep"


def test_tmpfs_options(box: Pod, busybox: str) -> None:
    flags = "/x:size=64k,mode=1770,uid=3,gid=4,noexec,nosuid,nodev,rw,noatime,tmpcopyup"
    shown = inside(box, busybox, "stat -c %u:%g:%a /x; grep ' /x ' /proc/mounts", "--tmpfs", flags)
    assert shown.startswith("3:4:1770")
    assert {"noexec", "size=64k"} <= set(shown.split()[4].split(","))
    assert inside(box, busybox, "ls /bin/busybox", "--tmpfs", "/bin:ro,exec") == "/bin/busybox"


def test_volumes_from(box: Pod, busybox: str, source: str) -> None:
    box.run("create", "--name", "donor", "-v", "v:/v", "-v", f"{source}:/host", "-v", "/nameless", busybox)
    script = "echo x > /v/new; cat /host/file; ls -d /nameless"
    assert inside(box, busybox, script, "--volumes-from", "donor").split() == ["file/nameless"]
    assert "ro" in options_of(box, busybox, "--volumes-from", "donor:ro", at="/v")
    assert inside(box, busybox, "cat /v/new", "--volumes-from", "donor:z") == "x"
    # What is asked for itself wins.
    assert inside(box, busybox, "ls /v", "--volumes-from", "donor", "--tmpfs", "/v") == ""
    box.run("rm", "--volumes", "donor")


def test_image_volumes(box: Pod, busybox: str) -> None:
    with open("/bin/busybox", "rb") as file:
        program = file.read()
    import io
    import tarfile

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("bin/sh")
        info.size, info.mode = len(program), 0o755
        tar.addfile(info, io.BytesIO(program))
    box.run("import", "--change", "VOLUME /v", "-", "localhost/volumes", input=data.getvalue())
    sh = ("/bin/sh", "-c", "while read d m t o; do [ $m = /v ] && echo $t; done < /proc/mounts; true")
    kinds = {}
    for mode in ("bind", "tmpfs", "ignore"):
        kinds[mode] = box.run("run", "--rm", "--image-volume", mode, "localhost/volumes", *sh).out
    assert kinds["tmpfs"] == "tmpfs"
    assert kinds["ignore"] == ""
    assert kinds["bind"] not in ("", "tmpfs")
    assert box.run("volume", "ls", "-q").out == ""


def test_read_only(box: Pod, busybox: str) -> None:
    script = "touch /tmp/x /run/x /var/tmp/x /dev/shm/x && ! touch /x 2>/dev/null && echo fine"
    assert inside(box, busybox, script, "--read-only") == "fine"
    script = "for p in / /tmp /run /dev /dev/shm; do touch $p/x 2>/dev/null && echo $p; done; echo >/dev/null; true"
    assert inside(box, busybox, script, "--read-only", "--read-only-tmpfs=false") == ""
    line = inside(box, busybox, "grep ' /run ' /proc/mounts", "--read-only", "--shm-size-systemd", "1m")
    assert "size=1024k" in line


def test_shm_size(box: Pod, busybox: str) -> None:
    assert "size=1024k" in inside(box, busybox, "grep ' /dev/shm ' /proc/mounts", "--shm-size", "1m")


def test_chrootdirs(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "cmp /etc/hosts /jail/etc/hosts && ls /jail/etc", "--chrootdirs", "/jail").split() == [
        "hostname",
        "hosts",
    ]


def test_defaults_of_containers_conf(box: Pod, busybox: str, source: str) -> None:
    path = os.path.join(box.home, "containers.conf")
    with open(path, "w") as file:
        file.write(f'[containers]\nvolumes = ["{source}:/one:ro"]\nmounts = ["type=tmpfs,dst=/two"]\n')
    os.chmod(path, 0o644)
    shown = box.run(
        *("run", "--rm", "--tmpfs", "/one", busybox, "sh", "-c", "grep -E ' /(one|two) ' /proc/mounts"),
        env={"CONTAINERS_CONF": path},
    )
    assert [line.split()[2] for line in shown.stdout.splitlines()] == ["tmpfs", "tmpfs"]
    shown = box.run("run", "--rm", busybox, "cat", "/one/file", env={"CONTAINERS_CONF": path})
    assert shown.out == "file"


REFUSED = [
    (["-v", "/etc:/x", "--tmpfs", "/x"], "/x: duplicate mount destination"),
    (["-v", "/etc:/x", "--mount", "type=volume,src=v,dst=/x"], "/x: duplicate mount destination"),
    (["-v", "/etc:/x:frob"], 'invalid option type "frob"'),
    (["-v", "/etc:/x:ro,rw"], "invalid options \"ro, rw\", can only specify 1 'rw' or 'ro' option"),
    (["-v", "/etc:/x:z,O"], "invalid options \"z, O\", can only specify 1 'z', 'Z', or 'O' option"),
    (["-v", "v:/x:copy,nocopy"], "can only specify 1 'copy' or 'nocopy' option"),
    (["-v", ":/x"], "host directory cannot be empty"),
    (["-v", "/etc:/x:O,upperdir=/nope,workdir=/nope"], 'mounting overlay failed "/etc"'),
    (["-v", "/etc:/x:idmap=frob"], 'invalid idmap option "frob"'),
    (["--mount", "type=frob,dst=/x"], 'invalid filesystem type "frob"'),
    (["--mount", "type=artifact,src=a,dst=/x"], "artifact"),
    (["--mount", "type=bind,src=/nope,dst=/x"], "statfs /nope: no such file or directory"),
    (["--mount", "type=bind,src=/etc"], "must set volume destination"),
    (["--mount", "type=bind,src=,dst=/x"], "host directory cannot be empty: must provide an argument for option"),
    (["--mount", "type=bind,src=/etc,dst=/x,frob"], "frob: invalid mount option"),
    (["--mount", "type=bind,src=/etc,dst=/x,ro,rw"], "cannot pass 'readonly', 'ro', or 'rw' options more than once"),
    (["--mount", "type=bind,src=/etc,dst=/x,ro=maybe"], 'instead received "maybe"'),
    (["--mount", "type=bind,src=/etc,dst=/x,relabel=no"], "relabel mount option must be 'private' or 'shared'"),
    (
        ["--mount", "type=bind,src=/etc,dst=/x,bind-propagation"],
        "bind-propagation: must provide an argument for option",
    ),
    (["--mount", "type=tmpfs,src=/x,dst=/x"], "source is not supported with tmpfs mounts"),
    (["--mount", "type=tmpfs,dst=/x,tmpfs-mode"], "must provide an argument for option"),
    (["--mount", "type=image,dst=/x"], "must set source and destination for image volume"),
    (["--mount", "type=image,src=nope,dst=/x"], 'creating image volume "nope":"/x"'),
    (["--mount", "type=glob,src=/nope*,dst=/x"], 'no file paths matching glob "/nope*"'),
    (["--mount", "type=devpts,dst=/x,max=lots"], "invalid devpts option"),
    (["--tmpfs", "/x:frob"], 'unknown mount option "frob": invalid mount option'),
    (["--tmpfs", "/x:size=lots"], "size=lots"),
    (["--volumes-from", "nope"], 'looking up container "nope" for volumes-from: no container with name or ID "nope"'),
    (["--image-volume", "frob"], 'invalid image volume mode "frob" required value: bind, tmpfs, ignore'),
    (["--shm-size", "big"], "unable to translate --shm-size: invalid size: 'big'"),
]


def test_refused_with_the_words_of_podman(box: Pod, busybox: str) -> None:
    for flags, message in REFUSED:
        result = box.run("create", *flags, busybox, check=False)
        assert result.code == 125, (flags, result)
        assert message in result.stderr, (flags, result)
        assert result.stderr.startswith("Error: "), (flags, result)
    assert box.run("ps", "-aq").out == ""
    assert box.run("volume", "ls", "-q").out == ""


def test_options_of_volumes_from_are_checked(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "donor", busybox)
    for option, message in (("frob", 'invalid option "frob" specified'), ("ro,rw", "cannot set ro or rw options more")):
        result = box.run("create", "--volumes-from", f"donor:{option}", busybox, check=False)
        assert result.code == 125
        assert message in result.stderr


def test_inspect_shows_mounts(box: Pod, busybox: str, source: str) -> None:
    box.run("create", "--name", "c", "-v", f"{source}:/x:ro", "-v", "v:/v", busybox)
    mounts = {mount["Destination"]: mount for mount in json.loads(box.run("inspect", "c").stdout)[0]["Mounts"]}
    assert (mounts["/x"]["Type"], mounts["/x"]["RW"]) == ("bind", False)
    assert mounts["/v"]["Name"] == "v"


def test_owners_in_a_user_namespace(box: Pod, busybox: str, source: str) -> None:
    """Whatever the engine makes belongs to who it is for, by the IDs of the container."""
    own = ("--userns", "keep-id:uid=20,gid=20") if box.rootless else ("--uidmap", "0:100000:65536")
    box.run("secret", "create", "token", "-", input="S")
    shown = inside(
        box,
        busybox,
        "stat -c %u /run/secrets/token /bin2 /tm /us /new /given",
        *own,
        *("--user", "4", "--secret", "token,uid=5"),
        *("--mount", f"type=image,src={busybox},dst=/bin2,subpath=/bin"),
        *("--tmpfs", "/tm:uid=3", "--mount", "type=tmpfs,dst=/us,U=true"),
        *("-v", "new:/new", "-v", "given:/given:U"),
    )
    assert shown.split() == ["5", "0", "3", "4", "4", "4"]
    if not box.rootless and "POD_TEST_RUNTIME" not in os.environ:
        assert inside(box, busybox, "stat -c %u /x", *own, "-v", f"{source}:/x:idmap") == "0"
        relative = "idmap=uids=@0-7-1000;gids=@0-8-1000"
        assert inside(box, busybox, "stat -c %u:%g /x", *own, "-v", f"{source}:/x:{relative}") == "7:8"
