"""What `quadlet lint` says of files: the generator's problems, values that cannot be, commands that there are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pod.cli import unit_commands
from pod.errors import PodError
from pod.quadlet import linting, values
from pod.quadlet.kinds import table
from pod.quadlet.places import Places
from tests.fixtures.quadlets import service

LEAST = {
    "container": "Image=quay.io/x",
    "build": "ImageTag=localhost/x\nSetWorkingDirectory=unit",
    "image": "Image=quay.io/x",
    "kube": "Yaml=/x.yaml",
}
# A kind, a line that cannot be, what is said of it; and a value that can.
WRONG = [
    ("container", "PublishPort=99999:80", "99999", "8080:80/udp"),
    ("container", "PublishPort=80-90:80", "different lengths", "127.0.0.1:80-81:80-81"),
    ("pod", "PublishPort=x", "x", "[::1]:80:80"),
    ("container", "Volume=/a:/b:ro:x", "invalid volume specification", "data.volume:/b:ro"),
    ("container", "Volume=/a:b", "b", "./a:/b"),
    ("build", "Volume=/a:/b:ro:x", "invalid volume specification", "/a:/b"),
    ("container", "Mount=type=bnd,source=/a,target=/b", "invalid filesystem type", "type=bind,source=./a,target=/b"),
    ("container", "Mount=type=bind,source=/a,target=/b,foo", "foo", "type=volume,source=d.volume,target=/b"),
    ("container", "Tmpfs=/a:size=many", "size=many", "/a:size=64m"),
    ("container", "Memory=much", "invalid size: 'much'", "512m"),
    ("container", "ShmSize=much", "invalid size", "64m"),
    ("container", "PidsLimit=few", "invalid number", "-1"),
    ("container", "StopTimeout=20s", "invalid number", "20"),
    ("container", "StopSignal=SIGNONE", "invalid signal", "SIGTERM"),
    ("container", "ReloadSignal=SIGNONE", "invalid signal", "HUP"),
    ("container", "Ulimit=files=10", "invalid ulimit type", "nofile=10:20"),
    ("container", "Sysctl=kernel.hostname=x", "is not allowed", "net.ipv4.ip_forward=1"),
    ("container", "AddCapability=CAP_NONE", "unknown capability", "NET_ADMIN"),
    ("container", "DropCapability=CAP_NONE", "unknown capability", "all"),
    ("container", "AddDevice=/dev/fuse:q", "invalid device mode", "-/dev/fuse:r"),
    ("container", "HealthInterval=30", "missing unit", "disable"),
    ("container", "HealthTimeout=30", "missing unit", "30s"),
    ("container", "HealthStartPeriod=soon", "invalid duration", "1m30s"),
    ("container", "HealthStartupInterval=30", "missing unit", "30s"),
    ("container", "HealthStartupTimeout=30", "missing unit", "30s"),
    ("container", "HealthRetries=some", "invalid number", "3"),
    ("container", "HealthStartupRetries=some", "invalid number", "3"),
    ("container", "HealthStartupSuccess=some", "invalid number", "3"),
    ("container", "HealthMaxLogCount=some", "invalid number", "3"),
    ("container", "HealthMaxLogSize=some", "invalid number", "3"),
    ("container", "HealthOnFailure=restrt", "did you mean restart?", "restart"),
    ("container", "LogDriver=syslog", "invalid log driver", "journald"),
    ("container", "LogOpt=max-size", "invalid log option", "max-size=1m"),
    ("container", "Pull=sometimes", "unsupported pull policy", "newer"),
    ("build", "Pull=sometimes", "unsupported pull policy", "true"),
    ("image", "Policy=sometimes", "unsupported pull policy", "always"),
    ("container", "Retry=twice", "invalid number", "2"),
    ("container", "RetryDelay=10", "missing unit", "10s"),
    ("container", "Notify=halthy", "did you mean healthy?", "healthy"),
    ("container", "AutoUpdate=image", "known are registry, local", "registry"),
    ("kube", "AutoUpdate=web/image", "known are registry, local", "web/local"),
    ("container", "CgroupsMode=splt", "did you mean split?", "split"),
    ("pod", "ExitPolicy=sto", "did you mean stop?", "continue"),
    ("container", "Image=Web:latest", "lower", "quay.io/web:latest"),
    ("build", "ImageTag=localhost/Web", "lower", "localhost/web"),
    ("container", "ContainerName=-web", "invalid name", "web-%i"),
    ("pod", "PodName=-web", "invalid name", "web"),
    ("network", "NetworkName=a/b", "invalid name", "b"),
    ("volume", "VolumeName=a/b", "invalid name", "b"),
    ("network", "Subnet=10.0.0.0", "invalid subnet", "10.0.0.0/24"),
    ("container", "IP=10.0.0", "invalid IP address", "10.0.0.9"),
    ("container", "IP6=10", "invalid IP address", "fd00::9"),
    ("container", "DNS=example.com", "is not an ip address", "1.1.1.1"),
    ("container", "DNSSearch=a..b", "is not a valid domain", "example.com"),
    ("container", "AddHost=web", "bad format for add-host", "web:10.0.0.1"),
    ("container", "UserNS=keepid", "unrecognized namespace mode", "keep-id:uid=5"),
    ("container", "UIDMap=0:1:2:3", "is malformed", "0:@1000:1"),
    ("container", "GIDMap=x", "is malformed", "+g5:@5"),
    ("container", "Secret=s,type=file", "type", "s,type=env,target=X"),
    ("container", "ReadOnly=ja", "invalid boolean", "yes"),
]


@pytest.mark.parametrize(("kind", "line", "message", "good"), WRONG, ids=[f"{row[0]} {row[1]}" for row in WRONG])
def test_values(kind: str, line: str, message: str, good: str) -> None:
    section, least, key = table.KINDS[kind].section, LEAST.get(kind, ""), line.partition("=")[0]
    least = "\n".join(one for one in least.splitlines() if one.partition("=")[0] != key or key == "ImageTag")
    others = {"data.volume": "[Volume]\n", "d.volume": "[Volume]\n"}
    unit = service(f"one.{kind}", f"[{section}]\n{least}\n{line}\n", others)
    values.check(unit)
    (problem,) = [one for one in unit.problems if one.fatal]
    assert message in f"{problem.message} {problem.hint}"
    assert problem.message.startswith(f"{key}: ")
    assert problem.line == 3 + least.count("\n")
    unit = service(f"one.{kind}", f"[{section}]\n{least}\n{key}={good}\n", others)
    values.check(unit)
    assert not unit.failed, [str(one) for one in unit.problems]


@pytest.mark.parametrize("key", ["Exec", "Environment", "Label", "PodmanArgs"])
def test_quotes_that_are_not_closed(key: str) -> None:
    unit = service("one.container", f"[Container]\nImage=quay.io/x\n{key}=a=b 'c d=e\n")
    values.check(unit)
    (problem,) = unit.problems
    assert (problem.fatal, problem.line, problem.message) == (False, 3, f"{key}: unbalanced quotes")
    unit = service("one.container", f"""[Container]\nImage=quay.io/x\n{key}="it's=1" 'c="' %n\n""")
    values.check(unit)
    assert not unit.problems


def test_subnets_with_their_gateways() -> None:
    text = "[Network]\nSubnet=10.0.0.0/24\nGateway=10.0.0\nIPRange=10.0.0.1-10.0.0\n"
    unit = service("one.network", text)
    values.check(unit)
    assert [problem.line for problem in unit.problems] == [3, 4]
    unit = service("one.network", "[Network]\nSubnet=10.0.0.0/24\nGateway=10.0.0.1\nIPRange=10.0.0.8/30\n")
    values.check(unit)
    assert not unit.problems


def test_specifiers_are_not_judged() -> None:
    unit = service("one.container", "[Container]\nImage=%i\nPublishPort=%i:80\nMemory=%i\nSecret=%i,type=x\n")
    values.check(unit)
    assert not unit.failed


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("PodmanArgs=--memori 1g", "--memori", 3),
        ("PodmanArgs=--memory", "requires at least 1 arg(s)", 3),
        ("GlobalArgs=--nonsense", "does not take these flags", 3),
    ],
)
def test_commands(text: str, message: str, line: int) -> None:
    unit = service("one.container", f"[Container]\nImage=quay.io/x\n{text}\n")
    unit_commands.check(unit)
    problem = unit.problems[0]
    assert message in problem.message
    assert (problem.line, problem.fatal) == (line, True)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            "container",
            "Image=quay.io/x\nPodmanArgs=--memory=1g --cpus 2\nGlobalArgs=--log-level=debug\nExec=sh -c 'exit 1'",
        ),
        ("container", "Image=quay.io/x\nVolume=/a:/b\nReloadCmd=/bin/reload --now"),
        ("build", "ImageTag=localhost/x\nSetWorkingDirectory=unit\nPull=never"),
        ("network", "Subnet=10.0.0.0/24\nNetworkDeleteOnStop=yes"),
        ("volume", "Copy=false\nPodmanArgs=--opt a=b"),
        ("image", "Image=quay.io/x\nAllTags=yes"),
        ("kube", "Yaml=/x.yaml\nPodmanArgs=--whatever"),
    ],
)
def test_commands_that_are_right(kind: str, text: str) -> None:
    unit = service(f"one.{kind}", f"[{table.KINDS[kind].section}]\n{text}\n")
    unit_commands.check(unit)
    assert not unit.problems, [str(problem) for problem in unit.problems]


class Directory:
    """Units in a directory, and an empty search path."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.top / name.replace("__", ".")).write_text(text)

    def lint(self, *names: str, search: list[str] | None = None) -> list[str]:
        places = Places(search or [], str(self.top), [], user=False)
        paths = [str(self.top / name) for name in names]
        problems = linting.lint(places, paths, further=unit_commands.check)
        return [str(problem).removeprefix(f"{self.top}/") for problem in problems]


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


