"""How a container's process looks from inside: environment, accounts, hosts, descriptors; what holds it in."""

from __future__ import annotations

import json
import os
import shlex
import shutil

import pytest

from tests.fixtures import images
from tests.fixtures.command import Pod, Result
from tests.fixtures.registry import Registry


def inside(box: Pod, image: str, script: str, *options: str, env: dict[str, str] | None = None) -> str:
    return box.run("run", "--rm", *options, image, "sh", "-c", script, env=env).out


def refused(box: Pod, *words: str, code: int = 125) -> str:
    """Return what a command says that must fail with the code, and change nothing."""
    before = box.run("ps", "-aq").out
    result = box.run(*words, check=False)
    assert result.code == code, result
    assert box.run("ps", "-aq").out == before
    return result.stderr.splitlines()[0]


def written(box: Pod, name: str, text: str) -> str:
    path = os.path.join(box.home, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return path


@pytest.fixture
def labelled(registry: Registry) -> str:
    """An image with a variable, a label, and a seccomp profile that refuses mkdir."""
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    }
    labels = {"io.containers.seccomp.profile": json.dumps(profile), "from": "image"}
    return registry.push("labelled", "latest", images.busybox(Env=[images.PATH, "hello=world"], Labels=labels))


def test_environment_of_the_host(box: Pod, labelled: str) -> None:
    env = {"http_proxy": "http://p", "NO_PROXY": "x", "ABC_1": "1", "ABC_2": "2", "hello": "host"}
    script = "echo $http_proxy $NO_PROXY $ABC_1 $ABC_2 $hello"
    assert inside(box, labelled, script, env=env) == "http://p x world"
    assert inside(box, labelled, script, "--http-proxy=false", env=env) == "world"
    assert inside(box, labelled, script, "--env-host", env=env) == "http://p x 1 2 world"
    assert inside(box, labelled, script, "--env", "ABC_*", "--env", "hello", env=env) == "http://p x 1 2 host"


def test_environment_of_the_image_is_changed(box: Pod, labelled: str) -> None:
    assert inside(box, labelled, "echo $hello", "--env-merge", "hello=${hello}-some") == "world-some"
    assert inside(box, labelled, "echo $hello-$container", "--unsetenv", "hello,container") == "-"
    found = box.run("run", "--rm", "--unsetenv-all", "--env", "A=1", labelled, "/bin/env").out.split()
    assert sorted(line.partition("=")[0] for line in found) == ["A", "HOME", "HOSTNAME"]
    path = written(box, "variables", "A=from file\n# no\nB=2\n")
    assert inside(box, labelled, "echo $A-$B", "--env-file", path, "--env", "B=3") == "from file-3"


def test_environment_of_containers_conf(box: Pod, busybox: str) -> None:
    text = '[containers]\nenv = ["A=1"]\nenv_host = true\nhttp_proxy = false\numask = "0027"\ntz = "Etc/GMT+3"\n'
    text += 'default_capabilities = ["CHOWN"]\nannotations = ["a=b"]\nno_hosts = true\n'
    env = {"CONTAINERS_CONF": written(box, "containers.conf", text), "FROM_HOST": "2"}
    script = "echo $A $FROM_HOST; umask; date +%Z; ls /etc/hosts 2>/dev/null; grep CapBnd /proc/self/status"
    found = inside(box, busybox, script, env=env).split()
    assert found == ["1", "2", "0027", "-03", "CapBnd:", "0000000000000001"]
    name = box.run("create", busybox, "true", env=env).out
    shown = json.loads(box.run("inspect", name).stdout)[0]
    assert shown["Config"]["Umask"] == "0027"
    assert shown["Config"]["Timezone"] == "Etc/GMT+3"
    assert shown["Config"]["Annotations"]["a"] == "b"


