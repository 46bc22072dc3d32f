"""`.volume`, `.network`, `.image`, `.build`, `.kube`, `.artifact`: each key, and what of it comes into the service."""

from __future__ import annotations

from typing import Any

import pytest

from pod.cli import build, network_create, network_rm, pull, volume_create
from pod.cli.app import parse as parse_command_line
from pod.quadlet import converting
from pod.quadlet.kinds import table
from pod.quadlet.quoting import split_words
from pod.quadlet.unitfile import parse
from pod.quadlet.units import Unit
from tests.fixtures.quadlets import has, told, words

OTHERS = {
    "data.volume": "[Volume]\n",
    "front.network": "[Network]\nNetworkName=front\n",
    "web.container": "[Container]\nImage=web\nContainerName=web\n",
    "base.image": "[Image]\nImage=quay.io/base\n",
    "own.build": "[Build]\nImageTag=localhost/own\nSetWorkingDirectory=unit\n",
}
# What each kind needs at least, before a key is added.
LEAST = {
    "artifact": "Artifact=quay.io/model",
    "build": "ImageTag=localhost/x\nSetWorkingDirectory=/src",
    "image": "Image=quay.io/x",
    "kube": "Yaml=/pods.yaml",
    "network": "",
    "volume": "",
}
# Of each kind: lines of its section, and words that follow one another in the command that starts it; or a line of
# the service, with the name of its section in front.
ROWS: dict[str, list[tuple[str, str]]] = {
    "artifact": [
        ("Artifact=quay.io/other:1", "artifact pull quay.io/other:1"),
        ("AuthFile=/auth.json", "--authfile /auth.json"),
        ("CertDir=/certs", "--cert-dir /certs"),
        ("Creds=me:secret", "--creds me:secret"),
        ("DecryptionKey=/key.pem", "--decryption-key /key.pem"),
        ("TLSVerify=false", "--tls-verify=false"),
        ("TLSVerify=true", "--tls-verify"),
        ("Quiet=true", "--quiet"),
        ("Retry=5", "--retry 5"),
        ("RetryDelay=10s", "--retry-delay 10s"),
        ("ServiceName=other", "NAME other.service"),
        ("GlobalArgs=--log-level debug", "/pod --log-level debug artifact"),
        ("PodmanArgs=--one 'two words'", "--one 'two words' quay.io/model"),
        ("ContainersConfModule=/nvd.conf", "/pod --module=/nvd.conf artifact"),
    ],
    "build": [
        ("ImageTag=localhost/y", "--tag localhost/x --tag localhost/y"),
        ("File=/src/Containerfile", "--file /src/Containerfile /src"),
        ("SetWorkingDirectory=/elsewhere", "/elsewhere$"),
        ("SetWorkingDirectory=https://example.com/x.git", "https://example.com/x.git$"),
        ("SetWorkingDirectory=unit", "Service WorkingDirectory=/units"),
        ("SetWorkingDirectory=unit", "/units$"),
        ("SetWorkingDirectory=file\nFile=sub/Containerfile", "Service WorkingDirectory=/units/sub"),
        ("SetWorkingDirectory=file\nFile=sub/Containerfile", "--file sub/Containerfile /units/sub$"),
        ("SetWorkingDirectory=context", "Service WorkingDirectory=/units"),
        ("SetWorkingDirectory=context", "context$"),
        ("SetWorkingDirectory=\nFile=/src/Containerfile", "--file /src/Containerfile$"),
        ("SetWorkingDirectory=\nFile=%h/Containerfile", "--file %h/Containerfile$"),
        ("Target=stage", "--target stage"),
        ("BuildArg=A=1 B=2", "--build-arg A=1 --build-arg B=2"),
        ("BuildArg=A", "--build-arg A"),
        ('Environment=A=1 "B=two words"', "--env A=1 --env 'B=two words'"),
        ("Label=a=b", "--label a=b"),
        ("Annotation=a=b", "--annotation a=b"),
        ("Arch=arm64", "--arch arm64"),
        ("Variant=v8", "--variant v8"),
        ("Network=host", "--network host"),
        ("Network=front.network", "--network front"),
        ("Network=front.network", "Unit Requires=front-network.service"),
        ("Network=front.network", "Unit After=front-network.service"),
        ("Volume=/a:/b:ro", "-v /a:/b:ro"),
        ("Volume=/a:/b:ro", "Unit RequiresMountsFor=/a"),
        ("Volume=data.volume:/b", "-v systemd-data:/b"),
        ("Volume=data.volume:/b", "Unit Requires=data-volume.service"),
        ("Volume=./here:/b", "-v /units/here:/b"),
        ("Secret=id=a,src=/a", "--secret id=a,src=/a"),
        ("DNS=1.1.1.1\nDNS=9.9.9.9", "--dns 1.1.1.1 --dns 9.9.9.9"),
        ("DNSOption=ndots:1", "--dns-option ndots:1"),
        ("DNSSearch=example.com", "--dns-search example.com"),
        ("GroupAdd=keep-groups", "--group-add keep-groups"),
        ("ForceRM=false", "--force-rm=false"),
        ("IgnoreFile=/ignore", "--ignorefile /ignore"),
        ("Pull=never", "build --pull=never"),
        ("TLSVerify=false", "--tls-verify=false"),
        ("AuthFile=/auth.json", "--authfile /auth.json"),
        ("Retry=5", "--retry 5"),
        ("RetryDelay=10s", "--retry-delay 10s"),
        ("ServiceName=other", "NAME other.service"),
        ("GlobalArgs=--log-level=debug", "/pod --log-level=debug build"),
        ("PodmanArgs=--squash --memory 1g", "--squash --memory 1g /src$"),
        ("ContainersConfModule=/nvd.conf", "/pod --module=/nvd.conf build"),
    ],
    "image": [
        ("Image=quay.io/y", "image pull quay.io/y$"),
        ("ImageTag=localhost/z", "RESOURCE localhost/z"),
        ("AllTags=true", "--all-tags"),
        ("Arch=arm64", "--arch arm64"),
        ("OS=linux", "--os linux"),
        ("Variant=v8", "--variant v8"),
        ("AuthFile=/auth.json", "--authfile /auth.json"),
        ("CertDir=/certs", "--cert-dir /certs"),
        ("Creds=me:secret", "--creds me:secret"),
        ("DecryptionKey=/key.pem", "--decryption-key /key.pem"),
        ("TLSVerify=no", "--tls-verify=false"),
        ("Policy=newer", "--policy newer"),
        ("Retry=5", "--retry 5"),
        ("RetryDelay=10s", "--retry-delay 10s"),
        ("ServiceName=other", "NAME other.service"),
        ("GlobalArgs=--log-level=debug", "/pod --log-level=debug image"),
        ("PodmanArgs=--disable-content-trust", "--disable-content-trust quay.io/x$"),
        ("ContainersConfModule=/nvd.conf", "/pod --module=/nvd.conf image"),
    ],
    "kube": [
        ("Yaml=more.yaml", "/pods.yaml /units/more.yaml$"),
        ("Yaml=more.yaml", "Service ExecStopPost=/pod kube down /pods.yaml /units/more.yaml"),
        ("ConfigMap=a.yaml /b.yaml", "--configmap /units/a.yaml --configmap /b.yaml"),
        ("Network=front.network", "--network front"),
        ("Network=web.container", "--network container:web"),
        ("Network=front.network:ip=10.0.0.2", "--network front:ip=10.0.0.2"),
        ("PublishPort=8080:80", "--publish 8080:80"),
        ("LogDriver=journald", "--log-driver journald"),
        ("LogOpt=max-size=1m path=/log", "--log-opt max-size=1m --log-opt path=/log"),
        ("UserNS=keep-id:uid=200", "--userns keep-id:uid=200"),
        ("AutoUpdate=registry", "--annotation=io.containers.autoupdate=registry"),
        ("AutoUpdate=web/local", "--annotation=io.containers.autoupdate/web=local"),
        ("ExitCodePropagation=any", "--service-exit-code-propagation=any"),
        ("KubeDownForce=true", "Service ExecStopPost=/pod kube down --force /pods.yaml"),
        ("KubeDownForce=false", "Service ExecStopPost=/pod kube down --force=false /pods.yaml"),
        ("SetWorkingDirectory=yaml", "Service WorkingDirectory=/"),
        ("SetWorkingDirectory=unit", "Service WorkingDirectory=/units"),
        ("ServiceName=other", "NAME other.service"),
        (
            "RemapUsers=auto\nRemapUid=0:1:2\nRemapGid=0:3:4\nRemapUidSize=9",
            "--userns auto:uidmapping=0:1:2,gidmapping=0:3:4,size=9",
        ),
        ("RemapUsers=keep-id\nRemapUid=5", "--userns keep-id:uid=5"),
        ("GlobalArgs=--log-level=debug", "/pod --log-level=debug kube play"),
        ("GlobalArgs=--log-level=debug", "Service ExecStopPost=/pod --log-level=debug kube down /pods.yaml"),
        ("PodmanArgs=--start=false", "--start=false /pods.yaml$"),
        ("ContainersConfModule=/nvd.conf", "/pod --module=/nvd.conf kube"),
    ],
    "network": [
        ("NetworkName=back", "network create --ignore back$"),
        ("Driver=macvlan", "--driver macvlan"),
        ("Subnet=10.0.0.0/24", "--subnet 10.0.0.0/24"),
        ("Subnet=10.0.0.0/24\nGateway=10.0.0.1", "--subnet 10.0.0.0/24 --gateway 10.0.0.1"),
        ("Subnet=10.0.0.0/24\nIPRange=10.0.0.0/26", "--subnet 10.0.0.0/24 --ip-range 10.0.0.0/26"),
        (
            "Subnet=10.0.0.0/24\nSubnet=10.0.1.0/24\nGateway=10.0.0.1\nGateway=10.0.1.1\nIPRange=10.0.0.8/30",
            "--subnet 10.0.0.0/24 --gateway 10.0.0.1 --ip-range 10.0.0.8/30 --subnet 10.0.1.0/24 --gateway 10.0.1.1",
        ),
        ("IPv6=true", "--ipv6"),
        ("Internal=true", "--internal"),
        ("DNS=1.1.1.1", "--dns 1.1.1.1"),
        ("DisableDNS=true", "--disable-dns"),
        ("IPAMDriver=dhcp", "--ipam-driver dhcp"),
        ("Options=mtu=1400 isolate=true", "--opt isolate=true --opt mtu=1400"),
        ("InterfaceName=br7", "--interface-name br7"),
        ("Label=a=b\nLabel=c=d", "--label a=b --label c=d"),
        ("NetworkDeleteOnStop=true", "Service ExecStopPost=/pod network rm systemd-one"),
        ("ServiceName=other", "NAME other.service"),
        ("GlobalArgs=--log-level=debug", "/pod --log-level=debug network"),
        ("PodmanArgs=--route 10.1.0.0/24,10.0.0.9", "--route 10.1.0.0/24,10.0.0.9 systemd-one$"),
        ("ContainersConfModule=/nvd.conf", "/pod --module=/nvd.conf network"),
    ],
    "volume": [
        ("VolumeName=store", "volume create --ignore store$"),
        ("Driver=local", "--driver local"),
        ("Driver=image\nImage=quay.io/x", "--driver image --opt image=quay.io/x"),
        ("Driver=image\nImage=base.image", "--opt image=quay.io/base"),
        ("Driver=image\nImage=base.image", "Unit Requires=base-image.service"),
        ("Driver=image\nImage=own.build", "--opt image=localhost/own"),
        ("Device=tmpfs", "--opt device=tmpfs"),
        ("Device=tmpfs\nType=tmpfs", "--opt device=tmpfs --opt type=tmpfs"),
        ("Device=/srv\nType=bind", "Unit RequiresMountsFor=/srv"),
        ("Options=ro,noatime", "--opt o=ro,noatime"),
        ("Copy=true", "--opt copy"),
        ("Copy=false", "--opt nocopy"),
        ("User=3", "--opt o=uid=3"),
        ("Group=4", "--opt o=gid=4"),
        ("User=3\nGroup=4\nOptions=ro", "--opt o=uid=3,gid=4,ro"),
        ("User=root\nGroup=root", "--opt o=uid=0,gid=0"),
        ("User=daemon", "--opt o=uid=1"),
        ("UID=5", "--uid 5"),
        ("GID=6", "--gid 6"),
        ("Label=a=b", "--label a=b"),
        ("ServiceName=other", "NAME other.service"),
        ("GlobalArgs=--log-level=debug", "/pod --log-level=debug volume"),
        ("PodmanArgs=--opt x=y", "--opt x=y systemd-one$"),
        ("ContainersConfModule=/nvd.conf", "/pod --module=/nvd.conf volume"),
    ],
}
CASES = [(kind, lines, expected) for kind, rows in ROWS.items() for lines, expected in rows]


