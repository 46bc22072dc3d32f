"""What `inspect` and `ps --format json` tell: podman's names and types, and how objects are found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fixtures.command import Pod

# The fields of `podman inspect CONTAINER` (4.3.1, of a running one with a volume and a memory limit), by their type.
FIELDS = {
    "string": """
        Id Created Path State.OciVersion State.Status State.Error State.StartedAt State.FinishedAt
        State.Health.Status State.CgroupPath State.CheckpointedAt State.RestoredAt Image ImageDigest ImageName
        Rootfs Pod ResolvConfPath HostnamePath HostsPath StaticDir OCIConfigPath OCIRuntime ConmonPidFile
        PidFile Name Driver MountLabel ProcessLabel AppArmorProfile GraphDriver.Name GraphDriver.Data.LowerDir
        GraphDriver.Data.MergedDir GraphDriver.Data.UpperDir GraphDriver.Data.WorkDir
        NetworkSettings.EndpointID NetworkSettings.Gateway NetworkSettings.IPAddress
        NetworkSettings.IPv6Gateway NetworkSettings.GlobalIPv6Address NetworkSettings.MacAddress
        NetworkSettings.Bridge NetworkSettings.SandboxID NetworkSettings.LinkLocalIPv6Address
        NetworkSettings.SandboxKey Namespace Config.Hostname Config.Domainname Config.User Config.Image
        Config.WorkingDir Config.StopSignal Config.HealthcheckOnFailureAction Config.Umask Config.sdNotifyMode
        HostConfig.CgroupManager HostConfig.CgroupMode HostConfig.ContainerIDFile HostConfig.LogConfig.Type
        HostConfig.LogConfig.Path HostConfig.LogConfig.Tag HostConfig.LogConfig.Size HostConfig.NetworkMode
        HostConfig.RestartPolicy.Name HostConfig.VolumeDriver HostConfig.IpcMode HostConfig.Cgroup
        HostConfig.Cgroups HostConfig.PidMode HostConfig.UTSMode HostConfig.UsernsMode HostConfig.Runtime
        HostConfig.Isolation HostConfig.CgroupParent HostConfig.CpusetCpus HostConfig.CpusetMems
    """,
    "number": """
        State.Pid State.ConmonPid State.ExitCode State.Health.FailingStreak RestartCount
        NetworkSettings.IPPrefixLen NetworkSettings.GlobalIPv6PrefixLen NetworkSettings.LinkLocalIPv6PrefixLen
        Config.Timeout Config.StopTimeout HostConfig.RestartPolicy.MaximumRetryCount
        HostConfig.OomScoreAdj HostConfig.ShmSize HostConfig.CpuShares HostConfig.Memory HostConfig.NanoCpus
        HostConfig.BlkioWeight HostConfig.CpuPeriod HostConfig.CpuQuota HostConfig.CpuRealtimePeriod
        HostConfig.CpuRealtimeRuntime HostConfig.DiskQuota HostConfig.KernelMemory
        HostConfig.MemoryReservation HostConfig.MemorySwap HostConfig.MemorySwappiness HostConfig.PidsLimit
        HostConfig.CpuCount HostConfig.CpuPercent HostConfig.IOMaximumIOps HostConfig.IOMaximumBandwidth
    """,
    "boolean": """
        State.Running State.Paused State.Restarting State.OOMKilled State.Dead NetworkSettings.HairpinMode
        IsInfra IsService Config.AttachStdin Config.AttachStdout Config.AttachStderr Config.Tty
        Config.OpenStdin Config.StdinOnce Config.Passwd HostConfig.AutoRemove HostConfig.Privileged
        HostConfig.PublishAllPorts HostConfig.ReadonlyRootfs HostConfig.OomKillDisable
    """,
    "object": """
        State State.Health GraphDriver GraphDriver.Data NetworkSettings NetworkSettings.Ports Config
        Config.Labels Config.Annotations HostConfig HostConfig.LogConfig HostConfig.PortBindings
        HostConfig.RestartPolicy HostConfig.Tmpfs
    """,
    "list": """
        Args EffectiveCaps BoundingCaps ExecIDs Mounts Dependencies Config.Env Config.Cmd Config.CreateCommand
        Config.Entrypoint
        HostConfig.Binds HostConfig.CapAdd HostConfig.CapDrop HostConfig.Dns HostConfig.DnsOptions
        HostConfig.DnsSearch HostConfig.ExtraHosts HostConfig.GroupAdd HostConfig.SecurityOpt
        HostConfig.ConsoleSize HostConfig.Devices HostConfig.Ulimits
    """,
    "null": """
        State.Health.Log Config.Volumes Config.OnBuild HostConfig.LogConfig.Config HostConfig.VolumesFrom
        HostConfig.Links HostConfig.BlkioWeightDevice HostConfig.BlkioDeviceReadBps
        HostConfig.BlkioDeviceWriteBps HostConfig.BlkioDeviceReadIOps HostConfig.BlkioDeviceWriteIOps
        HostConfig.CgroupConf
    """,
}
# Of `podman ps --format json`; the last three are later versions'.
LISTED = {
    "boolean": "AutoRemove Exited IsInfra",
    "list": "Command Mounts Names Networks",
    "number": "Created ExitCode ExitedAt Pid StartedAt Restarts",
    "object": "Labels Namespaces",
    "null": "Ports Size ExposedPorts",
    "string": "CreatedAt Id Image ImageID Pod PodName State Status CIDFile",
}
TYPES = {dict: "object", list: "list", str: "string", int: "number", bool: "boolean", type(None): "null"}


def wrong(found: dict[str, Any], wanted: dict[str, str]) -> list[str]:
    """Return the fields that are not there, or of another type; null stands for an empty list or map too."""
    complaints = []
    for kind, paths in wanted.items():
        for path in paths.split():
            value: Any = found
            for name in path.split("."):
                if not isinstance(value, dict) or name not in value:
                    complaints.append(f"{path} is missing")
                    break
                value = value[name]
            else:
                told = TYPES[type(value)]
                alike = {told, "null"} if value in ([], {}) else {told}
                if kind not in alike and not (told == "null" and kind in ("list", "object")) and kind != "null":
                    complaints.append(f"{path} is {told}, not {kind}")
    return complaints


def test_inspect_has_the_fields_of_podman(box: Pod, busybox: str) -> None:
    options = ["--label", "x=1", "-v", "data:/data:ro", "--tmpfs", "/run"]
    box.run("run", "-d", "--name", "c", *options, busybox, "sleep", "600")
    found = json.loads(box.run("inspect", "c").stdout)
    assert len(found) == 1
    assert wrong(found[0], FIELDS) == []
    assert found[0]["State"]["Status"] == "running"
    assert found[0]["ImageDigest"].startswith("sha256:")
    assert "CAP_CHOWN" in found[0]["EffectiveCaps"]
    sizes = json.loads(box.run("container", "inspect", "--size", "c").stdout)[0]
    assert 0 <= sizes["SizeRw"] < sizes["SizeRootFs"]
    listed = json.loads(box.run("ps", "--format", "json").stdout)
    assert wrong(listed[0], LISTED) == []
    assert listed[0]["Mounts"] == ["/data"]


def test_inspect_finds_objects_of_every_type(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "thing", busybox, "true")
    box.run("volume", "create", "thing")
    box.run("create", "--name", "newer", busybox, "true")

    def name(*words: str) -> str:
        return box.run("inspect", *words, "--format", "{{.Name}}").out

    assert name("thing", "newer") == "thing\nnewer"
    assert name("--latest") == name("-l") == "newer"
    assert box.run("container", "inspect", "--latest", "-f", "{{.Name}}").out == "newer"
    assert box.run("inspect", "--type", "volume", "thing", "--format", "{{.Driver}}").out == "local"
    assert box.run("inspect", "--type", "container", "thing", "--format", "{{.State.Status}}").out == "created"
    assert box.run("inspect", "--type", "image", busybox, "--format", "{{.Os}}").out == "linux"
    assert box.run("inspect", "--type", "all", busybox, "--format", "json").out.startswith("[")


@pytest.mark.parametrize(
    ("words", "stdout", "message"),
    [
        ("inspect nope", "[]", 'inspecting object: no such object: "nope"'),
        ("inspect --type container nope", "[]", 'inspecting object: no such container "nope"'),
        ("inspect --type volume nope", "[]", "inspecting object: no such volume nope"),
        ("inspect --type image nope", "[]", "inspecting object: nope: image not known"),
        ("inspect --type pod nope", "[]", "inspecting object: no such pod nope"),
        (
            "inspect --type network nope",
            "[]",
            "inspecting object: network nope: unable to find network with name or ID nope: network not found",
        ),
        ("inspect --type odd x", "", 'invalid type "odd": must be "image", "container", "pod", "network", "volume"'),
        ("inspect --latest", "[]", "inspecting object: no containers to inspect: no such container"),
        ("inspect --latest x", "", "--latest and arguments cannot be used together"),
        ("inspect --latest --type image", "", 'latest is not supported for type "image"'),
        ("inspect --type image --size x", "", 'size is not supported for type "image"'),
        ("inspect --type pod --size x", "", 'size is not supported for type "pod"'),
        ("inspect", "", "no names or ids specified"),
    ],
)
def test_inspect_of_what_is_not_there(pod: Pod, words: str, stdout: str, message: str) -> None:
    result = pod.run(*words.split(), check=False)
    assert result.code == 125
    assert result.out == stdout
    assert result.stderr.startswith(f"Error: {message}")


def test_what_ps_shows(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "b", "--label", "x=1", busybox, "sh", "-c", "echo 12345 >/file; sleep 600")
    box.run("create", "--name", "a", busybox, "true")

    def ps(*words: str) -> str:
        return box.run("ps", *words).out

    names = ("--format", "{{.Names}}")
    assert ps(*names) == ps(*names, "--sync") == ps(*names, "--external") == "b"
    assert ps("-a", *names) == ps("--all", *names, "--sort", "created") == "b\na"
    assert ps("--all", *names, "--sort", "names") == "a\nb"
    assert ps("--latest", *names) == ps("-l", *names) == ps("--last", "1", *names) == ps("-n", "1", *names) == "a"
    assert ps("-n", "5", *names) == "b\na"
    assert len(ps("--quiet")) == 12
    assert len(ps("-q", "--no-trunc")) == 64
    assert ps("--noheading").split()[-1] == "b"
    assert ps("--namespace").splitlines()[0].split()[-7:] == "CGROUPNS IPC MNT NET PIDNS USERNS UTS".split()
    assert ps("--pod").splitlines()[0].endswith("POD ID      PODNAME")
    assert ps("-p", "-s").splitlines()[0].endswith("SIZE")
    assert ps("--size", "--format", "{{.Size}}").split()[1] == "(virtual"
    assert json.loads(ps("--size", "--format", "json"))[0]["Size"]["rwSize"] >= 6
    assert json.loads(ps("--namespace", "--format", "json"))[0]["Namespaces"]["Pidns"].isdigit()
    template = '{{.Label "x"}} {{.Labels.x}} {{.Restarts}} {{.State}} {{.Exited}} {{.Mounts}} {{.ExitedAt}}'
    assert ps("--format", template) == "1 1 0 running false [] -62135596800"
    assert ps("--format", "table {{.ID}} {{.Command}}").splitlines()[0] == "CONTAINER ID  COMMAND"
    template = "table {{.Names}}\t{{.RunningFor}}\t{{.Cgroup}}"
    assert ps("--format", template).splitlines()[0].split() == ["NAMES", "RUNNING", "FOR", "CGROUPNS"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("ps --last 1 --latest", "last and latest are mutually exclusive"),
        ("ps --quiet --size", "quiet conflicts with size and namespace"),
        ("ps --size --namespace", "size and namespace options conflict"),
        ("ps --watch 1 --latest", "the watch and latest flags cannot be used together"),
        (
            "ps --sort odd",
            'invalid argument "odd" for "--sort" flag: "odd" is not a valid value.  Choose from: "command,',
        ),
        ("ps --last x", 'invalid argument "x" for "-n, --last" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        ("ps --format {{.Nope", "template: ps:1: unclosed action"),
    ],
)
def test_what_ps_refuses(pod: Pod, words: str, message: str) -> None:
    result = pod.run(*words.split(), check=False)
    assert result.code == 125
    assert result.stderr.startswith(f"Error: {message}")


def test_ps_names_a_field_that_there_is_not(box: Pod, busybox: str) -> None:
    box.run("create", busybox, "true")
    result = box.run("ps", "--all", "--format", "{{.Nope}}", check=False)
    assert (result.code, result.stderr) == (
        125,
        'Error: template: ps:1:13: executing "ps" at <.Nope>: '
        "can't evaluate field Nope in type containers.psReporter\n",
    )


def test_ps_is_shown_again_and_again(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox, "true")
    process = box.start("ps", "--all", "--watch", "1", "--format", "{{.Names}}")
    assert process.stdout is not None
    first = process.stdout.readline()
    second = process.stdout.readline()
    process.terminate()
    process.communicate(timeout=60)
    assert first == second == b"\x1b[2J\x1b[Hc\n"
