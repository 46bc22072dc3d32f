"""Real programs: Debian's nginx, redis, postgres and python in images of several layers, used as people use them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pexpect
import pytest

from tests.fixtures import leaks
from tests.fixtures.check_store import check
from tests.fixtures.command import Pod, make_pod
from tests.fixtures.debian import SMALL_FILES
from tests.fixtures.monitor import eventually
from tests.fixtures.user import User

pytestmark = pytest.mark.slow
HTTP = r"exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3"


@pytest.fixture(scope="module")
def shop(command: str, workplace: str, user: User) -> Pod:
    """One store for all tests of this file, so that the common layers are pulled once."""
    return make_pod(command, os.path.join(workplace, f"real-{user.name}"), user)


@pytest.fixture
def real(shop: Pod) -> Iterator[Pod]:
    """The shop, and the search for what a test leaves in it."""
    groups = leaks.control_groups()
    yield shop
    shop.remove_containers()
    assert shop.leftovers(groups, timeout=180) == []  # a removed image of 60,000 files is deleted in the background


def until(pod: Pod, container: str, *arguments: str, timeout: float = 60) -> str:
    """Try a command in the container until it succeeds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        result = pod.run("exec", container, *arguments, check=False)
        if result.code == 0:
            return result.out
        time.sleep(0.2)
    raise AssertionError(f"{arguments}: {result} {pod.run('logs', container)}")


def test_plain_debian(real: Pod, debian_images: dict[str, str]) -> None:
    real.run("pull", "-q", debian_images["debian"], timeout=120)
    out = real.run("run", "--rm", debian_images["debian"], "bash", "-c", ". /etc/os-release; echo $ID $VERSION_ID").out
    assert out == "debian 12"
    assert real.run("run", "--rm", debian_images["debian"], "stat", "-c", "%h", "/usr/bin/perl").out == "2"
    # Every file has the content that Debian's packages promise; some are left out of the image on purpose.
    verified = real.run("run", "--rm", debian_images["debian"], "dpkg", "--verify", timeout=100).stdout.splitlines()
    assert [line for line in verified if not line.startswith("missing")] == []
    history = real.run("history", "--format", "json", debian_images["debian"]).stdout
    assert len(json.loads(history)) == 1


def test_nginx(real: Pod, debian_images: dict[str, str]) -> None:
    real.run("pull", debian_images["nginx"], timeout=120)
    real.run("run", "-d", "--name", "web", debian_images["nginx"])
    page = until(real, "web", "bash", "-c", HTTP)
    assert page.startswith("HTTP/1.1 200 OK")
    assert page.endswith("hello from nginx")
    follower = real.start("logs", "-f", "web")
    time.sleep(0.3)
    real.run("exec", "web", "bash", "-c", HTTP)
    real.run("stop", "-t", "60", "web")
    out, _ = follower.communicate(timeout=60)
    assert out.count(b"GET / HTTP/1.0") >= 2
    assert real.run("inspect", "--format", "{{.State.ExitCode}}", "web").out == "0"
    real.run("rm", "web")


def test_redis(real: Pod, debian_images: dict[str, str]) -> None:
    real.run("run", "-q", "-d", "--name", "cache", debian_images["redis"], timeout=120)
    assert until(real, "cache", "redis-cli", "ping") == "PONG"
    assert real.run("exec", "cache", "redis-cli", "set", "key", "value").out == "OK"
    assert real.run("exec", "-i", "cache", "redis-cli", input="get key\nincr n\n").out.split() == ["value", "1"]
    real.run("exec", "cache", "redis-cli", "save")
    real.run("stop", "cache")
    assert "DB saved on disk" in real.run("logs", "cache").stdout
    real.run("start", "cache")
    until(real, "cache", "redis-cli", "ping")
    assert real.run("exec", "cache", "redis-cli", "get", "key").out == "value"
    assert real.run("exec", "cache", "id", "-un").out == "redis"


def test_postgres(real: Pod, debian_images: dict[str, str]) -> None:
    real.run("run", "-q", "-d", "--name", "db", debian_images["postgres"], timeout=180)
    until(real, "db", "pg_isready")
    sql = "create table t (n int); insert into t select generate_series(1, 1000); select sum(n) from t;"
    assert real.run("exec", "-i", "db", "psql", "-qAt", input=sql).out == "500500"
    real.run("stop", "-t", "60", "db")
    real.run("start", "db")
    until(real, "db", "pg_isready")
    assert real.run("exec", "db", "psql", "-qAtc", "select count(*) from t").out == "1000"
    assert "database system was shut down" in real.run("logs", "db").stderr


def test_python_with_whiteouts_and_hard_links(real: Pod, debian_images: dict[str, str]) -> None:
    image = debian_images["python"]
    assert real.run("run", "-q", "--rm", image, "/srv/hard-link.py", timeout=120).out == "45"
    listing = real.run("run", "--rm", "--entrypoint", "ls", image, "-A", "/srv", "/usr/share/doc").out
    assert listing.split() == ["/srv:", "hard-link.py", "/usr/share/doc:", "only"]
    code = "import threading, zlib, os; print(os.getpid(), len(os.listdir('/proc/self/task')))"
    assert real.run("run", "--rm", image, "-c", code).out == "1 1"


def test_file_capabilities(real: Pod, debian_images: dict[str, str]) -> None:
    options = ["-q", "--rm", "--cap-add", "NET_RAW", "--user", "nobody"]
    out = real.run("run", *options, debian_images["ping"], "ping", "-c", "1", "127.0.0.1", timeout=120).out
    assert "1 received" in out
    assert "cap_net_raw=ep" in real.run("run", "--rm", debian_images["ping"], "getcap", "/bin/ping").out


def test_sixty_thousand_small_files(real: Pod, debian_images: dict[str, str]) -> None:
    image = debian_images["small-files"]
    script = "find /srv/files -type f | wc -l; find /srv/files -type f -print0 | sort -z | xargs -0 cat | wc -l"
    files, lines = real.run("run", "-q", "--rm", image, "bash", "-c", script, timeout=200).out.split()
    assert int(files) == SMALL_FILES
    assert int(lines) > SMALL_FILES


def has_size(shell: pexpect.spawn[str], size: str) -> bool:
    shell.sendline("stty size")
    shell.expect(r"\d+ \d+(?=\r\n)")
    return shell.match.group() == size  # type: ignore[union-attr]


def test_shell_of_debian_on_a_terminal(real: Pod, debian_images: dict[str, str]) -> None:
    shell = real.spawn("run", "--rm", "-it", "-q", debian_images["debian"], rows=40, columns=120, timeout=60)
    shell.expect(r"root@[0-9a-f]{12}:/# ")
    shell.sendline("stty size; id -un")
    shell.expect("40 120\r\n")
    shell.expect("root")
    shell.setwinsize(25, 90)
    eventually(lambda: has_size(shell, "25 90"))
    shell.sendline("exit")
    shell.wait()
    assert shell.exitstatus == 0


def test_the_store_is_whole(real: Pod, debian_images: dict[str, str]) -> None:
    for reference in debian_images.values():
        real.run("pull", "-q", reference, timeout=200)
    assert len(real.run("images", "-q").out.split()) == len(debian_images)
    assert check(real) == []
    real.run("rmi", *debian_images.values())
    assert os.listdir(os.path.join(real.root, "layers")) == []