def unit_of(kind: str, lines: str, name: str = "one", rest: str = "") -> Unit:
    """Return a unit of a kind with what it needs, some lines, and other units beside it."""
    section = table.KINDS[kind].section
    said = {line.partition("=")[0] for line in lines.splitlines()} & {"Artifact", "Image", "SetWorkingDirectory"}
    least = "\n".join(line for line in LEAST[kind].splitlines() if line.partition("=")[0] not in said)
    texts = {**OTHERS, f"{name}.{kind}": f"[{section}]\n{least}\n{lines}\n{rest}"}
    files = [parse(text, f"/units/{file}") for file, text in texts.items()]
    return next(one for one in converting.convert(files, command="/pod", user=False) if one.path == files[-1].path)


@pytest.mark.parametrize(("kind", "lines", "expected"), CASES, ids=[f"{kind} {lines!r}" for kind, lines, _ in CASES])
def test_key(kind: str, lines: str, expected: str) -> None:
    unit = unit_of(kind, lines)
    assert not unit.problems, told(unit)
    where, _, rest = expected.partition(" ")
    if where == "NAME":
        assert unit.service.name == rest
    elif where == "RESOURCE":
        assert unit.resource_name == rest
    elif where in ("Unit", "Service"):
        key, _, value = rest.partition("=")
        assert value in [entry.value for entry in unit.service.all(where, key)]
    else:
        wanted, command = split_words(expected.removesuffix("$")), words(unit)
        assert has(command[-len(wanted) :] if expected.endswith("$") else command, wanted), command


