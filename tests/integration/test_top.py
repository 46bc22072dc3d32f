"""`top`: the processes of a container, by podman's descriptors and by ps(1) inside of it."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually, rests


def rows(box: Pod, *words: str) -> list[list[str]]:
    return [line.split() for line in box.run("top", *words).out.splitlines()]


def test_default_columns(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", "--user", "7:8", busybox, "sh", "-c", "sleep 100 & sleep 101 & wait")
    eventually(lambda: len(rows(box, "c", "args")) == 4 and "sh" not in [row[0] for row in rows(box, "c", "args")[2:]])
    titles, *found = rows(box, "c")
    assert titles == ["USER", "PID", "PPID", "%CPU", "ELAPSED", "TTY", "TIME", "COMMAND"]
    assert found[0][:3] == ["7", "1", "0"]
    assert sorted(" ".join(row[7:]) for row in found[1:]) == ["sleep 100", "sleep 101"]
    assert {row[2] for row in found[1:]} == {"1"}
    assert all(row[4].endswith("s") and row[5] == "?" for row in found)
    assert rows(box, "--latest", "pid")[0] == ["PID"]
    assert rows(box, "-l", "%p,comm")[:2] == [["PID", "COMMAND"], ["1", "sh"]]
    assert box.run("container", "top", "c", "pid").out.split()[:2] == ["PID", "1"]


def test_descriptors(box: Pod, busybox: str) -> None:
    options = ["--cap-drop", "ALL", "--cap-add", "CHOWN,KILL", "--group-add", "9"]
    box.run("run", "-d", "-t", "--name", "c", *options, busybox, "sleep", "100")
    pid = json.loads(box.run("inspect", "c").out)[0]["State"]["Pid"]
    eventually(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n" and rests(pid))
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    told = dict(
        zip(*rows(box, "c", "hpid", "huser", "seccomp", "state", "nice", "vsz", "rss", "tty", "pgid"), strict=True)
    )
    owner = pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name
    assert (told["HPID"], told["HUSER"], told["SECCOMP"], told["STATE"]) == (str(pid), owner, "filter", "S")
    nice = str(os.getpriority(os.PRIO_PROCESS, 0))  # that of who ran the command
    assert (told["NI"], told["VSZ"], told["TTY"], told["PGID"]) == (nice, status["VmSize"].split()[0], "pts/0", "1")
    assert int(told["RSS"]) > 0
    names = ["capeff", "capprm", "capbnd", "capinh", "capamb"]
    lines = box.run("top", "c", *names).out.splitlines()
    assert lines[1].split() == ["CHOWN,KILL"] * 3 + ["none"] * 2
    assert lines[0].split() == "EFFECTIVE CAPS PERMITTED CAPS BOUNDING CAPS INHERITED CAPS AMBIENT CAPS".split()
    assert rows(box, "c", "user", "ruser", "group", "rgroup")[1] == ["root"] * 4
    assert "9" in rows(box, "c", "groups")[1][0].split(",") or "man" in rows(box, "c", "groups")[1][0]
    assert rows(box, "c", "hgroup", "label", "time", "comm")[1][3] == "sleep"
    assert len(rows(box, "c", "hgroups", "etime", "stime", "pcpu", "args", "ppid")) == 2


def test_list_of_descriptors(box: Pod) -> None:
    known = box.run("top", "--list-descriptors").out.split()
    assert len(known) == 30
    assert {"pid", "huser", "capeff", "stime", "rss"} <= set(known)


def test_options_of_ps_are_for_ps_inside(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sleep", "100")
    assert ["1", "sleep", "100"] in rows(box, "c", "-o", "pid,args")
    assert rows(box, "c", "aux")[0][0] in ("PID", "USER")
    assert ["1", "sleep", "100"] in rows(box, "c", "--", "-o", "pid,args")


def test_mistakes(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox)
    for words, message in (
        ((), "you must provide the name or id of a running container"),
        (("nope",), 'unable to look up requested container: no container with name or ID "nope" found'),
        (("c",), "top can only be used on running containers"),
        (("c", "aux"), "top can only be used on running containers"),
    ):
        done = box.run("top", *words, check=False)
        assert (done.code, message in done.stderr) == (125, True), done.stderr


def test_a_hostile_container_moves_no_cursor(box: Pod, busybox: str) -> None:
    """Neither by its passwd nor by what a process calls itself."""
    script = "printf 'ev\\033[2Jil:x:0:0::/:/bin/sh\\n' >/etc/passwd; ln -sf /etc/shadow /etc/group; exec sleep 100"
    box.run("run", "-d", "--name", "c", busybox, "sh", "-c", script)
    eventually(lambda: "sleep" in box.run("top", "c", "comm").out)
    shown = box.run("top", "c", "user", "group", "args").stdout
    assert "\033" not in shown
    box.run("exec", "-d", "c", "sh", "-c", "printf 'x\\033[2J' >/proc/self/comm; sleep 50; :")
    assert "\033" not in box.run("top", "c", "comm", "args").stdout


@pytest.mark.parametrize("mode", ["rootless"], indirect=True)
def test_users_of_a_namespace_of_its_own(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", "--userns", "keep-id", busybox, "sleep", "100")
    row = rows(box, "c", "user", "huser")[1]
    assert row[1] == box.user.name
    assert row[0] in (box.user.name, str(box.user.uid))
    box.run("run", "-d", "--name", "d", "--user", "5", busybox, "sleep", "100")
    user, host = rows(box, "d", "user", "huser")[1]
    assert (user, host.isdigit() and int(host) > 1000) == ("5", True)
