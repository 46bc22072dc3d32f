"""Debian 13's quadlet generator beside ours: the same files, and what they become is the same.

The order of flags is left out: podman's is another each time. So are `--cidfile`, by which podman 5 finds what it is to
remove (podman 6 and we go by the name), and quotes that mean the same.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter

import pytest

from pod.quadlet.quoting import split_words
from pod.quadlet.unitfile import UnitFile, parse
from tests.fixtures import newer_podman
from tests.fixtures.command import SOURCE
from tests.unit.pod.quadlet.test_container import ROWS as CONTAINER
from tests.unit.pod.quadlet.test_other_kinds import LEAST, OTHERS
from tests.unit.pod.quadlet.test_other_kinds import ROWS as OTHER_KINDS
from tests.unit.pod.quadlet.test_pod import ROWS as POD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

PODMAN = "/usr/bin/podman"
START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'pod-quadlet';"
    "from pod.quadlet.__main__ import main; main()"
)
# Lines that podman 5.4 takes for something else than podman 6 and we, and why.
DIFFERENT = {
    "Entrypoint=": "left out if it is empty",
    "Entrypoint=/bin/sh": "two words",
    'Environment=A=1 "B=two words" C': "left out if it has no value",
    "BuildArg=A": "not known",
    "Yaml=more.yaml": "the last counts",
    "Device=/srv\nType=bind": "does not wait for the directory",
    "User=daemon": "a number or 0",
    "Options=ro,noatime": "refused without Device=",
    "User=3\nGroup=4\nOptions=ro": "refused without Device=",
    "SetWorkingDirectory=\nFile=%h/Containerfile": "refused",
    "Mount=source=data,dst=/d": "refused without type=",
}
# Keys that are newer.
NEWER = set(
    """AppArmor BuildArg ExitPolicy GID HostName HttpProxy IgnoreFile InterfaceName Label Memory NetworkDeleteOnStop
    Policy Retry RetryDelay UID""".split()
)
WHOLE = {
    "plain.container": "[Unit]\nDescription=It\n[Container]\nImage=localhost/x\n[Install]\nWantedBy=a.target\n",
    "merged.container": "[Container]\nImage=localhost/x\nEnvironment=A=1\n",
    "merged.container.d/10-b.conf": "[Container]\nEnvironment=B=2\n[Service]\nRestart=always\n",
    "merged.container.d/20-c.conf": "[Container]\nEnvironment=\nEnvironment=C=3\n",
    "container.d/15-all.conf": "[Unit]\nBefore=shutdown.target\n",
    "many@.container": "[Container]\nImage=localhost/x\nExec=a %i\n[Install]\nWantedBy=a.target\nDefaultInstance=one\n",
    "many@two.container": "[Container]\nImage=localhost/x\n[Install]\nRequiredBy=a.target b.target\n",
    "task.container": "[Container]\nImage=localhost/x\n[Service]\nType=oneshot\nRemainAfterExit=yes\n",
    "member.container": "[Container]\nImage=localhost/x\nPod=group.pod\nVolume=data.volume:/d\nNetwork=front.network\n",
    "group.pod": "[Pod]\nPublishPort=80:80\nVolume=data.volume:/d\nNetwork=front.network\n[Install]\nAlias=a.service\n",
    "later.container": "[Unit]\nAfter=x.service y.target\nAfter=z.mount\n[Container]\nImage=base.image\n",
    "long.container": '[Container]\nImage=localhost/x\n# why\nExec=a \\\n  "it\'s \\\n  long" \\\n# and more\n  end\n',
    "alone.container": "[Container]\nRootfs=/srv\nContainerName=mine\n[Quadlet]\nDefaultDependencies=no\n[X-O]\nA=b\n",
    "after.container": "[Unit]\nAfter=\nAfter=x.service\n[Container]\nImage=own.build\nNetwork=web.container\n",
}


def _rows() -> list[tuple[str, str]]:
    """Return kind and lines of each row of the tables of keys."""
    rows = [("container", row[0].replace(" \\n ", "\n")) for row in CONTAINER]
    rows += [("pod", row[0].replace(" \\n ", "\n")) for row in POD]
    return rows + [(kind, lines) for kind, of_kind in OTHER_KINDS.items() if kind != "artifact" for lines, _ in of_kind]


def _file(kind: str, lines: str) -> str:
    said = {line.partition("=")[0] for line in lines.splitlines()} & {"Image", "SetWorkingDirectory"}
    least = {**LEAST, "container": "Image=localhost/x", "pod": ""}[kind].splitlines()
    kept = [line for line in least if line.partition("=")[0] not in said]
    return "\n".join([f"[{kind.capitalize()}]", *kept, lines, ""])


def _files() -> dict[str, str]:
    files = {**OTHERS, **WHOLE}
    for number, (kind, lines) in enumerate(_rows()):
        if lines not in DIFFERENT:
            lines = lines.replace("ServiceName=other", f"ServiceName=other{number}")
            files[f"x{number}.{kind}"] = _file(kind, lines.replace("ContainerName=web", "ContainerName=other"))
    return files


FILES = _files()


class Generated:
    """What a generator made of the files below a directory."""

    def __init__(self, files: Path, out: Path, command: list[str], *, user: bool, program: str = PODMAN) -> None:
        environment = {"QUADLET_UNIT_DIRS": str(files), "PODMAN": program, "PATH": "/usr/bin:/bin"}
        words = [*command, *(["--user"] if user else []), "--no-kmsg-log", str(out)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1), done.stderr
        self.errors = done.stderr
        self.services: dict[str, UnitFile] = {}
        self.links: dict[str, str] = {}
        for parent, directories, names in os.walk(out):
            for name in (*directories, *names):
                path = os.path.join(parent, name)
                where = os.path.relpath(path, out)
                if os.path.islink(path):
                    self.links[where] = os.readlink(path)
                elif os.path.isfile(path):
                    with open(path) as file:
                        self.services[where] = parse(file.read(), path)


def _comparable(service: UnitFile) -> dict[str, Counter[str]]:
    """Return what a service says, of each section, without what the module's docstring leaves out."""
    found: dict[str, Counter[str]] = {}
    for name in service.sections:
        lines = found.setdefault(name, Counter())
        for entry in service.keys(name):
            is_command = name == "Service" and entry.key.startswith("Exec")
            lines[f"{entry.key}={_command(entry.value) if is_command else entry.value}"] += 1
    for unit in ("Unit", "X-Unit"):
        paths = found.get(unit, Counter())
        for line in [line for line in paths if line.startswith('RequiresMountsFor="')]:
            paths[line.replace('"', "")] += paths.pop(line)  # podman 5 does not quote
    return found