@pytest.mark.parametrize("kind", ROWS)
def test_every_key_has_a_row(kind: str) -> None:
    tried = {line.partition("=")[0] for lines, _ in ROWS[kind] for line in lines.splitlines()}
    assert tried == table.KINDS[kind].keys


def test_how_many_keys_there_are() -> None:
    expected = {"artifact": 13, "build": 28, "image": 18, "kube": 19, "network": 18, "volume": 16}
    assert {kind: len(table.KINDS[kind].keys) for kind in ROWS} == expected


COMMANDS = {"build": (build, 1), "image": (pull, 2), "network": (network_create, 2), "volume": (volume_create, 2)}


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        (kind, lines)
        for kind, lines, _ in CASES
        if kind in COMMANDS and "GlobalArgs" not in lines and "Module" not in lines
    ],
)
def test_commands_are_ones_that_pod_takes(kind: str, lines: str) -> None:
    unit = unit_of(kind, lines)
    module, verb = COMMANDS[kind]
    assert parse_command_line(module, "pod", words(unit)[1 + verb :])
    for entry in unit.service.all("Service", "ExecStopPost"):
        assert parse_command_line(network_rm, "pod", split_words(entry.value)[3:])


@pytest.mark.parametrize(
    ("kind", "type", "remains"),
    [
        ("artifact", "oneshot", True),
        ("build", "oneshot", False),
        ("image", "oneshot", True),
        ("kube", "notify", False),
        ("network", "oneshot", True),
        ("volume", "oneshot", True),
    ],
)
def test_service(kind: str, type: str, remains: bool) -> None:
    unit = unit_of(kind, "", rest="[Install]\nWantedBy=default.target\n[Unit]\nDescription=x\n")
    service: dict[str, Any] = {entry.key: entry.value for entry in unit.service.keys("Service")}
    assert unit.service.name == f"one{'' if kind == 'kube' else '-' + kind}.service"
    assert service["Type"] == type
    assert service["SyslogIdentifier"] == "%N"
    assert service.get("RemainAfterExit") == ("yes" if remains else None)
    said = [f"{entry.key}={entry.value}" for entry in unit.service.keys("Unit")]
    assert said[:2] == ["Wants=network-online.target", "After=network-online.target"]
    assert {"Description=x", f"SourcePath=/units/one.{kind}", "RequiresMountsFor=%t/containers"} <= set(said)
    if kind == "kube":
        assert (service["KillMode"], service["NotifyAccess"]) == ("mixed", "all")
        assert service["Environment"] == "PODMAN_SYSTEMD_UNIT=%n"


