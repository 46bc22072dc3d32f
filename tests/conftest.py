"""Settings of every suite: a quiet environment, no hanging test, and the counts for `contrib/test`."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import settings

settings.register_profile("pod", database=None, deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("pod")

# What a user may have set must not change what is tested.
for _name in list(os.environ):
    if _name.startswith(("CONTAINERS_", "CONTAINER_", "PODMAN_", "REGISTRY_", "STORAGE_")):
        del os.environ[_name]

# Without it, skopeo and podman of an ordinary user look into /run/containers, which root's podman closes.
if os.getuid() != 0 and "XDG_RUNTIME_DIR" not in os.environ:
    os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="pod-tests-runtime-")
    atexit.register(shutil.rmtree, os.environ["XDG_RUNTIME_DIR"], ignore_errors=True)

# Nor must nohup, or a script that runs this in the background: their children ignore these signals for good.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

SECONDS, SECONDS_IF_SLOW = 300, 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.getuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """End a test that hangs; its fixtures still clean up."""

    def give_up(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"no end after {seconds} s")

    limit = item.get_closest_marker("limit")
    seconds: int = limit.args[0] if limit else SECONDS_IF_SLOW if item.get_closest_marker("slow") else SECONDS
    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Append "passed failed skipped" to the file that `contrib/test` adds up."""
    path = os.environ.get("POD_TEST_COUNTS")
    if not path:
        return
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    with open(path, "a") as file:
        file.write(f"{count['passed']} {count['failed'] + count['error']} {count['skipped']}\n")