def _command(line: str) -> str:
    """Return a command line whose order does not count, without how pods and containers are found."""
    words = [word for word in split_words(line) if not word.startswith(("--cidfile=%t/", "--pod-id-file=%t/"))]
    if "rm" in words and "-i" in words:
        words = words[: words.index("-i") + 1]
    if "pod" in words and words[words.index("pod") + 1] != "create":
        words = [word for word in words if word.startswith("-")] + ["pod", words[words.index("pod") + 1]]
    for flag in ("--pod", "--pod-id-file"):
        if flag in words:
            words[words.index(flag) : words.index(flag) + 2] = ["--pod"]
    return " ".join(sorted(" ".join(words).replace("--exit-policy=stop", "--exit-policy stop").split(" ")))


@pytest.fixture(scope="module", params=["system", "user"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Generated, Generated]:
    """What podman's generator and ours make of the files, for the system and for a user."""
    program = f"{newer_podman.tree()}/usr/libexec/podman/quadlet"
    place = tmp_path_factory.mktemp("quadlet")
    for name, text in FILES.items():
        (place / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "files" / name).write_text(text)
    user = request.param == "user"
    both = []
    for number, command in enumerate(([program], [sys.executable, "-I", "-S", "-c", START, SOURCE])):
        both.append(Generated(place / "files", place / str(number), command, user=user))
    return both[0], both[1]


def test_the_same_files_become_services(made: tuple[Generated, Generated]) -> None:
    podman, pod = made
    refused = re.findall(r"unsupported key '(\w+)'", podman.errors)
    assert set(refused) <= NEWER
    assert len(podman.errors.splitlines()) == len(refused) + podman.errors.count("Warning:"), podman.errors
    assert "Warning" not in re.sub(r".* is not a fully qualified image name;.*", "", pod.errors), pod.errors
    assert podman.services.keys() <= pod.services.keys()
    assert len(pod.services) - len(podman.services) == len(refused)
    assert podman.links == pod.links


def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for name, text in FILES.items():
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_text(text)
    command = [sys.executable, "-I", "-S", "-c", START, SOURCE]
    made = Generated(tmp_path / "files", tmp_path / "out", command, user=False, program="/bin/true")
    paths = [f"{tmp_path}/out/{name}" for name in made.services if "@" not in name]
    assert len(paths) > 250
    environment = {"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}/out:"}
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *paths]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_services_say_the_same(made: tuple[Generated, Generated]) -> None:
    podman, pod = made
    differences = []
    for name, theirs in podman.services.items():
        before, after = _comparable(theirs), _comparable(pod.services[name])
        if before != after:
            differences.append(f"{name}: podman {before} pod {after}")
    assert not differences, "\n".join(differences)
    assert len(podman.services) > 200