@pytest.mark.parametrize("kind", ROWS)
def test_what_the_user_says_of_the_service_counts(kind: str) -> None:
    unit = unit_of(kind, "", rest="[Service]\nType=oneshot\nRemainAfterExit=no\nSyslogIdentifier=mine\n")
    assert not unit.problems
    for key, value in (("Type", "oneshot"), ("RemainAfterExit", "no"), ("SyslogIdentifier", "mine")):
        assert [entry.value for entry in unit.service.all("Service", key)] == [value]


@pytest.mark.parametrize(("kind", "name"), [("network", "systemd-web-%i"), ("volume", "systemd-web-%i")])
def test_templates(kind: str, name: str) -> None:
    unit = unit_of(kind, "", name="web@")
    assert (unit.service.name, unit.resource_name) == (f"web-{kind}@.service", name)


WRONG = [
    ("artifact", "Artifact=", "no Artifact key specified", False),
    ("build", "ImageTag=", "no ImageTag key specified", False),
    ("build", "SetWorkingDirectory=", "neither SetWorkingDirectory, nor File key specified", False),
    (
        "build",
        "SetWorkingDirectory=\nFile=x",
        "relative path in File key requires SetWorkingDirectory key to be set",
        True,
    ),
    ("build", "SetWorkingDirectory=file", "no File key specified", True),
    ("build", "SetWorkingDirectory=yaml", "SetWorkingDirectory=yaml is only supported in .kube files", True),
    ("image", "Image=", "no Image key specified", False),
    ("kube", "Yaml=", "no Yaml key specified", False),
    ("kube", "ExitCodePropagation=some", "invalid ExitCodePropagation 'some'", True),
    ("kube", "SetWorkingDirectory=elsewhere", "unsupported value for WorkingDirectory: elsewhere", True),
    ("kube", "RemapUsers=manual", "RemapUsers=manual is not supported", True),
    ("kube", "Network=none.network", "requested Quadlet unit none.network was not found", True),
    (
        "kube",
        "Network=web.container:x=y",
        "extra options are not supported when joining another container's network",
        True,
    ),
    ("network", "Gateway=10.0.0.1", "cannot set gateway or range without subnet", True),
    (
        "network",
        "Subnet=10.0.0.0/24\nGateway=10.0.0.1\nGateway=10.0.0.2",
        "cannot set more gateways than subnets",
        True,
    ),
    ("network", "Subnet=10.0.0.0/24\nIPRange=10.0.0.1\nIPRange=10.0.0.2", "cannot set more ranges than subnets", True),
    ("volume", "Type=tmpfs", "key Type can't be used without Device", True),
    ("volume", "Driver=image", "the key Image is mandatory when using the image driver", True),
    ("volume", "User=no-such-user", "invalid User 'no-such-user'", True),
]


@pytest.mark.parametrize(("kind", "lines", "message", "at_line"), WRONG)
def test_what_no_service_can_be_made_of(kind: str, lines: str, message: str, at_line: bool) -> None:
    unit = unit_of(kind, lines)
    assert unit.failed
    (problem,) = unit.problems
    assert problem.message == message
    last = unit.source.keys(unit.kind.section)[-1]
    assert (problem.path, problem.line) == (unit.path, last.line if at_line else 1)