def test_user_and_groups(box: Pod, busybox: str) -> None:
    assert (
        inside(box, busybox, "id -G", "--user", "guest", "--group-add", "50", "--group-add", "60,root")
        == "1000 0 50 60"
    )
    with_group = inside(box, busybox, "id -G", "--group-add", "keep-groups")
    assert with_group.split()[0] == "0"
    container = box.run("create", "--group-add", "keep-groups", busybox, "true").out
    assert box.run("inspect", "--format", "{{.HostConfig.GroupAdd}}", container).out == "[]"
    assert "is not allowed with any other --group-add options" in refused(
        box, "run", "--group-add", "keep-groups", "--group-add", "5", busybox, "true"
    )
    assert "unable to find group nope" in refused(box, "run", "--rm", "--group-add", "nope", busybox, "true", code=126)
    assert "unable to find user nope" in refused(box, "run", "--rm", "--user", "nope", busybox, "true", code=126)
    assert "must be in range" in refused(box, "run", "--rm", "--user", "99999999999", busybox, "true", code=126)


def test_keep_groups_keeps_those_of_the_caller(box: Pod, busybox: str) -> None:
    if box.rootless or os.getuid():
        pytest.skip("needs root, to have a group")
    words = box.argv("run", "--rm", "--group-add", "keep-groups", busybox, "id", "-G")
    found = box.execute(["setpriv", "--groups", "4321", *words]).out
    assert found.split() == ["0", "4321"]


def test_umask(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "umask; touch /x; stat -c %a /x", "--umask", "0077").split() == ["0077", "600"]
    box.run("run", "-d", "--name", "c", "--umask", "027", busybox, "sleep", "100")
    assert box.run("exec", "c", "sh", "-c", "umask").out == "0027"
    assert box.run("inspect", "--format", "{{.Config.Umask}}", "c").out == "0027"
    for wrong in ("abc", "9", "07777", "-1"):
        assert refused(box, "run", "--umask", wrong, busybox, "true") == (
            f"Error: invalid umask string {wrong}: invalid argument"
        )


def test_working_directory_entrypoint_and_init(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "pwd", "--workdir", "/tmp") == "/tmp"
    assert "needs to be an absolute path" in refused(box, "run", "--workdir", "tmp", busybox, "true")
    assert box.run("run", "--rm", "--entrypoint", '["echo","a b"]', busybox, "c").out == "a b c"
    program = "/usr/bin/catatonit" if os.path.exists("/usr/bin/catatonit") else "/usr/libexec/podman/catatonit"
    if os.path.exists(program):
        assert inside(box, busybox, "cat /proc/1/cmdline", "--init", "--init-path", program).startswith(
            "/run/podman-init"
        )
    # Without --init the path says nothing.
    assert inside(box, busybox, "echo $$", "--init-path", "/nope") == "1"
    assert refused(box, "run", "--init", "--init-path", "/nope", busybox, "true") == (
        "Error: container-init binary not found on the host: stat /nope: no such file or directory"
    )


def test_personality(box: Pod, busybox: str) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("is about x86_64")
    assert (
        inside(box, busybox, "uname -m", "--personality", "LINUX32", "--security-opt", "seccomp=unconfined") == "i686"
    )
    assert inside(box, busybox, "uname -m", "--personality", "LINUX") == "x86_64"
    assert 'unknown persona specified: "foo"' in refused(box, "run", "--personality", "foo", busybox, "true")


def test_time_zone(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "date +%Z", "--tz", "Asia/Tokyo") == "JST"
    box.run("run", "--rm", "--tz", "local", busybox, "true")
    for wrong in ("Nope/Nope", "../../../etc/passwd", "/etc/passwd"):
        assert "no such file or directory" in refused(box, "run", "--tz", wrong, busybox, "true")


def test_time_zone_does_not_follow_links_of_the_image(box: Pod, registry: Registry) -> None:
    """Whether the link is absolute or climbs: it is followed inside the container's root only."""
    victim = written(box, "victim", "untouched")
    for number, target in enumerate((victim, f"../../../../../../../..{victim}")):
        link = images.layer(images.symlink("etc/localtime", target))
        hostile = registry.push(f"localtime{number}", "latest", images.busybox(link))
        assert inside(box, hostile, "date +%Z", "--tz", "Asia/Tokyo") == "JST"
        with open(victim) as file:
            assert file.read() == "untouched"


