"""Bridge networks of an ordinary user, in the network namespace that the user's containers share, on a test host."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

import pytest

from tests.fixtures import nameserver
from tests.fixtures.command import Pod
from tests.fixtures.nethost import HOST, HOST6, WORLD, WORLD6, Namespace, TestHost, eventually_equal

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.parametrize("mode", ["rootless"], indirect=True),
]
SERVE = ("sh", "-c", "hostname > /tmp/index.html; exec httpd -f -vv -p 80 -h /tmp")
FETCH = ("wget", "-q", "-O", "-")
FREEZER = "/sys/fs/cgroup/freezer"
PING = ("ping", "-c", "1", "-W", "2")


@pytest.fixture(autouse=True)
def nothing_is_left(net: Pod) -> Iterator[None]:
    """Afterwards nobody is in the shared namespace, and no process of the user is left."""
    yield
    net.remove_containers()
    assert eventually_equal(lambda: processes(net), []) == []
    assert eventually_equal(lambda: members(net), []) == []


def processes(net: Pod) -> list[str]:
    """Return what runs as the user; after a failure a command may be left that its test has not waited for."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if _is_own_zombie(pid):
                continue
            if os.stat(f"/proc/{pid}").st_uid == net.user.uid or _uid(pid) == net.user.uid:
                with open(f"/proc/{pid}/cmdline") as file:
                    found.append(file.read().replace("\0", " "))
        except OSError:
            continue
    return found


def _is_own_zombie(pid: str) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        state, parent = file.read().rpartition(")")[2].split()[:2]
    return state == "Z" and int(parent) == os.getpid()


def _uid(pid: str) -> int:
    with open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("Uid:")).split()[1])


def directory(net: Pod) -> str:
    return os.path.join(net.runroot, "networks", ".shared")


def members(net: Pod) -> list[str]:
    if not os.path.isdir(directory(net)):
        return []
    return [name for name in os.listdir(directory(net)) if name != "lock"]


def numbers(path: str) -> list[int]:
    with open(path) as file:
        return [int(word) for word in file.read().split()]


def pasta(net: Pod) -> int:
    """Return the process of pasta, 0 while its file is being written anew."""
    return (numbers(os.path.join(directory(net), "pasta")) or [0])[0]


def monitor(net: Pod, name: str) -> int:
    identity = net.run("inspect", "-f", "{{.Id}}", name).out
    return numbers(os.path.join(net.runroot, "containers", identity, "monitor"))[0]


def publisher(parent: int) -> int:
    """Return the process that passes ports on, as soon as it bears its name."""
    assert eventually_equal(lambda: bool(publishers(parent)), True), f"process {parent} has no publisher"
    return publishers(parent)[0]


def publishers(parent: int) -> list[int]:
    found = []
    for child in numbers(f"/proc/{parent}/task/{parent}/children"):
        with contextlib.suppress(OSError), open(f"/proc/{child}/comm") as file:
            if file.read().strip() == "pod-publisher":
                found.append(child)
    return found


def fetch(where: Namespace, address: str, port: int = 8080) -> str:
    return where.run("busybox", *FETCH, f"http://{address}:{port}/").strip()


def attempt(where: Namespace, address: str, port: int = 8080) -> str:
    try:
        return fetch(where, address, port)
    except AssertionError:
        return ""


def script(where: Namespace, text: str) -> str:
    """Run Python in a namespace."""
    return where.run("/usr/bin/python3", "-c", textwrap.dedent(text)).strip()


def serve(net: Pod, name: str, busybox: str, *options: str) -> None:
    net.run("run", "-d", "--name", name, "--hostname", name, *options, busybox, *SERVE)


def asked_by(net: Pod, address: str) -> bool:
    """Tell whether the server has said that somebody asked it, which it does when the answer is out already."""
    return eventually_equal(lambda: address in net.run("logs", "web").stderr, True) is True


def test_names_on_a_network(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "mine")
    serve(net, "web", busybox, "--network", "mine:alias=www")
    net.run("run", "-d", "--name", "client", "--network", "mine", busybox, "sleep", "100")
    for _ in range(2):  # before and after the monitor's move into a bare interpreter
        for name in ("web", "www", "web.dns.podman"):
            words = ("exec", "client", *FETCH, f"http://{name}/")
            assert eventually_equal(lambda words=words: net.run(*words, check=False).out, "web") == "web", name  # type: ignore[misc]
        time.sleep(1.2)
    net.run("rm", "-f", "-t", "0", "web")
    assert net.run("exec", "client", "nslookup", "web", check=False).code != 0


