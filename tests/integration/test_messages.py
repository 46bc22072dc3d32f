"""What a user is told: mistakes in the line, in podman's words; help; and what would mend it."""

from __future__ import annotations

import json
import os

import pytest

from tests.fixtures.command import Pod


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run --nope", "Error: unknown flag: --nope\nSee 'pod run --help'\n"),
        ("run --memry 1m x", "Error: unknown flag: --memry\nSee 'pod run --help'\nhint: did you mean --memory?\n"),
        ("ps --no-trunk", "Error: unknown flag: --no-trunk\nSee 'pod ps --help'\nhint: did you mean --no-trunc?\n"),
        ("--rot /x ps", "Error: unknown flag: --rot\nSee 'pod --help'\nhint: did you mean --root?\n"),
        ("run -Z", "Error: unknown shorthand flag: 'Z' in -Z\nSee 'pod run --help'\n"),
        ("run -itZ", "Error: unknown shorthand flag: 'Z' in -Z\nSee 'pod run --help'\n"),
        ("run --name", "Error: flag needs an argument: --name\nSee 'pod run --help'\n"),
        ("run -e", "Error: flag needs an argument: 'e' in -e\nSee 'pod run --help'\n"),
        (
            "ps --last x",
            'Error: invalid argument "x" for "-n, --last" flag: strconv.ParseInt: parsing "x": invalid syntax\n'
            "See 'pod ps --help'\n",
        ),
        (
            "stop --time -1 x",
            'Error: invalid argument "-1" for "-t, --time" flag: strconv.ParseUint: parsing "-1": invalid syntax\n'
            "See 'pod stop --help'\n",
        ),
        (
            "rm --all=maybe",
            'Error: invalid argument "maybe" for "-a, --all" flag: strconv.ParseBool: parsing "maybe": invalid syntax\n'
            "See 'pod rm --help'\n",
        ),
        ("run", "Error: requires at least 1 arg(s), only received 0\n"),
        ("ps extra", "Error: `pod ps` takes no arguments\n"),
        ("tag x", "Error: requires at least 2 arg(s), only received 1\n"),
        ("images x y", "Error: accepts at most 1 arg(s), received 2\n"),
        (
            "imags",
            "Error: unrecognized command `pod imags`\n\nDid you mean this?\n\timage\n\timages\n\n"
            "Try 'pod --help' for more information\n",
        ),
        (
            "volume nope",
            "Error: unrecognized command `pod volume nope`\nTry 'pod volume --help' for more information\n",
        ),
        ("volume", "Error: missing command 'pod volume COMMAND'\n"),
    ],
)
def test_mistakes_in_the_line(pod: Pod, words: str, message: str) -> None:
    result = pod.run(*words.split(), check=False)
    assert (result.code, result.stderr) == (125, message)


@pytest.mark.parametrize(
    "words",
    [
        "--remote ps",
        "-r ps",
        "--connection there ps",
        "-c there ps",
        "--url ssh://there ps",
        "--identity key ps",
        "--ssh native ps",
        "--host x ps",
        "--context x ps",
        "--tls-ca x ps",
        "--tls-cert x ps",
        "--tls-key x ps",
        "ps --remote",
    ],
)
def test_what_only_a_remote_client_knows_is_refused_by_name(pod: Pod, words: str) -> None:
    result = pod.run(*words.split(), check=False)
    flag = next(word for word in words.split() if word.startswith("-"))
    long = {"-r": "--remote", "-c": "--connection"}.get(flag, flag)
    assert result.code == 125
    assert result.stderr == (
        f"Error: {long} is not supported: pod has no remote service\n"
        "hint: run pod on the machine itself, for example with ssh HOST pod …\n"
    )


@pytest.mark.parametrize("words", ["--imagestore /x ps", "--module x ps"])
def test_what_pod_does_not_do_is_refused_by_name(pod: Pod, words: str) -> None:
    result = pod.run(*words.split(), check=False)
    assert result.code == 125
    assert result.stderr.startswith(f"Error: {words.split()[0]} is not supported\nhint: ")


def test_what_only_some_hardware_has_is_refused_by_name(box: Pod, busybox: str) -> None:
    result = box.run("run", "--rdt-class", "gold", busybox, "true", check=False)
    assert result.code == 125
    assert "RDT class gold" in result.stderr
    assert box.run("ps", "-aq").out == ""


def test_global_flags_of_podman(pod: Pod) -> None:
    for words in (
        "--log-level warn --cgroup-manager cgroupfs --events-backend file ps",
        "--conmon /usr/bin/conmon --syslog --transient-store=false --max-workers 4 --trace --debug=false ps",
        "--network-backend netavark --volumepath /x --runtime-flag debug ps",
        "--storage-driver overlay --storage-opt x=y --tmpdir /tmp/x --network-config-dir /x --hooks-dir /x ps",
        "ps --log-level error --storage-driver overlay",
    ):
        assert pod.run(*words.split()).stderr == ""
    refused = pod.run("--log-level", "loud", "ps", check=False)
    assert refused.code == 1
    assert 'Log Level "loud" is not supported, choose from: trace, debug, info' in refused.stderr
    assert "storage driver" in pod.run("--storage-driver", "vfs", "ps", check=False).stderr
    assert pod.run("--version").out.startswith("pod version ")
    assert pod.run("-v").out.startswith("pod version ")