def test_descriptors_of_the_caller(box: Pod, busybox: str) -> None:
    path, other = written(box, "first", "one\n"), written(box, "second", "two\n")

    def execute(*words: str, redirections: str) -> Result:
        command = f"exec {shlex.join(box.argv(*words))} {redirections}"
        return box.execute(["bash", "-c", command], check=False)

    script = "cat <&3; cat <&4; ls /proc/self/fd | wc -l"
    result = execute(
        "run", "--rm", "--preserve-fds", "2", busybox, "sh", "-c", script, redirections=f"3<{path} 4<{other}"
    )
    assert result.out.split() == ["one", "two", "6"], result
    script = "cat <&5; cat <&9; ls /proc/self/fd | wc -l"
    options = ["--preserve-fd", "5,9"]
    result = execute("run", "--rm", *options, busybox, "sh", "-c", script, redirections=f"5<{path} 9<{other} 6<{path}")
    assert result.out.split() == ["one", "two", "6"], result
    box.run("run", "-d", "--name", "c", busybox, "sleep", "100")
    result = execute("exec", "--preserve-fds", "1", "c", "sh", "-c", "cat <&3", redirections=f"3<{path}")
    assert result.out == "one", result
    result = execute("exec", "--preserve-fd", "7", "c", "sh", "-c", "cat <&7", redirections=f"7<{other}")
    assert result.out == "two", result
    for words in (("run", "--preserve-fds", "60", busybox, "true"), ("exec", "--preserve-fd", "60", "c", "true")):
        assert "is not available - the preserve-fds option requires" in refused(box, *words)
    assert "invalid file descriptor" in refused(box, "run", "--preserve-fd", "1", busybox, "true")
    result = execute("create", "--preserve-fds", "1", busybox, "true", redirections=f"3<{path}")
    assert (result.code, result.stderr.splitlines()[0]) == (125, "Error: unknown flag: --preserve-fds")


def test_a_preserved_pipe_ends_with_its_writer(box: Pod, busybox: str) -> None:
    words = shlex.join(
        box.argv("run", "--rm", "--preserve-fds", "1", busybox, "sh", "-c", "echo x >&3; exec 3>&-; sleep 1")
    )
    result = box.execute(["bash", "-c", f"{{ {words} 3>&1 >/dev/null; }} | cat"])
    assert result.out == "x"


def test_hosts(box: Pod, busybox: str) -> None:
    found = inside(
        box, busybox, "cat /etc/hosts", "--add-host", "a;b:1.2.3.4", "--add-host", "c:[::2]", "--hosts-file", "none"
    )
    assert found.splitlines()[:2] == ["1.2.3.4\ta b", "::2\tc"]
    base = written(box, "hosts", "9.9.9.9 base")
    assert inside(box, busybox, "cat /etc/hosts", "--hosts-file", base).startswith("9.9.9.9\tbase\n127.0.0.1\tloc")
    with open("/etc/hosts", encoding="utf-8") as file:
        name = next((line.split()[1] for line in file if line.strip() and not line.startswith("#")), "localhost")
    assert name in inside(box, busybox, "cat /etc/hosts").split()
    found = inside(box, busybox, "cat /etc/hosts", "--network", "host", "--add-host", "gate:host-gateway")
    assert "\tgate" in found
    assert inside(box, busybox, "ls /etc", "--no-hosts", "--no-hostname").split() == sorted(
        ["group", "not-executable", "passwd"]
    )
    for words, message in (
        ("--add-host foo", 'bad format for add-host: "foo"'),
        ("--add-host foo:1.2.3", 'invalid IP address in add-host: "1.2.3"'),
        ("--add-host foo:1.2.3.4 --no-hosts", "--no-hosts and --add-host cannot be set together"),
        ("--hosts-file nope", "hosts file path must be absolute and of a file: nope"),
    ):
        assert message in refused(box, "run", *words.split(), busybox, "true")
    nowhere = written(box, "c.conf", '[containers]\nnetns = "none"\nhost_containers_internal_ip = "none"\n')
    box.environment["CONTAINERS_CONF_OVERRIDE"] = nowhere
    assert 'unable to replace "host-gateway" of host entry "x:host-gateway"' in refused(
        box, "run", "--rm", "--add-host", "x:host-gateway", busybox, "true", code=126
    )
    assert "internal" not in inside(box, busybox, "cat /etc/hosts")


