"""`pod quadlet install|list|print|rm|lint` as a user types them, with a played systemd and without any."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import faults
from tests.fixtures.command import SOURCE, Pod, Result
from tests.fixtures.services import Services, served, variables

CONTAINER = "[Container]\nImage=quay.io/web\n"
WITHOUT = "--reload-systemd=false"


class Units:
    """The command, with a directory of units and one for files that are installed."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.directory = f"{pod.home}/units"
        self.source = f"{pod.home}/source"
        self.environment = {
            "QUADLET_UNIT_DIRS": self.directory,
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={pod.home}/none",
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={pod.home}/none",
        }
        os.mkdir(self.source)
        os.chmod(self.source, 0o755)

    def __call__(self, *words: str, check: bool = True) -> Result:
        return self.pod.run("quadlet", *words, check=check, env=self.environment)

    def write(self, name: str, text: str = CONTAINER) -> str:
        path = f"{self.source}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path

    def files(self) -> list[str]:
        found = []
        for top, _, names in os.walk(self.directory):
            found += [os.path.relpath(os.path.join(top, name), self.directory) for name in names]
        return sorted(found)


@pytest.fixture
def units(pod: Pod) -> Units:
    return Units(pod)


@pytest.fixture
def systemd(units: Units) -> Iterator[Services]:
    with served(units.pod.home) as made:
        units.environment.update(variables(made))
        yield made


def asked(systemd: Services) -> list[str]:
    return [member for member, _ in systemd.calls if member in ("Reload", "StopUnit")]


def test_the_life_of_a_unit(units: Units, systemd: Services) -> None:
    path = units.write("web.container", CONTAINER + "# a note\nPod=front.pod\n")
    found = units("install", path)
    assert found.stdout == f"{units.directory}/web.container\n"
    assert "web.container:4: Warning: front.pod is not there yet" in found.stderr
    assert asked(systemd) == ["Reload"]
    systemd.states["web.service"] = "active"
    lines = units("list").stdout.splitlines()
    assert lines[0].split() == "NAME UNIT NAME PATH ON DISK STATUS APPLICATION POD".split()
    row = ["web.container", "web.service", f"{units.directory}/web.container", "active/running", "front.pod"]
    assert lines[1].split() == row
    assert units("list", "--noheading").stdout.split() == row
    assert (
        units("ls", "-n", "--format", "{{.Name}} {{.UnitName}} {{.Pod}}").out == "web.container web.service front.pod"
    )
    (row_of_json,) = json.loads(units("list", "--format", "json").stdout)
    assert row_of_json == dict(zip(("Name", "UnitName", "Path", "Status", "Pod"), row, strict=True)) | {"App": ""}
    for chosen in ("name=web*", "status=active/running", "pod=front"):
        assert units("list", "-n", "--filter", chosen, "--format", "{{.Name}}").out == "web.container"
    assert units("list", "-n", "-f", "status=failed/failed").out == ""
    for verb in ("print", "cat"):
        with open(path) as file:
            assert units(verb, "web.container").stdout == file.read()
    failed = units("rm", "web.container", check=False)
    assert failed.code == 125
    assert "quadlet web.container is running and force is not set, refusing to remove" in failed.stderr
    assert units("rm", "--force", "web.container").out == "web.container"
    assert (systemd.states["web.service"], units.files()) == ("inactive", [])
    assert asked(systemd) == ["Reload", "Reload", "StopUnit", "Reload"]
    assert units("list", "-n").out == ""


def test_a_service_that_does_not_stop(units: Units, systemd: Services) -> None:
    units("install", units.write("web.container"))
    systemd.states["web.service"] = "active"
    systemd.on_StopUnit = lambda call: systemd.job(call, "web.service", "timeout")  # type: ignore[method-assign]
    failed = units("rm", "-f", "web.container", check=False)
    assert (failed.code, units.files()) == (125, ["web.container"])
    assert "unable to stop web.service: timeout" in failed.stderr