def test_output_to_a_file(pod: Pod) -> None:
    path = os.path.join(pod.home, "out")
    assert pod.run("--out", path, "version", "--format", "{{.Client.OsArch}}").stdout == ""
    with open(path) as file:
        assert file.read().startswith("linux/")
    assert pod.run("--noout", "version").stdout == ""
    refused = pod.run("--out", "/nowhere/x", "version", check=False)
    assert (refused.code, refused.stderr) == (125, "Error: open /nowhere/x: no such file or directory\n")


def test_names_that_were_perhaps_meant(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "database", busybox, "true")
    box.run("volume", "create", "storage")
    for words, meant in (
        ("start databse", "database"),
        ("logs databases", "database"),
        ("volume rm storag3", "storage"),
    ):
        result = box.run(*words.split(), check=False)
        assert result.stderr.splitlines()[1] == f"hint: did you mean {meant}?"
    assert box.run("start", "entirely-else", check=False).stderr.count("\n") == 1


def test_help(pod: Pod) -> None:
    text = pod.run("stop", "--help").stdout
    assert text.startswith("Stop one or more containers\n\nDescription:\n  ")
    assert "\n\nUsage:\n  pod stop [options] [CONTAINER" in text or "\n\nUsage:\n  pod stop [options] CONTAINER" in text
    assert "\n\nExamples:\n  pod stop ctrID\n" in text
    assert "\n\nOptions:\n  -a, --all" in text
    assert (
        pod.run("help", "stop").stdout
        == text
        == pod.run("container", "stop", "-h").stdout.replace("pod container stop [", "pod stop [")
    )
    root = pod.run("--help").stdout
    assert "\n\nUsage:\n  pod [options] [command]\n\nAvailable Commands:\n  attach " in root
    assert "--remote" not in root
    bare = pod.run(check=False)
    assert bare.code == 125
    assert bare.stderr == "Error: missing command 'pod COMMAND'\n"


def test_fields_of_info_and_version(pod: Pod) -> None:
    template = "{{.Version}} {{.Client.Version}} {{.Server.Version}}"
    assert len(set(pod.run("version", "--format", template).out.split())) == 1
    assert list(json.loads(pod.run("version", "--format", "json").stdout)) == ["Client"]
    template = (
        "{{.Host.Arch}} {{.Host.Security.Rootless}} {{.Host.OCIRuntime.Name}} {{.Host.CgroupsVersion}} "
        "{{.Host.RemoteSocket.Exists}} {{.Host.Conmon.Path}} {{.Store.GraphDriverName}} {{.Store.GraphRoot}} "
        "{{.Host.Distribution.Distribution}} {{.Host.NetworkBackend}} {{.Store.ImageStore.Number}} {{.Version.Version}}"
    )
    words = pod.run("info", "--format", template).out.split()
    assert len(words) == 12
    assert words[1] == ("true" if pod.rootless else "false")
    assert words[7] == pod.root
    refused = pod.run("info", "--format", "{{.Nope}}", check=False)
    assert refused.stderr == (
        'Error: template: info:1:2: executing "info" at <.Nope>: can\'t evaluate field Nope in type *define.Info\n'
    )


def test_podmans_words_for_what_cannot_be_shown_or_written(box: Pod, busybox: str) -> None:
    container = box.run("create", busybox, "true").out
    assert box.run("inspect", "-f", "{{.SizeRw}} {{.SizeRootFs}}", container).out == "<nil> 0"
    assert "SizeRw" not in json.loads(box.run("inspect", container).stdout)[0]
    evaluating = 'executing "{}" at <.Nope>: can\'t evaluate field Nope in type {}\n'
    for words, message in (
        (
            ["inspect", "-f", "{{.Nope}}", container],
            "inspecting object: printing inspect output: template: inspect:1:13: "
            + evaluating.format("inspect", "interface {}"),
        ),
        (
            ["events", "--stream=false", "--format", "{{.Nope}}"],
            "template: events:1:2: " + evaluating.format("events", "*events.Event"),
        ),
        (
            ["export", "-o", "/nosuch/x", container],
            'creating file "/nosuch/x": open /nosuch/x: no such file or directory\n',
        ),
    ):
        refused = box.run(*words, check=False)
        assert (refused.code, refused.stderr) == (125, f"Error: {message}")


def test_a_terminal_without_one_is_warned_of(box: Pod, busybox: str) -> None:
    warning = "The input device is not a TTY. The --tty and --interactive flags might not work properly\n"
    assert box.run("run", "-dit", "--rm", busybox, "true").stderr == warning
    assert box.run("run", "-dt", "--rm", busybox, "true").stderr == ""