def test_hosts_of_the_image(box: Pod, registry: Registry) -> None:
    layer = images.layer(images.entry("etc/hosts", b"8.8.4.4 ofimage\n"))
    image = registry.push("hosts", "latest", images.busybox(layer))
    assert inside(box, image, "head -1 /etc/hosts", "--hosts-file", "image") == "8.8.4.4\tofimage"
    assert inside(box, image, "cat /etc/hosts", "--no-hosts") == "8.8.4.4 ofimage"


def test_hostname(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "hostname; cat /etc/hostname", "--hostname", "web").split() == ["web", "web"]
    assert inside(box, busybox, "hostname; cat /etc/hostname", "--network", "host").split() == [os.uname().nodename] * 2
    assert "longer than 64 bytes" in refused(box, "run", "--hostname", "a" * 65, busybox, "true")


def test_accounts(box: Pod, busybox: str) -> None:
    show = "tail -n1 /etc/passwd; tail -n1 /etc/group"
    assert inside(box, busybox, show, "--user", "55:66").split("\n") == [
        "55:*:55:66:container user:/:/bin/sh",
        "66:x:66:55",
    ]
    options = ["--user", "55:66", "--passwd-entry", "me:*:$UID:$GID:$NAME of $USERNAME:$HOME:/bin/ash"]
    options += ["--group-entry", "us:x:$GID:$USERNAME"]
    assert inside(box, busybox, show, *options).split("\n") == [
        "me:*:55:66:container user of 55:/:/bin/ash",
        "us:x:66:55",
    ]
    assert inside(box, busybox, show, "--user", "55:66", "--passwd=false") == inside(box, busybox, show)
    assert inside(box, busybox, show, "--user", "guest") == inside(box, busybox, show), "is listed"
    found = inside(box, busybox, "id -un; tail -n1 /etc/passwd", "--hostuser", "daemon", "--user", "daemon").split("\n")
    assert found[0] == "daemon"
    assert found[1].startswith("daemon:*:1:1:")
    name = box.run("create", "--passwd=false", busybox, "true").out
    assert box.run("inspect", "--format", "{{.Config.Passwd}}", name).out == "false"
    assert "unknown user nobody-here" in refused(box, "run", "--hostuser", "nobody-here", busybox, "true")


def test_an_entry_cannot_bring_lines_of_its_own(box: Pod, busybox: str) -> None:
    for flag in ("--passwd-entry", "--group-entry"):
        message = refused(box, "run", flag, "a:*:5:5:::\nroot2:*:0:0::/:/bin/sh", "--user", "5", busybox, "true")
        assert message == f"Error: invalid {flag}: it must be one line"


def test_names_of_the_caller_cannot_bring_lines_either(box: Pod, busybox: str) -> None:
    env = {"USER": "evil:x:0:0::/:/bin/sh\nroot2", "HOME": box.home}
    found = inside(box, busybox, "cat /etc/passwd", "--userns", "keep-id:uid=77,gid=77", env=env)
    assert "evil" not in found
    assert found.splitlines()[-1].startswith("77:*:77:77:")


