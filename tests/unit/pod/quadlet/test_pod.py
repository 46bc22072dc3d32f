"""`.pod` files: a row for each key, and what the service is besides."""

from __future__ import annotations

import pytest

from pod.cli import pod_create, pod_rm, pod_start, pod_stop, run
from pod.cli.app import parse as parse_command_line
from pod.quadlet.kinds.table import KINDS
from pod.quadlet.quoting import split_words
from tests.fixtures.quadlets import COMMAND, converted, has, service, told, values, words

# A key's line or lines; the words of ExecStartPre that they become.
KEYS = """
AddHost=db:10.0.0.1 \\n AddHost=web:10.0.0.2 | --add-host db:10.0.0.1 --add-host web:10.0.0.2
ContainersConfModule=/etc/m.conf | /opt/pod/bin/pod --module=/etc/m.conf pod create
DNS=1.1.1.1 | --dns 1.1.1.1
DNSOption=ndots:1 | --dns-option ndots:1
DNSSearch=example.com | --dns-search example.com
ExitPolicy=continue | --exit-policy continue
GIDMap=0:10000:10 | --gidmap 0:10000:10
GlobalArgs=--log-level debug | /opt/pod/bin/pod --log-level debug pod create
HostName=web | --hostname web
IP=10.88.1.2 | --ip 10.88.1.2
IP6=fd00::2 | --ip6 fd00::2
Label=a=1 "b=two words" | --label a=1 --label "b=two words"
Network=host | --network host
NetworkAlias=db | --network-alias db
PodName=web | --infra-name web-infra --name web
PodmanArgs=--cpus 2 | --name systemd-x --cpus 2
PublishPort=8080:80 \\n PublishPort=53:53/udp | --publish 8080:80 --publish 53:53/udp
RemapUsers=auto \\n RemapUid=0:1:2 \\n RemapGid=3:4:5 | --userns auto:uidmapping=0:1:2,gidmapping=3:4:5
RemapUsers=auto \\n RemapUidSize=9 | --userns auto:size=9
ShmSize=100m | --shm-size 100m
SubGIDMap=gids | --subgidname gids
SubUIDMap=uids | --subuidname uids
UIDMap=0:10000:10 | --uidmap 0:10000:10
UserNS=keep-id | --userns keep-id
Volume=/a:/b:ro \\n Volume=./c:/d | -v /a:/b:ro -v /etc/containers/systemd/c:/d
"""
# Keys that do not become words of ExecStartPre: tests below are theirs.
ELSEWHERE = {"ServiceName", "StopTimeout"}
ROWS = [row.split(" | ") for row in KEYS.strip().splitlines()]


@pytest.mark.parametrize(("lines", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_a_key_becomes_its_flag(lines: str, expected: str) -> None:
    unit = service("x.pod", "[Pod]\n" + lines.replace(" \\n ", "\n"))
    assert has(words(unit, "ExecStartPre"), split_words(expected)), words(unit, "ExecStartPre")


@pytest.mark.parametrize("lines", [row[0] for row in ROWS if "GlobalArgs" not in row[0] and "Module" not in row[0]])
def test_what_a_service_runs_is_a_command_line_of_pods(lines: str) -> None:
    unit = service("x.pod", "[Pod]\n" + lines.replace(" \\n ", "\n"))
    commands = {"ExecStartPre": pod_create, "ExecStart": pod_start, "ExecStop": pod_stop, "ExecStopPost": pod_rm}
    for key, module in commands.items():
        assert parse_command_line(module, "pod", words(unit, key)[3:])


def test_every_key_has_a_row() -> None:
    tested = {line.partition("=")[0] for row in ROWS for line in row[0].split(" \\n ")}
    assert tested | ELSEWHERE == set(KINDS["pod"].keys)


def test_what_a_service_has_without_any_key() -> None:
    unit = service("x.pod", "[Pod]\n")
    assert unit.service.name == "x-pod.service"
    assert words(unit, "ExecStartPre") == [
        *(COMMAND, "pod", "create", "--infra-conmon-pidfile=%t/%N.pid", "--replace", "--exit-policy", "stop"),
        *("--infra-name", "systemd-x-infra", "--name", "systemd-x"),
    ]
    assert words(unit) == [COMMAND, "pod", "start", "systemd-x"]
    assert words(unit, "ExecStop") == [COMMAND, "pod", "stop", "--ignore", "--time=10", "systemd-x"]
    assert words(unit, "ExecStopPost") == [COMMAND, "pod", "rm", "--ignore", "--force", "systemd-x"]
    for key, value in (
        ("Environment", "PODMAN_SYSTEMD_UNIT=%n"),
        ("Type", "forking"),
        ("PIDFile", "%t/%N.pid"),
        ("Restart", "on-failure"),
        ("SyslogIdentifier", "%N"),
    ):
        assert values(unit, "Service", key) == [value]


def test_its_name_its_patience_and_its_restarts_can_be_said() -> None:
    unit = service("x.pod", "[Pod]\nServiceName=web\nPodName=w\nStopTimeout=20\n[Service]\nRestart=no\n")
    assert unit.service.name == "web.service"
    assert words(unit, "ExecStop") == [COMMAND, "pod", "stop", "--ignore", "--time=20", "w"]
    assert values(unit, "Service", "Restart") == ["no"]


def test_it_starts_its_containers() -> None:
    units = converted(
        {
            "web.pod": "[Pod]\nPodName=w\n",
            "a.container": "[Container]\nImage=localhost/x\nPod=web.pod\n",
            "b.container": "[Container]\nImage=localhost/x\nPod=web.pod\nServiceName=other\n",
            "alone.container": "[Container]\nImage=localhost/x\nPod=web.pod\nStartWithPod=no\n",
            "many@.container": "[Container]\nImage=localhost/x\nPod=web.pod\n",
            "bad.container": "[Container]\nImage=localhost/x\nPod=web.pod\nWrong=1\n",
        }
    )
    assert values(units["web.pod"], "Unit", "Wants") == ["network-online.target", "a.service", "other.service"]
    assert values(units["web.pod"], "Unit", "Before") == ["a.service", "other.service"]
    for name in ("a.container", "alone.container", "many@.container"):
        assert has(words(units[name]), ["--pod", "w"])
        assert parse_command_line(run, "pod", words(units[name])[2:])["pod"] == "w"
        assert values(units[name], "Unit", "BindsTo") == ["web-pod.service"]
        assert values(units[name], "Unit", "After") == ["network-online.target", "web-pod.service"]
    assert units["bad.container"].failed


def test_a_pod_that_is_none() -> None:
    text = "[Container]\nImage=localhost/x\nPod=%s\n"
    unit = converted({"x.container": text % "web"})["x.container"]
    assert "x.container:3: pod web is not Quadlet based; describe it in web.pod" in told(unit)[0]
    units = converted({"x.container": text % "wbe.pod", "web.pod": "[Pod]\n"})
    assert told(units["x.container"])[0].endswith(
        "x.container:3: quadlet pod unit wbe.pod does not exist; did you mean web.pod?"
    )
