"""`events`: a container's whole life in order, filters and formats, followers, two stores, backends."""

from __future__ import annotations

import calendar
import fcntl
import json
import os
import re
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually, rests

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4} \w+ container start [0-9a-f]{64} \(image=\S+, name=c, k=v\)"
)


def has_text(path: str, text: str) -> bool:
    return Path(path).read_text() == text


def statuses(box: Pod, *arguments: str) -> list[str]:
    return box.run("events", "--stream=false", "--format", "{{.Type}} {{.Status}}", *arguments).out.splitlines()


def test_whole_life_of_a_container_in_order(box: Pod, busybox: str) -> None:
    box.run("volume", "create", "v")
    identity = box.run("run", "-d", "--name", "c", "--label", "k=v", "-v", "v:/v", busybox, "sleep", "1000").out
    box.run("exec", "c", "sh", "-c", "exit 4", check=False)
    box.run("kill", "--signal", "WINCH", "c")
    box.run("stop", "-t", "0", "c")
    box.run("start", "c")
    box.run("rm", "-f", "-t", "0", "c")
    box.run("volume", "rm", "v")
    life = statuses(box, "--filter", "type=container", "--filter", "container=c")
    words = [line.split()[1] for line in life]
    run = ["init", "start"]
    assert words[:9] == ["create", *run, "exec", "exec_died", "kill", "died", "cleanup", "stop"]
    assert words[-1] == "remove"
    assert [word for word in words[9:] if word not in ("stop", "kill")] == [*run, "died", "cleanup", "remove"]
    assert statuses(box, "--filter", "volume=v") == ["volume create", "volume remove"]
    codes = box.run("events", "--stream=false", "-f", "event=die", "-f", "event=exec_died", "--format", "json").stdout
    told = [json.loads(line) for line in codes.splitlines()]
    assert [(one["Status"], one["ContainerExitCode"]) for one in told] == [
        ("exec_died", 4),
        ("died", 137),
        ("died", 137),
    ]
    assert {one["ID"] for one in told} == {identity}
    assert {one["Name"] for one in told} == {"c"}
    assert told[0]["Attributes"].keys() == {"k", "execID"}
    assert all(one["time"] == one["timeNano"] // 10**9 for one in told)


def test_two_who_remove_one_container_tell_of_it_once(box: Pod, busybox: str) -> None:
    identity = box.run("create", busybox, "true").out
    path = f"{box.runroot}/containers/{identity}.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    os.fchmod(lock, 0o666)
    fcntl.flock(lock, fcntl.LOCK_EX)
    quiet = subprocess.DEVNULL
    removers = [box.start("rm", identity, stdout=quiet, stderr=quiet) for _ in range(2)]
    eventually(lambda: all(path in open_files(remover.pid) for remover in removers))
    os.close(lock)
    assert [remover.wait(60) for remover in removers] == [0, 0]
    assert statuses(box, "--filter", "type=container") == ["container create", "container remove"]


def open_files(pid: int) -> list[str]:
    return [os.path.realpath(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]


def test_renamed_container_ends_under_its_new_name(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "old", busybox, "sleep", "1000")
    box.run("rename", "old", "new")
    box.run("exec", "new", "true")
    box.run("stop", "-t", "0", "new")
    told = box.run("events", "--stream=false", "--filter", "type=container", "--format", "{{.Name}} {{.Status}}")
    assert told.out.splitlines() == [
        *("old create", "old init", "old start", "new rename", "new exec", "new exec_died", "new died"),
        *("new cleanup", "new stop"),
    ]


def test_images_and_attached_runs(box: Pod, busybox: str) -> None:
    begun = time.time()
    box.run("tag", busybox, "localhost/other:1")
    box.run("untag", "localhost/other:1", "localhost/other:1", check=False)
    box.run("run", "--rm", "--name", "c", busybox, "true")
    told = statuses(box, "--since", f"{begun:.6f}")
    # The command tells that it has attached, the monitor of the end: the program may be the faster one.
    assert told.index("container start") < told.index("container attach")
    assert [event for event in told if event != "container attach"] == [
        "image tag",
        "image untag",
        *(f"container {word}" for word in ("create", "init", "start", "died", "cleanup", "remove")),
    ]
    assert statuses(box, "--since", f"{begun:.6f}", "--filter", "image=localhost/other:1") == told[:2]
    assert statuses(box, "--since", "1h", "--until", "-59m") == []


def test_formats(box: Pod, busybox: str) -> None:
    identity = box.run("create", "--name", "c", "--label", "k=v", busybox, "true").out
    box.run("start", "c")
    line = box.run("events", "--stream=false", "--filter", "event=start").out
    assert LINE.fullmatch(line), line
    short = box.run("system", "events", "--stream=false", "--no-trunc=false", "--filter", "event=start").out
    assert f" container start {identity[:12]} (image=" in short
    template = '{{.ID}} {{.Image}} {{.Name}} {{index .Attributes "k"}} {{.ContainerExitCode}}|{{.HealthStatus}}|'
    chosen = ["--filter", "label=k=v", "--filter", "event=create"]
    shown = box.run("events", "--until", "0s", *chosen, "--format", template)
    assert shown.out == f"{identity} {busybox} c v 0||"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--filter", "bogus=1"], "failed to parse event filters: bogus is an invalid filter"),
        (["--filter", "bogus"], 'failed to parse event filters: invalid filter "bogus"'),
        (["--since", "yesterday"], "unable to parse timestamp: 'yesterday'"),
        (["--until", "yesterday"], "unable to parse timestamp: 'yesterday'"),
        (["--format", "{{.Bogus"], "template"),
        (["word"], "takes no arguments"),
    ],
)
def test_senseless_words(pod: Pod, arguments: list[str], message: str) -> None:
    result = pod.run("events", *arguments, check=False)
    assert (result.code, message in result.stderr, result.stdout) == (125, True, "")