def test_hostile_files_of_accounts(box: Pod, registry: Registry) -> None:
    """Links that lead to the host's files, and what is no file: none is read, nothing of the host is written."""
    victim = written(box, "victim", "root:x:0:0::/victim:/bin/sh\n")
    for number, hostile in enumerate(
        (
            images.symlink("etc/passwd", victim),
            images.symlink("etc/passwd", f"../../../../../..{victim}"),
            images.symlink("etc/passwd", "/proc/self/environ"),
            images.entry("etc/passwd", b"root:x:99999999999:0::/:/bin/sh\n55:x:4294967295:0::/:\n" + b"\xff:" * 9),
        )
    ):
        image = registry.push(f"passwd{number}", "latest", images.busybox(images.layer(hostile)))
        result = box.run("run", "--rm", "--user", "55:66", image, "sh", "-c", "id -u; cat /etc/passwd", check=False)
        assert result.stdout.startswith("55\n"), result
        assert "victim" not in result.stdout
        with open(victim) as file:
            assert file.read() == "root:x:0:0::/victim:/bin/sh\n"


def test_capabilities(box: Pod, busybox: str) -> None:
    show = "grep CapBnd /proc/self/status"
    assert (
        inside(box, busybox, show, "--cap-drop", "all", "--cap-add", "chown,net_raw").split()[1]
        == f"{1 | 1 << 13:016x}"
    )
    name = box.run("create", "--cap-drop", "all", "--cap-add", "chown", busybox, "true").out
    shown = json.loads(box.run("inspect", name).stdout)[0]
    assert shown["EffectiveCaps"] == shown["BoundingCaps"] == ["CAP_CHOWN"]
    assert refused(box, "run", "--cap-add", "nope", busybox, "true") == 'Error: "CAP_NOPE": unknown capability'
    assert refused(box, "run", "--cap-add", "chown", "--cap-drop", "chown", busybox, "true") == (
        'Error: capability "CAP_CHOWN" cannot be dropped and added'
    )
    assert int(inside(box, busybox, show, "--privileged").split()[1], 16) > 1 << 30


def test_security_options(box: Pod, busybox: str) -> None:
    options = ["--security-opt", "proc-opts=hidepid=2", "--security-opt", "mask=/etc/group:/bin/ls"]
    options += ["--security-opt", "unmask=/proc/*", "--security-opt", "no-new-privileges:true"]
    options += ["--security-opt", "label=disable", "--security-opt", "label=type:spc_t"]
    script = "mount | grep -c '^proc on /proc '; mount | grep -c hidepid; mount | grep -c ' /proc/'; wc -c </etc/group"
    assert inside(box, busybox, script + "; true", *options).split() == ["1", "1", "0", "0"]
    options += ["--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined"]
    name = box.run("create", *options, busybox, "true").out
    shown = json.loads(box.run("inspect", name).stdout)[0]
    assert shown["HostConfig"]["SecurityOpt"] == [
        "label=disable",
        "label=type:spc_t",
        "seccomp=unconfined",
        "apparmor=unconfined",
        "no-new-privileges",
        "mask=/etc/group:/bin/ls",
        "unmask=/proc/*",
        "proc-opts=hidepid=2",
    ]
    assert shown["AppArmorProfile"] == "unconfined"
    assert (shown["ProcessLabel"], shown["MountLabel"]) == ("", "")


WRONG_SECURITY_OPTIONS = [
    ("foo=bar", 'invalid --security-opt 2: "foo=bar"'),
    ("foo", 'invalid --security-opt 1: "foo"'),
    ("no-new-privileges:maybe", 'invalid --security-opt 2: "no-new-privileges:maybe"'),
    ("seccomp=/nope", "opening seccomp profile failed: open /nope: no such file or directory"),
    (
        "label=foo",
        "Bad label option \"foo\", valid options 'disable' or 'user, role, level, type, filetype'"
        " followed by ':' and a value",
    ),
]


def test_wrong_security_options(box: Pod, busybox: str) -> None:
    for option, message in WRONG_SECURITY_OPTIONS:
        assert refused(box, "run", "--security-opt", option, busybox, "true") == f"Error: {message}"


def test_apparmor_profile_needs_apparmor(box: Pod, busybox: str) -> None:
    if os.path.exists("/sys/module/apparmor/parameters/enabled"):
        pytest.skip("is about machines without AppArmor")
    assert refused(box, "run", "--security-opt", "apparmor=foo", busybox, "true") == (
        'Error: apparmor profile "foo" specified, but Apparmor is not enabled on this system'
    )