def test_an_application(units: Units, systemd: Services) -> None:
    units.write("app/web.container", CONTAINER + "Volume=data.volume:/data\nVolume=./conf:/conf\n")
    units.write("app/data.volume", "[Volume]\n")
    units.write("app/conf/web.conf", "x")
    installed = units("install", f"{units.source}/app").stdout.splitlines()
    expected = ["app/conf/web.conf", "app/data.volume", "app/web.container"]
    assert sorted(installed) == [f"{units.directory}/{name}" for name in expected]
    rows = json.loads(units("list", "--format", "json").stdout)
    assert {(row["Name"], row["App"]) for row in rows} == {("data.volume", ".app.app"), ("web.container", ".app.app")}
    os.unlink(f"{units.source}/app/data.volume")
    units.write("app/web.container")
    refused = units("install", f"{units.source}/app", check=False)
    assert "already exists, refusing to overwrite" in refused.stderr
    assert units.files() == ["app/.app.app", *expected]
    units("install", "--replace", f"{units.source}/app")
    assert units.files() == ["app/.app.app", "app/conf/web.conf", "app/web.container"]
    systemd.states["web.service"] = "active"
    assert units("rm", "app", check=False).code == 125
    systemd.states["web.service"] = "inactive"
    assert units("rm", "app").out == "web.container"
    assert os.listdir(units.directory) == []


def test_all_and_ignore(units: Units, systemd: Services) -> None:
    texts = [f"# FileName=u{number}\n[Volume]\n" for number in range(3)]
    units("install", units.write("many.quadlets", "---\n".join(texts)))
    units("install", units.write("web.container"))
    missing = units("rm", "none.container", check=False)
    assert missing.code == 125
    assert 'could not locate quadlet "none.container" in any supported quadlet directory' in missing.stderr
    assert units("rm", "--ignore", "none.container").out == "none.container"
    assert units("rm", check=False).stderr.startswith("Error: at least one quadlet file must be selected")
    assert sorted(units("rm", "--all").out.split()) == ["u0.volume", "u1.volume", "u2.volume", "web.container"]
    assert units.files() == []


def test_without_systemd(units: Units) -> None:
    path = units.write("web.container")
    refused = units("install", path, check=False)
    assert (refused.code, units.files()) == (125, [])
    assert "Error: connecting to systemd: " in refused.stderr
    assert WITHOUT in refused.stderr
    units("install", WITHOUT, path)
    found = units("list", "-n", "--format", "{{.Name}} {{.Status}}")
    assert found.out == "web.container Not loaded"
    assert "the states of services are not known" in found.stderr
    assert units("rm", "web.container", check=False).code == 125
    assert units("rm", WITHOUT, "web.container").out == "web.container"
    assert units.files() == []


def test_a_reload_that_fails(units: Units, systemd: Services) -> None:
    systemd.errors["Reload"] = "org.freedesktop.DBus.Error.AccessDenied"
    failed = units("install", units.write("web.container"), check=False)
    assert failed.code == 125
    assert failed.out == f"{units.directory}/web.container"
    assert "reloading systemd" in failed.stderr
    assert "systemctl" in failed.stderr