def test_the_generators_problems(directory: Directory) -> None:
    directory.write(
        web__container="[Container]\nImage=quay.io/x\nPublishPrt=80:80\n[Servce]\nRestart=always\n",
        bare__container="[Container]\nExec=true\n",
        lost__container="[Container]\nImage=quay.io/x\nNetwork=frnt.network\n",
        front__network="[Network]\n",
        one__container="[Container]\nImage=quay.io/x\nContainerName=same\n[Unit]\nAfter=two.container\n",
        two__container="[Container]\nImage=quay.io/x\nContainerName=same\n[Unit]\nAfter=one.container\n",
        broken__volume="[Volume]\nCopy\n",
    )
    found = directory.lint(".")
    text = "\n".join(found)
    assert "web.container:3: unsupported key 'PublishPrt' in group 'Container'; did you mean 'PublishPort'?" in found
    assert "web.container:4: " in text or "web.container:5: " in text
    assert "did you mean [Service]?" in text
    assert any(one.startswith("bare.container") and "no Image or Rootfs key specified" in one for one in found)
    assert "lost.container:3: requested Quadlet unit frnt.network was not found; did you mean front.network?" in found
    assert any("container same is made by" in one and one.startswith("two.container:3: Warning") for one in found)
    assert any("ordering cycle" in one for one in found)
    assert any(one.startswith("broken.volume:2: ") and "is not a key-value pair" in one for one in found)
    assert found == sorted(found, key=lambda one: one.partition(":")[0])