def test_seccomp_profile_of_the_image(box: Pod, labelled: str) -> None:
    script = "mkdir /new && echo made; true"
    assert inside(box, labelled, script) == "made"
    assert inside(box, labelled, script, "--seccomp-policy", "default") == "made"
    assert inside(box, labelled, script, "--seccomp-policy", "image") == ""
    assert inside(box, labelled, script, "--seccomp-policy", "image", "--security-opt", "seccomp=unconfined") == "made"
    assert refused(box, "run", "--seccomp-policy", "foo", labelled, "true") == (
        'Error: invalid seccomp policy "foo": valid policies are ["default" "image"]'
    )


def test_kernel_parameters(box: Pod, busybox: str) -> None:
    options = ["--sysctl", "net.ipv4.ip_unprivileged_port_start=80", "--sysctl", "kernel.msgmax=9000"]
    script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax"
    assert inside(box, busybox, script, *options).split() == ["80", "9000"]
    for words, message in (
        ("--sysctl foo", "foo is invalid, sysctl values must be in the form of KEY=VALUE"),
        ("--sysctl kernel.panic=1", "sysctl 'kernel.panic' is not allowed"),
        (
            "--sysctl net.x=1 --network host",
            "sysctl net.x=1 can't be set since Network Namespace set to host: invalid argument",
        ),
        (
            "--sysctl fs.mqueue.x=1 --ipc host",
            "sysctl fs.mqueue.x=1 can't be set since IPC Namespace set to host: invalid argument",
        ),
    ):
        assert refused(box, "run", *words.split(), busybox, "true") == f"Error: {message}"


def test_labels_and_annotations(box: Pod, labelled: str) -> None:
    path = written(box, "labels", "# comment\nx=1\nboth=file\n")
    options = ["--label-file", path, "--label", "both=flag", "--annotation", "note=1"]
    name = box.run("create", *options, labelled, "true").out
    shown = json.loads(box.run("inspect", name).stdout)[0]["Config"]
    assert {key: shown["Labels"][key] for key in ("x", "both", "from")} == {"x": "1", "both": "flag", "from": "image"}
    assert shown["Annotations"] == {"note": "1"}
    for words, message in (
        ("--label-file /nope", "unable to process labels: open /nope: no such file or directory"),
        ("--label =x", 'unable to process labels: invalid label format: "=x"'),
        ("--annotation foo", "annotations must be formatted KEY=VALUE"),
    ):
        assert refused(box, "run", *words.split(), labelled, "true") == f"Error: {message}"


def test_files_with_numbers(box: Pod, busybox: str) -> None:
    box.execute(["mkdir", "-m", "0777", f"{box.home}/numbers"])
    paths = {flag: f"{box.home}/numbers/{flag}" for flag in ("cidfile", "pidfile", "conmon-pidfile")}
    identity = box.run(
        *("run", "-d", "--name", "c", "--cidfile", paths["cidfile"]),
        *("--pidfile", paths["pidfile"], "--conmon-pidfile", paths["conmon-pidfile"], busybox, "sleep", "100"),
    ).out
    shown = json.loads(box.run("inspect", "c").stdout)[0]
    expected = {
        "cidfile": identity,
        "pidfile": str(shown["State"]["Pid"]),
        "conmon-pidfile": str(shown["State"]["ConmonPid"]),
    }
    found = {}
    for flag, path in paths.items():
        with open(path) as file:
            found[flag] = file.read()
    assert found == expected
    assert (shown["PidFile"], shown["ConmonPidFile"]) == (paths["pidfile"], paths["conmon-pidfile"])
    assert shown["HostConfig"]["ContainerIDFile"] == paths["cidfile"]
    # A place that is not there: nothing remains.
    result = box.run("run", "-d", "--name", "another", "--pidfile", "/nope/x", busybox, "sleep", "100", check=False)
    assert result.code == 125
    assert "/nope/x: no such file or directory" in result.stderr
    assert box.run("container", "exists", "another", check=False).code == 1