def test_two_followers_see_what_comes_and_only_that(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "before", busybox, "true")
    paths = [os.path.join(box.directory, name) for name in ("one", "two")]
    followers = []
    for path in paths:
        with open(path, "wb") as file:
            arguments = ["events", "--format", "{{.Name}} {{.Status}}", "--filter", "event=create"]
            followers.append(box.start(*arguments, stdout=file, stderr=subprocess.DEVNULL))
    eventually(lambda: all(rests(follower.pid) for follower in followers))
    box.run("create", "--name", "c", busybox, "true")
    box.run("create", "--name", "d", busybox, "true")
    for path in paths:
        eventually(partial(has_text, path, "c create\nd create\n"))
    for follower in followers:
        follower.terminate()
        follower.wait()


def test_stream_ends_when_nobody_reads_it(pod: Pod) -> None:
    pod.run("volume", "create", "v")
    process = pod.start("events", "--since", "1h", stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline().endswith(b" volume create v\n")
    process.stdout.close()
    process.wait(60)


def test_until_ends_the_stream(pod: Pod) -> None:
    begun = time.monotonic()
    pod.run("volume", "create", "v")
    assert pod.run("events", "--until", "1s", "--format", "{{.Name}}").out == "v"
    assert time.monotonic() - begun > 0.9


def test_history_is_bounded_by_containers_conf(pod: Pod) -> None:
    conf = os.path.join(pod.home, "containers.conf")
    with open(conf, "w") as file:
        file.write('[engine]\nevents_logfile_max_size = "500b"\n')
    for number in range(24):
        pod.run("volume", "create", f"v{number}", env={"CONTAINERS_CONF": conf})
    names = pod.run("events", "--stream=false", "--format", "{{.Name}}").out.split()
    assert names == [f"v{number}" for number in range(24 - len(names), 24)]
    assert 6 < len(names) < 20
    directory = os.path.join(pod.root, "events")
    assert sum(os.path.getsize(os.path.join(directory, name)) for name in os.listdir(directory)) < 1500


def test_stores_are_apart_and_half_a_line_is_harmless(pod: Pod) -> None:
    other = ["--root", os.path.join(pod.directory, "other"), "--runroot", os.path.join(pod.directory, "other-run")]
    pod.run("volume", "create", "mine")
    pod.run(*other, "volume", "create", "theirs")
    current = os.path.join(pod.root, "events", "current")
    with open(current, "ab") as file:
        file.write(b'{"Time":17957475')  # as a kill in the middle of a write leaves it
    pod.run("volume", "create", "later")
    assert pod.run("events", "--stream=false", "--format", "{{.Name}}").out.split() == ["mine", "later"]
    assert pod.run(*other, "events", "--stream=false", "--format", "{{.Name}}").out == "theirs"


def test_backends(pod: Pod) -> None:
    pod.run("--events-backend", "none", "volume", "create", "silent")
    pod.run("--events-backend", "file", "volume", "create", "told")
    assert pod.run("events", "--stream=false", "--format", "{{.Name}}").out == "told"
    none = pod.run("--events-backend", "none", "events", check=False)
    assert (none.code, 'cannot read events with the "none" backend' in none.stderr) == (125, True)
    bogus = pod.run("--events-backend", "bogus", "info", check=False)
    assert (bogus.code, '"bogus" is not a valid events backend: invalid argument' in bogus.stderr) == (125, True)
    gone = {"POD_JOURNAL_SOCKET": "/no/journal"}
    refused = pod.run("--events-backend", "journald", "volume", "create", "v", check=False, env=gone)
    assert (refused.code, "no support for journald logging" in refused.stderr) == (125, True)
    assert pod.run("volume", "exists", "v", check=False).code != 0
    conf = os.path.join(pod.home, "containers.conf")
    with open(conf, "w") as file:
        file.write('[engine]\nevents_logger = "journald"\n')
    pod.run("volume", "create", "fallen-back", env={**gone, "CONTAINERS_CONF": conf})
    assert pod.run("events", "--stream=false", "--format", "{{.Name}}").out.split() == ["told", "fallen-back"]


def test_the_time_of_an_event_in_a_template(box: Pod, busybox: str) -> None:
    box.run("create", busybox, "true")
    told = box.run("events", "--stream=false", "--filter", "event=create", "--format", "{{.TimeNano}} {{.Time}}").out
    nanoseconds, date, clock, zone, name = told.splitlines()[-1].split()
    assert (zone, name) == ("+0000", "UTC")
    seconds = calendar.timegm(time.strptime(f"{date} {clock[:8]}", "%Y-%m-%d %H:%M:%S"))
    assert seconds * 10**9 + int(clock[9:].ljust(9, "0")) == int(nanoseconds)


@pytest.mark.parametrize("words", [["stop"], ["restart", "-t0"], ["rm", "-f"], ["container", "cleanup"], ["start"]])
def test_the_end_that_a_killed_monitor_did_not_tell_is_told_once(box: Pod, busybox: str, words: list[str]) -> None:
    identity = box.run("run", "-d", "--name", "c", busybox, "sleep", "1000").out
    monitor, pid = box.run("inspect", "-f", "{{.State.ConmonPid}} {{.State.Pid}}", "c").out.split()
    os.kill(int(monitor), signal.SIGKILL)
    try:
        os.kill(int(pid), signal.SIGKILL)
    except ProcessLookupError:
        pass  # it had to go with its monitor
    eventually(lambda: box.run("ps", "-q").out == "")
    box.run(*words, "c")
    for after in (["stop", "-t0", "-i", "c"], ["container", "prune", "-f"]):
        box.run(*after)
    died = ["events", "--stream=false", "--filter", "event=died", "--format", "{{.ID}} {{.ContainerExitCode}}"]
    told = box.run(*died).out.splitlines()
    again = [f"{identity} 137"] if words[0] in ("restart", "start") else []
    assert told == [f"{identity} 255", *again]
