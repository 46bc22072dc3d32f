"""Log drivers, rotation, full disks; `logs` of one and of several containers, also while they run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.command import Pod, Result
from tests.fixtures.monitor import eventually, rests

# Long tests write this many lines.
LINES = int(os.environ.get("POD_TEST_LOG_LINES", "60000"))


def log_config(box: Pod, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(box.run("inspect", "--format", "{{json .HostConfig.LogConfig}}", name).stdout)
    return found


def numbers(count: int) -> str:
    return "".join(f"{number}\n" for number in range(1, count + 1))


def follow_to_file(box: Pod, path: str, *arguments: str) -> subprocess.Popen[bytes]:
    with open(path, "wb") as file:
        return box.start("logs", "-f", *arguments, stdout=file, stderr=subprocess.DEVNULL)


def test_rotation_loses_no_line_and_a_follower_goes_on_across_it(box: Pod, busybox: str) -> None:
    options = ["--log-driver", "json-file", "--log-opt", "max-size=200kb", "--log-opt", "max-file=500"]
    script = f"echo 0; until test -e /tmp/go; do sleep 0.05; done; seq 1 {LINES}"
    box.run("run", "-d", "--name", "c", *options, busybox, "sh", "-c", script)
    followed = [Path(box.directory, name) for name in ("followed", "tail-followed")]
    followers = [follow_to_file(box, str(followed[0]), "c"), follow_to_file(box, str(followed[1]), "--tail", "5", "c")]
    eventually(lambda: all(path.read_text() == "0\n" for path in followed))
    box.run("exec", "c", "touch", "/tmp/go")
    for follower in followers:
        assert follower.wait(60) == 0
    assert [path.read_text() == "0\n" + numbers(LINES) for path in followed] == [True, True]
    assert box.run("logs", "c").stdout == "0\n" + numbers(LINES)
    assert box.run("logs", "--tail", "9000", "c").stdout == "".join(numbers(LINES).splitlines(True)[-9000:])
    path = str(log_config(box, "c")["Path"])
    files = [name for name in os.listdir(os.path.dirname(path)) if name.startswith("ctr.log")]
    assert len(files) > 5
    assert all(os.path.getsize(os.path.join(os.path.dirname(path), name)) <= 200_000 for name in files)


def test_only_so_many_files_are_kept(box: Pod, busybox: str) -> None:
    options = ["--log-opt", "max-size=20k", "--log-opt", "max-file=2"]
    box.run("run", "--name", "c", *options, busybox, "seq", "1", "5000")
    config = log_config(box, "c")
    assert (config["Type"], config["Size"], config["Config"]) == ("k8s-file", "20kB", {"max-file": "2"})
    path = str(config["Path"])
    assert sorted(name for name in os.listdir(os.path.dirname(path)) if "log" in name) == ["ctr.log", "ctr.log.1"]
    lines = box.run("logs", "c").stdout.splitlines()[1:]  # the first may be the end of one that is gone
    assert lines == [str(number) for number in range(5001 - len(lines), 5001)]
    assert 300 < len(lines) < 1000


def test_rotation_is_on_by_default_and_can_be_refused(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "default", busybox, "true")
    assert (log_config(box, "default")["Size"], log_config(box, "default")["Config"]) == ("10MB", {"max-file": "3"})
    box.run("create", "--name", "never", "--log-opt", "max-size=0", busybox, "true")
    assert (log_config(box, "never")["Size"], log_config(box, "never")["Config"]) == ("0B", None)
    conf = os.path.join(box.home, "containers.conf")
    with open(conf, "w") as file:
        file.write('[containers]\nlog_driver = "none"\nlog_size_max = 123000\n')
    box.run("create", "--name", "conf", busybox, "true", env={"CONTAINERS_CONF": conf})
    assert log_config(box, "conf")["Type"] == "none"
    box.run("create", "--name", "said", "--log-driver", "k8s-file", busybox, "true", env={"CONTAINERS_CONF": conf})
    assert log_config(box, "said")["Size"] == "123kB"


def test_log_in_a_file_of_the_users_choice(box: Pod, busybox: str) -> None:
    path = os.path.join(box.home, "my.log")
    box.run("run", "--name", "c", "--log-opt", f"path={path}", busybox, "echo", "here")
    assert log_config(box, "c")["Path"] == path
    with open(path) as file:
        assert file.read().endswith(" stdout F here\n")
    assert box.run("logs", "c").stdout == "here\n"
    missing = box.run("run", "--log-opt", "path=/no/such/log", busybox, "true", check=False)
    assert missing.code == 126  # the container was there, and could not be started
    assert "failed to open log file /no/such/log: no such file or directory" in missing.stderr


@pytest.mark.parametrize("driver", ["none", "passthrough"])
def test_drivers_without_a_log(box: Pod, busybox: str, driver: str) -> None:
    script = "cat; echo out; echo err >&2; exit 3"
    result = box.run(
        "run", "-i", "--name", "c", "--log-driver", driver, busybox, "sh", "-c", script, input="in\n", check=False
    )
    assert result == Result(3, "in\nout\n", "err\n")
    logs = box.run("logs", "c", check=False)
    assert logs.code == 125
    assert f"this container is using the '{driver}' log driver, cannot read logs" in logs.stderr


def test_passthrough_gives_away_the_commands_streams_but_no_terminal(box: Pod, busybox: str) -> None:
    path = os.path.join(box.directory, "out")
    with open(path, "wb") as file:
        box.start(
            "run",
            "-d",
            "--name",
            "c",
            "--log-driver",
            "passthrough",
            busybox,
            "readlink",
            "/proc/self/fd/1",
            stdout=file,
            stderr=subprocess.DEVNULL,
        ).wait(60)
    eventually(lambda: path in Path(path).read_text())
    assert "cannot attach" in box.run("attach", "c", check=False).stderr or not box.run("ps", "-q").out
    refused = box.run("run", "-t", "--log-driver", "passthrough-tty", busybox, "true", check=False)
    assert (refused.code, "cannot be used together with --tty" in refused.stderr) == (125, True)
    terminal = box.spawn("run", "--rm", "--log-driver", "passthrough", busybox, "true")
    terminal.expect("cannot be used on a TTY")
    terminal = box.spawn(
        "run", "--rm", "--log-driver", "passthrough-tty", busybox, "sh", "-c", "test -t 1 && echo a terminal"
    )
    terminal.expect("a terminal")
    terminal.wait()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("max-size", 'invalid log option "max-size"'),
        ("max-size=much", "invalid size: 'much'"),
        ("max-size=-5", "invalid size: '-5'"),
        ("max-file=0", "invalid max-file: '0'"),
        ("max-file=many", "invalid max-file: 'many'"),
        ("tag=x", "the log driver k8s-file doesn't support the option tag"),
        ("label=lower=x", 'invalid log label "lower=x"'),
    ],
)
def test_senseless_log_options(box: Pod, busybox: str, option: str, message: str) -> None:
    result = box.run("create", "--log-opt", option, busybox, "true", check=False)
    assert (result.code, message in result.stderr) == (125, True), result
    assert box.run("ps", "-aq").out == ""


def test_option_without_effect_is_told(box: Pod, busybox: str) -> None:
    result = box.run("create", "--log-opt", "compress=true", busybox, "true")
    assert "warning: the log option compress is not known here and has no effect" in result.stderr


def test_several_logs_are_one_by_time(box: Pod, busybox: str) -> None:
    ids = {}
    for name, words in (("a", "a1 a2"), ("b", "b1 b2")):
        script = f"for word in {words}; do echo $word; sleep 0.4; done"
        ids[name] = box.run("run", "-d", "--name", name, busybox, "sh", "-c", script).out
        eventually(lambda name=name: box.run("logs", name).stdout)  # type: ignore[misc]
    followed = box.run("logs", "-f", "--names", "a", "b").stdout.splitlines()
    assert sorted(followed) == ["a a1", "a a2", "b b1", "b b2"]
    assert followed.index("a a1") < followed.index("a a2")
    by_time = box.run("logs", "a", "b").stdout.splitlines()
    stamped = box.run("logs", "-t", "-n", "a", "b").stdout.splitlines()
    assert sorted(by_time) == sorted(f"{ids[word[0]][:12]} {word}" for word in ("a1", "b1", "a2", "b2"))
    assert [line.split()[1] for line in stamped] == sorted(line.split()[1] for line in stamped)
    assert stamped[0].split()[1].endswith("Z")
    assert box.run("logs", "--tail", "1", "-n", "a", "b").stdout.splitlines() == [
        line for line in (stamped and box.run("logs", "-n", "a", "b").stdout.splitlines()) if line.endswith("2")
    ]
    assert box.run("logs", "--color", "a", "b").stdout.startswith(f"\x1b[37m{ids['a'][:12]} a1\x1b[0m\n")
    assert box.run("logs", "--latest").stdout == "b1\nb2\n"
    assert box.run("logs", "--names", "a").stdout == "a1\na2\n"
    refused = box.run("logs", "-l", "a", check=False)
    assert (refused.code, "--latest and containers cannot be used together" in refused.stderr) == (125, True)
    nobody = box.run("logs", "a", "nope", check=False)
    assert (nobody.code, nobody.stdout) == (125, "")


def test_until_is_ahead_and_ends_the_following(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sh", "-c", "echo one; sleep 1000")
    eventually(lambda: box.run("logs", "c").stdout == "one\n")
    begun = time.monotonic()
    assert box.run("logs", "-f", "--until", "1s", "c").stdout == "one\n"
    assert time.monotonic() - begun > 0.9


def test_follower_of_a_container_that_is_removed_gets_all_and_ends(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sh", "-c", "echo one; sleep 1000")
    path = os.path.join(box.directory, "followed")
    follower = follow_to_file(box, path, "c")
    eventually(lambda: Path(path).read_text() == "one\n")
    box.run("rm", "-f", "-t", "0", "c")
    assert follower.wait(60) == 0


def test_killed_monitor_leaves_a_readable_log(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sh", "-c", "while :; do seq 1 1000; done")
    eventually(lambda: box.run("logs", "--tail", "1", "c").stdout)
    os.kill(int(box.run("inspect", "--format", "{{.State.ConmonPid}}", "c").out), signal.SIGKILL)
    lines = box.run("logs", "c").stdout.splitlines()
    # The first may be the end of one whose beginning has gone with a file of the log.
    assert set(lines[1:]) <= {str(number) for number in range(1, 1001)}
    assert lines
    box.run("rm", "-f", "-t", "0", "c")


@pytest.fixture
def small_disk(box: Pod) -> Iterator[str]:
    """A file system of one megabyte that belongs to the user."""
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small file system")
    path = os.path.join(box.directory, "small")
    os.mkdir(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=1m,mode=755,uid={box.user.uid}", "tmpfs", path], check=True)
    yield path
    box.run("rm", "-f", "-t", "0", "c", check=False)
    eventually(lambda: subprocess.run(["umount", path], check=False).returncode == 0)


def test_a_full_disk_stops_the_log_not_the_container(box: Pod, busybox: str, small_disk: str) -> None:
    script = (
        "seq 1 100000; echo over; touch /tmp/over; while ! test -e /tmp/go; do sleep 0.05; done; echo after; sleep 1000"
    )
    path = f"{small_disk}/log"
    options = ["--log-opt", f"path={path}", "--log-opt", "max-size=-1"]
    box.run("run", "-d", "--name", "c", "--tmpfs", "/tmp", *options, busybox, "sh", "-c", script)
    eventually(lambda: box.run("exec", "c", "test", "-e", "/tmp/over", check=False).code == 0)
    eventually(lambda: "disk full" in box.run("inspect", "--format", "{{.State.Error}}", "c").out)
    monitor = int(box.run("inspect", "--format", "{{.State.ConmonPid}}", "c").out)
    eventually(lambda: rests(monitor))  # it has taken what was still in the pipe
    assert box.run("inspect", "--format", "{{.State.Status}}", "c").out == "running"
    logs = box.run("logs", "c")
    kept = logs.stdout.splitlines()
    assert kept[:-1] == [str(number) for number in range(1, len(kept))]
    assert "bytes of output of c are not in its log: disk full" in logs.stderr
    os.truncate(path, 0)
    box.run("exec", "c", "touch", "/tmp/go")
    eventually(lambda: "after" in box.run("logs", "c").stdout)
    logs = box.run("logs", "c")
    assert logs.stdout == "after\n"
    missing = len(numbers(100000)) + len("over\n") - len("\n".join(kept))
    said = int(logs.stderr.split()[1])
    assert logs.stderr == f"pod: {said} bytes of output were lost: disk full\n"
    assert abs(said - missing) < 10
    assert box.run("inspect", "--format", "{{.State.Error}}", "c").out == ""


def test_journald_is_refused_where_there_is_none(box: Pod, busybox: str) -> None:
    gone = {"POD_JOURNAL_SOCKET": "/no/journal"}
    result = box.run("run", "--log-driver", "journald", busybox, "true", check=False, env=gone)
    assert (result.code, "no support for journald logging: /no/journal does not exist" in result.stderr) == (125, True)
    assert "hint: " in result.stderr
    conf = os.path.join(box.home, "containers.conf")
    with open(conf, "w") as file:
        file.write('[containers]\nlog_driver = "journald"\n')
    box.run("create", "--name", "c", busybox, "true", env={**gone, "CONTAINERS_CONF": conf})
    assert log_config(box, "c")["Type"] == "k8s-file"