def test_flags_of_the_registry(pod: Pod, busybox: str) -> None:
    """Those that `run` has in common with `pull`."""
    options = ["--tls-verify=false", "--retry", "1", "--retry-delay", "1s", "--quiet", "--pull", "always"]
    options += ["--disable-content-trust", "--creds", "any:one", "--cert-dir", "/etc"]
    options += ["--authfile", written(pod, "auth.json", "{}")]
    result = pod.run("run", "--rm", *options, busybox, "echo", "there")
    assert (result.stdout, result.stderr) == ("there\n", "")
    for words, message in (
        (
            ["--platform", "linux/arm64", "--arch", "arm64"],
            "--platform option can not be specified with --arch or --os",
        ),
        (["--authfile", "/nope"], "stat /nope: no such file or directory"),
        (["--cert-dir", "/nope"], "certificate directory /nope: no such directory"),
        (["--pull", "foo"], 'unsupported pull policy "foo"'),
        (["--decryption-key", "/key"], "encrypted images are not supported"),
        (["--retry-delay", "soon", "--pull", "always"], 'invalid duration "soon"'),
    ):
        if "--cert-dir" in words:
            words = [*words, "--pull", "always"]
        assert message in refused(pod, "run", *words, busybox, "true")


def test_flags_of_the_platform(pod: Pod, registry: Registry) -> None:
    """An image of programs for this machine that says to be for others."""
    platforms = ("linux/s390x", "linux/arm/v6", "linux/arm/v7")
    image = registry.push_index("platforms", "1", {name: images.busybox(Env=[f"WHICH={name}"]) for name in platforms})
    for words, expected in (
        (["--platform", "linux/s390x"], "linux/s390x"),
        (["--arch", "s390x"], "linux/s390x"),
        (["--os", "linux", "--arch", "arm", "--variant", "v6"], "linux/arm/v6"),
    ):
        assert pod.run("run", "--rm", "--quiet", *words, image, "/bin/sh", "-c", "echo $WHICH").out == expected
    assert refused(pod, "run", "--rm", "--quiet", "--os", "plan9", image, "true")


def test_a_directory_as_root_file_system(box: Pod, busybox: str) -> None:
    root = os.path.join(box.home, "tree")
    os.makedirs(f"{root}/bin")
    shutil.copy("/bin/busybox" if os.path.exists("/bin/busybox") else "/usr/bin/busybox", f"{root}/bin/busybox")
    for path in (root, f"{root}/bin", f"{root}/bin/busybox"):
        os.chown(path, box.user.uid, box.user.gid)
    before = sorted(os.listdir(root))
    box.run("run", "--name", "o", "--rootfs", f"{root}:O", "/bin/busybox", "touch", "/new")
    assert sorted(os.listdir(root)) == before
    assert box.run("start", "--attach", "o", check=False).code == 0
    if not box.rootless:
        script = ["/bin/busybox", "stat", "-c", "%u", "/bin/busybox"]
        maps = ["--uidmap", "0:100000:1000"]
        assert box.run("run", "--rm", *maps, "--rootfs", f"{root}:O:idmap", *script).out == "0"
        assert box.run("run", "--rm", *maps, "--rootfs", f"{root}:idmap", *script).out == "0"
    else:
        assert "mapped IDs: operation not permitted" in refused(
            box, "run", "--rm", "--uidmap", "0:1:1000", "--rootfs", f"{root}:idmap", "/bin/busybox", "true", code=126
        )
    assert "needs a user namespace" in refused(
        box, "run", "--rm", "--rootfs", f"{root}:idmap", "/bin/busybox", "true", code=126
    )
    assert 'invalid --rootfs option "X"' in refused(box, "run", "--rootfs", f"{root}:X", "/bin/busybox", "true")
    assert "no such directory" in refused(box, "run", "--rootfs", "/nope", "/bin/busybox", "true")