def test_some_files_among_others(directory: Directory) -> None:
    directory.write(
        web__container="[Container]\nImage=quay.io/x\nNetwork=front.network\nPublishPort=x\n",
        front__network="[Network]\nSubnet=x\n",
    )
    assert len(directory.lint("web.container")) == 1
    assert len(directory.lint("web.container", "front.network")) == 2
    assert len(directory.lint(".")) == 2
    os.mkdir(directory.top / "sub")
    (directory.top / "sub/a.container").write_text("[Container]\nImage=quay.io/x\nNetwork=front.network\n")
    assert len(directory.lint("sub")) == 1
    assert directory.lint("sub", search=[str(directory.top)]) == []


def test_drop_ins_and_several_in_one_file(directory: Directory) -> None:
    directory.write(
        web__container="[Container]\nImage=quay.io/x\n",
        all__quadlets="# FileName=a\n[Container]\nImage=quay.io/x\n---\n# FileName=b\n[Volume]\nCopy=ja\n",
    )
    os.mkdir(directory.top / "web.container.d")
    (directory.top / "web.container.d/10.conf").write_text("[Container]\nMemory=much\n")
    assert [one.partition(" ")[0] for one in directory.lint(".")] == ["all.quadlets:7:", "web.container.d/10.conf:2:"]
    assert [one.partition(" ")[0] for one in directory.lint("web.container")] == ["web.container.d/10.conf:2:"]
    assert [one.partition(" ")[0] for one in directory.lint("all.quadlets")] == ["all.quadlets:7:"]


def test_files_that_nobody_reads(directory: Directory, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "web.container").write_text("[Container]\nImage=quay.io/x\n")
    found = directory.lint("second", search=[str(tmp_path / "first")])
    assert found == []
    found = directory.lint("first", "second")
    assert found == [
        f"second/web.container: Warning: {tmp_path}/first/web.container has the same name and comes first;"
        " rename one of them"
    ]


def test_what_is_no_unit(directory: Directory) -> None:
    directory.write(a__txt="x")
    with pytest.raises(PodError, match=r'".txt" is not a supported Quadlet file type'):
        directory.lint("a.txt")
    with pytest.raises(PodError, match="no such file or directory"):
        directory.lint("none.container")