def test_the_default_bridge_leads_to_the_world(net: Pod, host: TestHost, busybox: str) -> None:
    command = ("run", "--rm", "--network", "bridge", "--cap-add", "NET_RAW", busybox)
    shown = net.run(*command, "sh", "-c", "ip -o -4 addr show eth0; ip route; cat /etc/hosts").out
    assert "inet 10.88.0.2/16" in shown
    assert "default via 10.88.0.1 dev eth0" in shown
    assert f"{HOST}\thost.containers.internal host.docker.internal" in shown
    with server(host.world):
        assert net.run(*command, *FETCH, f"http://{WORLD}:8000/").out == "served"
    with server(host):
        assert net.run(*command, *FETCH, "http://host.containers.internal:8000/").out == "served"


def server(where: Namespace) -> subprocess.Popen[bytes]:
    """Serve on port 8000 of a namespace, of both families, until the end of the `with`."""
    code = """
        import http.server, socket
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200); self.end_headers(); self.wfile.write(b"served")
        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6
        server = Server(("::", 8000), Handler)
        print(flush=True)
        server.serve_forever()
    """
    argv = [*where.prefix, "/usr/bin/python3", "-c", textwrap.dedent(code)]
    process = Ended(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    return process


class Ended(subprocess.Popen[bytes]):
    """A process that is killed at the end of the `with`."""

    def __exit__(self, *arguments: object) -> None:
        self.kill()
        super().__exit__(*arguments)  # type: ignore[arg-type]


def test_published_ports(net: Pod, host: TestHost, busybox: str) -> None:
    serve(net, "web", busybox, "--network", "bridge", "-p", "8080:80")
    assert net.run("port", "web").out == "80/tcp -> 0.0.0.0:8080"
    for _ in range(2):
        assert eventually_equal(lambda: attempt(host, "127.0.0.1"), "web") == "web"
        assert fetch(host, HOST) == "web"
        assert fetch(host, "[::1]") == "web"
        assert fetch(host.world, HOST) == "web"
        assert net.run("exec", "web", *FETCH, f"http://{HOST}:8080/").out == "web"
        assert net.run("exec", "web", *FETCH, "http://10.88.0.1:8080/").out == "web"
        time.sleep(1.2)
    # The server sees who asked, not who passed it on.
    assert asked_by(net, f"[::ffff:{WORLD}]")
    assert asked_by(net, "[::ffff:10.88.0.1]")  # from loopback
    second = net.run("run", "-d", "--network", "bridge", "-p", "8080:80", busybox, *SERVE, check=False)
    assert second.code == 126
    assert "address already in use" in second.stderr
    net.run("rm", "-f", "-t", "0", "web")
    net.run("run", "--rm", "--network", "bridge", "-p", "8080:80", busybox, "true")


def test_a_privileged_port_is_refused_with_the_line_that_mends_it(net: Pod, host: TestHost, busybox: str) -> None:
    refused = net.run("run", "--rm", "--network", "bridge", "-p", "80:80", busybox, "true", check=False)
    assert refused.code == 126
    assert "rootlessport cannot expose privileged port 80, you can add" in refused.stderr
    assert "net.ipv4.ip_unprivileged_port_start=80" in refused.stderr


def test_ipv6(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "--ipv6", "six")
    serve(net, "web", busybox, "--network", "six", "-p", "8080:80")
    run = ("run", "--rm", "--network", "six", "--cap-add", "NET_RAW", busybox)
    net.run(*run, "ping", "-6", "-c", "1", "-W", "2", "web")
    assert eventually_equal(lambda: attempt(host, f"[{HOST6}]"), "web") == "web"
    assert fetch(host.world, f"[{HOST6}]") == "web"
    assert asked_by(net, f"[{WORLD6}]")
    with server(host.world):
        assert net.run(*run, *FETCH, f"http://[{WORLD6}]:8000/").out == "served"


def test_udp(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("run", "-d", "--name", "echo", "--network", "bridge", "-p", "5353:53/udp", busybox, "sleep", "100")
    inside = f"--net=/proc/{net.run('inspect', '-f', '{{.State.Pid}}', 'echo').out}/ns/net"
    echo = """
        import socket
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.bind(("", 53))
        print(flush=True)
        while True:
            data, client = end.recvfrom(100)
            end.sendto(data + b" of " + client[0].encode(), client)
    """
    ask = """
        import socket
        for address, seen in %r:
            end = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            end.settimeout(20)
            end.connect((address, 5353))
            for number in range(3):
                end.send(b"word %%d" %% number)
                assert end.recv(100).decode() == f"word {number} of {seen}"
        print("ok")
    """
    argv = ["nsenter", inside, "/usr/bin/python3", "-c", textwrap.dedent(echo)]
    with Ended(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert script(host.world, ask % [(HOST, WORLD)]) == "ok"
        assert script(host, ask % [("127.0.0.1", "10.88.0.1"), (HOST, HOST), ("::1", "10.88.0.1")]) == "ok"


def test_networks_that_are_apart(net: Pod, host: TestHost, busybox: str) -> None:
    for name in ("one", "two"):
        net.run("network", "create", "--opt", "isolate=true", name)
    net.run("network", "create", "--internal", "inner")
    serve(net, "web", busybox, "--network", "one")
    serve(net, "hidden", busybox, "--network", "inner")
    address = net.run("inspect", "-f", "{{.NetworkSettings.Networks.one.IPAddress}}", "web").out
    raw = ("--cap-add", "NET_RAW", busybox)
    net.run("run", "--rm", "--network", "one", *raw, *PING, address)
    assert net.run("run", "--rm", "--network", "two", *raw, *PING, address, check=False).code
    assert net.run("run", "--rm", "--network", "inner", busybox, *FETCH, "http://hidden/").out == "hidden"
    assert net.run("run", "--rm", "--network", "inner", *raw, *PING, WORLD, check=False).code


def test_an_internal_network_needs_no_pasta(net: Pod, host: TestHost, busybox: str) -> None:
    net.run("network", "create", "--internal", "inner")
    serve(net, "hidden", busybox, "--network", "inner")
    assert "pasta" not in members(net)
    serve(net, "seen", busybox, "--network", "bridge")
    assert "pasta" in members(net)


def test_the_namespace_goes_with_the_last_container(net: Pod, host: TestHost, busybox: str) -> None:
    for name in ("one", "two"):
        serve(net, name, busybox, "--network", "bridge")
    first = pasta(net)
    net.run("rm", "-f", "-t", "0", "one")
    assert pasta(net) == first
    net.run("run", "--rm", "--network", "bridge", busybox, "true")
    assert pasta(net) == first
    net.run("stop", "-t", "0", "two")
    assert eventually_equal(lambda: members(net), []) == []
    assert eventually_equal(lambda: processes(net), []) == []
    net.run("start", "two")
    assert pasta(net) != first


def test_many_at_once_share_one_namespace(net: Pod, host: TestHost, busybox: str) -> None:
    commands = [
        net.start("run", "-d", "--network", "bridge", "-p", f"{8100 + number}:80", busybox, *SERVE)
        for number in range(20)
    ]
    told = [command.communicate(timeout=60)[1] for command in commands]
    assert [command.returncode for command in commands] == [0] * len(commands), told
    assert eventually_equal(lambda: sum("pasta" in line for line in processes(net)), 1) == 1
    for number in range(20):
        assert eventually_equal(lambda: len(attempt(host, HOST, 8100 + number)), 12)  # noqa: B023
    namespaces = {os.stat(f"/proc/{pid}/fd/{fd}").st_ino for pid, fd in holders(net)}
    assert len(namespaces) == 1


def holders(net: Pod) -> list[tuple[int, int]]:
    """Return who holds the namespace, by which descriptor."""
    found = [numbers(os.path.join(directory(net), name)) for name in members(net) if name.isalnum() and name != "pasta"]
    return [(pid, fd) for pid, _, fd in found]


def test_a_restart_by_policy_is_connected_again(net: Pod, host: TestHost, busybox: str) -> None:
    script = "hostname > /tmp/index.html; httpd -p 80 -h /tmp; sleep 1.5; exit 1"
    options = ("--name", "web", "--hostname", "web", "--restart", "always", "--network", "bridge", "-p", "8080:80")
    net.run("run", "-d", *options, busybox, "sh", "-c", script)
    count = lambda: int(net.run("inspect", "-f", "{{.RestartCount}}", "web").out) >= 1  # noqa: E731
    assert eventually_equal(count, True)
    assert eventually_equal(lambda: attempt(host.world, HOST), "web") == "web"


@pytest.mark.parametrize("age", [0.0, 1.3], ids=["young", "old"])
def test_a_killed_pasta_is_replaced_by_a_monitor(net: Pod, host: TestHost, busybox: str, age: float) -> None:
    for name in ("one", "two"):
        serve(net, name, busybox, "--network", "bridge")
    time.sleep(age)
    first = pasta(net)
    os.kill(first, signal.SIGKILL)
    assert eventually_equal(lambda: pasta(net) not in (0, first), True)
    with server(host.world):
        for name in ("one", "two"):
            assert net.run("exec", name, *FETCH, f"http://{WORLD}:8000/").out == "served"
    assert eventually_equal(lambda: sum("pasta" in line for line in processes(net)), 1) == 1


@pytest.mark.parametrize("age", [0.0, 1.3], ids=["young", "old"])
@pytest.mark.parametrize("network", ["bridge", "pasta"])
def test_a_killed_publisher_is_replaced_by_its_monitor(
    net: Pod, host: TestHost, busybox: str, network: str, age: float
) -> None:
    serve(net, "web", busybox, "--network", network, "-p", "8080:80", "-p", "8081:80")
    watcher = monitor(net, "web")
    assert eventually_equal(lambda: attempt(host.world, HOST), "web") == "web"
    time.sleep(age)
    for _ in range(2):
        first = publisher(watcher)
        os.kill(first, signal.SIGKILL)
        # Nobody is refused meanwhile.
        assert [attempt(host.world, HOST, port) for port in (8080, 8081)] == ["web", "web"]
        assert publisher(watcher) != first
        time.sleep(1.2)


def test_a_publisher_that_ends_again_and_again_is_left(net: Pod, host: TestHost, busybox: str) -> None:
    serve(net, "web", busybox, "--network", "bridge", "-p", "8080:80")
    watcher = monitor(net, "web")
    assert eventually_equal(lambda: attempt(host, HOST), "web") == "web"
    os.kill(publisher(watcher), signal.SIGKILL)
    assert attempt(host, HOST) == "web"
    os.kill(publisher(watcher), signal.SIGKILL)
    with pytest.raises(AssertionError, match=r"refused|reset"):  # as it ends, or after that
        fetch(host, HOST)
    net.run("rm", "-f", "-t", "0", "web")
    net.run("run", "--rm", "--network", "bridge", "-p", "8080:80", busybox, "true")


def test_a_host_without_any_way_out_has_networks(net: Pod, host: TestHost, busybox: str) -> None:
    for family in ("-4", "-6"):
        host.run("ip", family, "route", "del", "default")
    serve(net, "web", busybox, "--network", "bridge", "-p", "8080:80")
    assert eventually_equal(lambda: attempt(host, HOST), "web") == "web"
    assert members(net)
    assert "pasta" not in members(net)


def test_killed_monitors_leave_nothing_after_the_next_command(net: Pod, host: TestHost, busybox: str) -> None:
    for name in ("one", "two"):
        serve(net, name, busybox, "--network", "bridge")
    for name in ("one", "two"):
        os.kill(monitor(net, name), signal.SIGKILL)
    net.run("rm", "-f", "-t", "0", "one")
    net.run("rm", "-f", "-t", "0", "two")
    assert eventually_equal(lambda: processes(net), []) == []
    assert members(net) == []


def test_ports_that_a_killed_monitors_publisher_has_for_a_moment_are_waited_for(
    net: Pod, host: TestHost, busybox: str
) -> None:
    if not os.path.isdir(FREEZER):
        pytest.skip("only cgroup v1 can keep a killed process from its end")
    serve(net, "web", busybox, "--network", "bridge", "-p", "8080:80")
    watcher = monitor(net, "web")
    frozen = os.path.join(FREEZER, f"pod-test-{os.getpid()}")
    os.mkdir(frozen)
    try:
        write(f"{frozen}/cgroup.procs", str(publisher(watcher)))
        write(f"{frozen}/freezer.state", "FROZEN")
        os.kill(watcher, signal.SIGKILL)
        net.run("rm", "-f", "-t", "0", "web")
        next_one = net.start("run", "--rm", "--network", "bridge", "-p", "8080:80", busybox, "true")
        time.sleep(0.5)
        assert next_one.poll() is None
    finally:
        write(f"{frozen}/freezer.state", "THAWED")
        _, errors = next_one.communicate(timeout=60)
        eventually_equal(lambda: numbers(f"{frozen}/cgroup.procs"), [])
        os.rmdir(frozen)
    assert (next_one.returncode, errors) == (0, b"")


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def test_whatever_is_killed_new_containers_work(net: Pod, host: TestHost, busybox: str) -> None:
    dice = random.Random(4)
    for turn in range(int(os.environ.get("POD_TEST_KILLS", "12"))):
        serve(net, f"web{turn}", busybox, "--network", "bridge", "-p", f"{8200 + turn}:80")
        assert eventually_equal(lambda: attempt(host.world, HOST, 8200 + turn), f"web{turn}"), turn  # noqa: B023
        watcher = monitor(net, f"web{turn}")
        victims = dice.sample([watcher, publisher(watcher), pasta(net)], dice.randint(1, 3))
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        if turn % 3 == 2:
            net.remove_containers()
            assert eventually_equal(lambda: processes(net), []) == [], turn


def test_containers_that_run_change_networks_and_their_ports_follow(net: Pod, host: TestHost, busybox: str) -> None:
    for name in ("one", "two"):
        net.run("network", "create", name)
    net.run("network", "create", "--internal", "inner")
    serve(net, "web", busybox, "--network", "inner", "-p", "8080:80")
    net.run("run", "-d", "--name", "client", "--network", "two", busybox, "sleep", "100")
    assert attempt(host.world, HOST) == ""
    for before, network in (("inner", "one"), ("one", "two")):
        net.run("network", "connect", network, "web")
        net.run("network", "disconnect", before, "web")
        assert eventually_equal(lambda: attempt(host.world, HOST), "web") == "web", network
    assert net.run("exec", "client", *FETCH, "http://web/").out == "web"
    with server(host.world):
        assert net.run("exec", "web", *FETCH, f"http://{WORLD}:8000/").out == "served"
    net.run("network", "disconnect", "two", "web")
    assert attempt(host.world, HOST) == ""
    assert net.run("exec", "client", "nslookup", "web", check=False).code != 0


def test_without_a_firewall(net: Pod, host: TestHost, busybox: str) -> None:
    settings = os.path.join(net.directory, "own.conf")
    write(settings, '[network]\nfirewall_driver = "none"\n')
    net.environment["CONTAINERS_CONF"] = settings
    serve(net, "web", busybox, "--network", "bridge", "-p", "8080:80")
    assert eventually_equal(lambda: attempt(host.world, HOST), "web") == "web"
    assert asked_by(net, f"[::ffff:{WORLD}]")
    with server(host.world):
        assert net.run("exec", "web", *FETCH, f"http://{WORLD}:8000/").out == "served"
    net.run("network", "create", "mine")
    net.run("network", "connect", "mine", "web")
    net.run("network", "disconnect", "podman", "web")
    assert attempt(host.world, HOST) == "web"
    assert "elements" not in net.run("unshare", "--rootless-netns", "/usr/sbin/nft", "list", "ruleset").out
    net.run("network", "reload", "--all")


def test_a_command_in_the_namespace(net: Pod, host: TestHost, busybox: str) -> None:
    with server(host.world):
        assert net.run("unshare", "--rootless-netns", "busybox", *FETCH, f"http://{WORLD}:8000/").out == "served"
    assert members(net) == []
    serve(net, "web", busybox, "--network", "bridge")
    assert net.run("unshare", "--rootless-netns", "busybox", *FETCH, "http://10.88.0.2/").out == "web"
    assert net.run("unshare", "--rootless-netns", "sh", "-c", "exit 3", check=False).code == 3
    missing = net.run("unshare", "--rootless-netns", "/no/such", check=False)
    assert (missing.code, "no such file" in missing.stderr) == (127, True)


@pytest.mark.parametrize("address", ["127.0.0.53", WORLD])
def test_the_hosts_dns_server(net: Pod, host: TestHost, busybox: str, address: str) -> None:
    where = host.world if address == WORLD else host
    path = os.path.join(net.directory, "resolv.conf")
    with open(path, "w") as file:
        file.write(f"nameserver {address}\n")
    host.run("mount", "--bind", path, "/etc/resolv.conf")
    net.run("network", "create", "mine")
    argv = [*where.prefix, sys.executable, nameserver.__file__, address]
    with Ended(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for network in ("bridge", "mine"):
            asked = ("--network", network, busybox, "nslookup", "anything.example.org")
            assert nameserver.ADDRESS in net.run("run", "--rm", *asked).out
    shown = net.run("run", "--rm", "--network", "bridge", busybox, "cat", "/etc/resolv.conf").out
    assert shown == f"nameserver {WORLD if address == WORLD else '169.254.1.1'}"


def test_a_protocol_that_nobody_forwards(net: Pod, host: TestHost, busybox: str) -> None:
    sctp = net.run("run", "--rm", "--network", "bridge", "-p", "8081:80/sctp", busybox, "true", check=False)
    assert (sctp.code, sctp.stderr) == (126, "Error: can't forward protocol: sctp\n")