@pytest.fixture
def web(units: Units) -> Iterator[str]:
    """The address of a server that has the files of the source."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=units.source)  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_addresses(units: Units, web: str) -> None:
    units.write("web.container")
    units.write("conf.txt", "x")
    units.write("two.quadlets", "# FileName=a\n[Volume]\n---\n# FileName=b\n[Network]\n")
    units.write("page.container", "<!DOCTYPE html><p>")
    assert units("install", WITHOUT, f"{web}/web.container").out == f"{units.directory}/web.container"
    units("install", WITHOUT, f"{web}/two.quadlets", f"{web}/conf.txt")
    expected = ["two/.two.app", "two/a.volume", "two/b.network", "two/conf.txt", "web.container"]
    assert units.files() == expected
    for name, message in (("none.container", "404"), ("page.container", "it is a page of the web, not a unit")):
        failed = units("install", WITHOUT, f"{web}/{name}", check=False)
        assert (failed.code, units.files()) == (125, expected)
        assert message in failed.stderr


def test_what_is_wrong_is_refused_with_its_lines(units: Units) -> None:
    units.write("app/web.container", CONTAINER + "PublishPrt=80:80\n")
    units.write("app/good.volume", "[Volume]\n")
    failed = units("install", WITHOUT, f"{units.source}/app", check=False)
    assert failed.code == 125
    message = f"{units.source}/app/web.container:3: unsupported key 'PublishPrt' in group 'Container'; did you mean"
    assert message in failed.stderr
    assert units.files() == []
    assert os.listdir(units.directory) == []


def test_completion(units: Units) -> None:
    units("install", WITHOUT, units.write("web.container"), units.write("data.volume", "[Volume]\n"))

    def proposed(*words: str) -> set[str]:
        lines = units.pod.run("__complete", *words, env=units.environment).stdout.splitlines()
        return {line.partition("\t")[0] for line in lines}

    assert {"install", "lint", "list", "print", "rm"} <= proposed("quadlet", "")
    assert {"web.container", "data.volume"} <= proposed("quadlet", "rm", "")
    assert "web.container" in proposed("quadlet", "print", "we")
    assert {"name=", "pod=", "status="} <= proposed("quadlet", "list", "--filter", "")
    assert "status=Not loaded" in proposed("quadlet", "list", "--filter", "status=")
    assert "name=web.container" in proposed("quadlet", "list", "--filter", "name=")
    assert {"--replace", "--reload-systemd"} <= proposed("quadlet", "install", "--")


def test_lint(units: Units) -> None:
    good = units.write("good.container")
    wrong = units.write("wrong.container", "[Container]\nImag=x\nMemory=much\nPodmanArgs=--memori 1g\n[Unt]\nA=b\n")
    assert units("lint", good).stdout == ""
    found = units("lint", wrong, check=False)
    assert (found.code, found.stderr) == (1, "")
    lines = [line.removeprefix(f"{wrong}:") for line in found.stdout.splitlines()]
    for line in (
        "2: unsupported key 'Imag' in group 'Container'; did you mean 'Image'?",
        "3: Memory: invalid size: 'much'; write a number and one of b, k, m, g: 512m",
    ):
        assert line in lines
    assert any("did you mean [Unit]?" in line for line in lines)
    assert units("lint", units.source, check=False).stdout == found.stdout
    units("install", WITHOUT, good)
    assert units("lint").code == 0
    with open(f"{units.directory}/late.volume", "w") as file:
        file.write("[Volume]\nCpy=true\n")
    found = units("lint", check=False)
    assert (
        found.stdout
        == f"{units.directory}/late.volume:2: unsupported key 'Cpy' in group 'Volume'; did you mean 'Copy'?\n"
    )
    assert units("lint", "/nowhere", check=False).code == 125


def test_the_directory_of_root_and_of_a_user(units: Units) -> None:
    """Without $QUADLET_UNIT_DIRS; root's is the machine's own, and only looked at."""
    del units.environment["QUADLET_UNIT_DIRS"]
    if not units.pod.rootless:
        assert units("list").stdout.startswith("NAME")
        return
    path = units.write("web.container")
    assert units("install", WITHOUT, path).out == f"{units.pod.home}/.config/containers/systemd/web.container"
    units.environment["XDG_CONFIG_HOME"] = f"{units.pod.home}/else"
    assert units("install", WITHOUT, path).out == f"{units.pod.home}/else/containers/systemd/web.container"
    assert units("rm", WITHOUT, "--all").out == "web.container"


@pytest.mark.skipif(not faults.SUPPORTED, reason="the tracer knows the registers of x86-64 only")
@pytest.mark.slow
def test_faults_at_every_step(tmp_path: Path) -> None:
    """What is killed, or refused by the disk, at any step leaves the old or the new, whole, and nothing that stays."""
    words = [sys.executable, "-m", "tests.fixtures.quadlet_faults", str(tmp_path)]
    ended = subprocess.run(words, cwd=SOURCE, check=True, capture_output=True, text=True, timeout=300)
    found = json.loads(ended.stdout)
    assert not found["wrong"], "\n".join(found["wrong"])
    assert found["struck"] > 100


def test_two_at_once(units: Units) -> None:
    """Of commands that install the same name one wins, and the others say so."""
    path = units.write("web.container")
    running = [units.pod.start("quadlet", "install", WITHOUT, path, env=units.environment) for _ in range(5)]
    results = [process.communicate()[1].decode() for process in running]
    assert sorted(process.returncode for process in running) == [0, 125, 125, 125, 125]
    assert sum("already exists, refusing to overwrite" in text for text in results) == 4
    assert os.listdir(units.directory) == ["web.container"]
