"""Valid configurations with something changed at random: created or refused, and nothing left either way."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.bundle import SOURCE, Runtime, configuration, with_user_namespace
from tests.fixtures.configurations import find, paths
from tests.fixtures.user import User

_numbers = itertools.count()
EXAMPLES = 150

# Creates and deletes a container for each line, and answers with the error and what is left.
WORKER = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from runtime import create, delete, errors
root, name, base = sys.argv[2], sys.argv[3], os.getcwd()
for line in sys.stdin:
    error = ""
    try:
        made = create.create("box", ".", json.loads(line), root=root)
        delete.delete(root, "box", force=True)
        os.waitpid(made.pid, 0)
    except errors.OCIRuntimeError as caught:
        error = f"{type(caught).__name__}: {caught}"
    except BaseException as caught:
        error = f"unexpected {type(caught).__name__}: {caught}"
    left = [entry for entry in (os.listdir(root) if os.path.exists(root) else []) if not entry.startswith(".")]
    for hierarchy in os.listdir("/sys/fs/cgroup"):
        if os.path.exists(f"/sys/fs/cgroup/{hierarchy}/{name}"):
            left.append(f"cgroup in {hierarchy}")
    with open("/proc/self/mountinfo") as file:
        left += [line for line in file if base in line]
    with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as file:
        left += file.read().split()
    left += sorted(set(os.listdir("/proc/self/fd")) - set("0123"))
    print(json.dumps([error, left]), file=sys.stderr, flush=True)
"""


class Worker:
    """A process that creates containers, in namespaces of its own: no configuration can do the host any harm."""

    def __init__(self, runtime: Runtime) -> None:
        self.rootless = bool(runtime.user.uid)
        self.cgroup = f"fuzz{os.getpid()}"
        self.reading, writing = os.pipe()
        command = [sys.executable, "-I", "-S", "-B", "-c", WORKER, SOURCE, runtime.state, self.cgroup]
        apart = ["unshare", "--mount", "--uts", "--net", "--ipc", "--propagation", "private"]
        self.process = subprocess.Popen(
            [*runtime.prefix(), *apart, *command],
            cwd=runtime.bundle,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=writing,
        )
        os.close(writing)
        self.answers = open(self.reading)  # noqa: SIM115 - closed with the worker

    def create(self, document: dict[str, Any]) -> tuple[str, list[str]]:
        """Return the error, or nothing, and what is left."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(document) + "\n")
        self.process.stdin.flush()
        for line in self.answers:
            if line.startswith("["):
                error, left = json.loads(line)
                return error, left
        raise AssertionError("the worker has ended")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.answers.close()


@pytest.fixture
def worker(workplace: str, user: User) -> Iterator[Worker]:
    made = Worker(Runtime(f"{workplace}/fuzz{next(_numbers)}-{user.name}", user))
    yield made
    made.close()


def model(worker: Worker, *, in_user_namespace: bool, more: list[str]) -> dict[str, Any]:
    """Return a configuration that is valid here."""
    spec = configuration(
        "true",
        rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
        oomScoreAdj=5,
        scheduler={"policy": "SCHED_BATCH", "nice": max(3, os.getpriority(os.PRIO_PROCESS, 0))},
        ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 3},
        user={"uid": 0, "gid": 0, "umask": 18},
        noNewPrivileges=True,
    )
    linux = spec["linux"]
    linux["cgroupsPath"] = f"/{worker.cgroup}/box"
    linux["namespaces"] += [{"type": kind} for kind in more]
    linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    linux["devices"] = [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3}, {"path": "/dev/p", "type": "p"}]
    linux["personality"] = {"domain": "LINUX"}
    linux["memoryPolicy"] = {"mode": "MPOL_DEFAULT"}
    linux["rootfsPropagation"] = "rprivate"
    rule = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}
    linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [rule]}
    hook = [{"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 3}]
    spec["hooks"] = {stage: hook for stage in ("prestart", "createRuntime", "createContainer")}  # noqa: C420
    spec["annotations"] = {"org.example": "x"}
    spec["mounts"].append({"destination": "/tmp/y", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]})
    if not worker.rootless:
        linux["resources"] = {
            "memory": {"limit": 1 << 28},
            "pids": {"limit": 50},
            "cpu": {"shares": 100, "quota": 50000, "period": 100000},
            "devices": [{"allow": False, "access": "rwm"}],
        }
        if in_user_namespace:
            with_user_namespace(spec)
    copied: dict[str, Any] = json.loads(json.dumps(spec))
    return copied


WORDS = (
    "/ .. /.. /proc /dev /dev/null /proc/self /bin/busybox a=b x é -1 0-1 p b proc sysfs tmpfs bind cgroup mqueue "
    "devpts SCHED_FIFO SCMP_ACT_TRACE "
    "ro rro nosuid rbind idmap shared remount tmpcopyup copy-symlink dest-nofollow src-nofollow "
).split()
VALUES = {
    str: st.sampled_from(["", "\udc80", "x" * 5000, *WORDS]),
    int: st.sampled_from([0, 1, -1, 5, 255, 2**31, 2**32 - 2, 2**63 - 1, 2**64 - 1]),
    bool: st.booleans(),
    list: st.just([]),
    dict: st.just({}),
}
ANYTHING = st.one_of(st.none(), *VALUES.values())


def is_namespace(path: tuple[Any, ...]) -> bool:
    """Tell whether a path leads to what keeps the container apart from us."""
    return path == ("linux",) or path[:2] == ("linux", "namespaces")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_changed_nothing_is_left(worker: Worker, data: st.DataObject) -> None:
    more = data.draw(st.lists(st.sampled_from(["cgroup", "time"]), unique=True))
    document = model(worker, in_user_namespace=data.draw(st.booleans()), more=more)
    for _change in range(data.draw(st.integers(0, 2))):
        path = data.draw(st.sampled_from([path for path in paths(document) if not is_namespace(path)]))
        place = find(document, path[:-1])
        match data.draw(st.sampled_from(["replace", "replace", "anything", "remove", "repeat"])):
            case "replace":
                place[path[-1]] = data.draw(VALUES.get(type(place[path[-1]]), ANYTHING))
            case "anything":
                place[path[-1]] = data.draw(ANYTHING)
            case "repeat" if isinstance(place, list):
                place.append(find(document, path))
            case _:
                del place[path[-1]]
    error, left = worker.create(document)
    assert not error.startswith("unexpected"), error
    assert "has gone" not in error
    assert left == []


def test_what_is_valid_is_created(worker: Worker) -> None:
    for in_user_namespace, more in ((False, []), (True, ["cgroup", "time"])):
        assert worker.create(model(worker, in_user_namespace=in_user_namespace, more=more)) == ("", [])
