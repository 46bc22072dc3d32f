"""Many commands at once: none fails, and nothing remains."""

from __future__ import annotations

import os
import subprocess
import time

from tests.fixtures import images
from tests.fixtures.command import Pod, altered
from tests.fixtures.registry import Registry

AT_ONCE = 20


def finish(processes: list[subprocess.Popen[bytes]]) -> list[tuple[int, bytes, bytes]]:
    results = []
    for process in processes:
        out, error = process.communicate(timeout=100)
        results.append((process.returncode, out, error))
    return results


def test_twenty_runs_at_once(box: Pod, busybox: str) -> None:
    """The fixture then looks for processes, mounts, control groups, locks and files that remain."""
    running = [box.start("run", "--rm", busybox, "echo", str(number)) for number in range(AT_ONCE)]
    assert finish(running) == [(0, f"{number}\n".encode(), b"") for number in range(AT_ONCE)]
    assert box.run("ps", "-aq").out == ""


def test_twenty_detached_then_removed_at_once(box: Pod, busybox: str) -> None:
    started = finish([box.start("run", "-d", busybox, "sleep", "1000") for _ in range(AT_ONCE)])
    assert [(code, error) for code, _, error in started] == [(0, b"")] * AT_ONCE
    names = [out.decode().strip() for _, out, _ in started]
    running = sorted(box.run("ps", "-q", "--no-trunc").stdout.split())
    assert running == sorted(names), box.run("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Status}}").out
    removed = finish([box.start("rm", "-f", "-t", "0", name) for name in names])
    assert [code for code, _, _ in removed] == [0] * AT_ONCE
    assert box.run("ps", "-aq").out == ""


def test_what_was_made_since_a_look_for_leftovers_stays(box: Pod, busybox: str) -> None:
    """A command lists files and rows; the lock of a container that is being made is there before its row."""
    early = altered(box, "from pod import state; state.container_ids = lambda connection: set()")
    running, made = box.run("run", "-d", busybox, "sleep", "1000").out, box.run("create", busybox).out
    early.run("volume", "create")
    assert box.run("ps", "-q", "--no-trunc").out == running
    assert os.path.isdir(f"{box.root}/containers/{made}")
    box.run("rm", "-f", "-t", "0", running, made)


def test_one_name_is_given_once(box: Pod, busybox: str) -> None:
    results = finish([box.start("run", "-d", "--name", "c", busybox, "sleep", "1000") for _ in range(8)])
    assert sorted(code for code, _, _ in results) == [0, *[125] * 7]
    assert len(box.run("ps", "-aq").out.split()) == 1


def test_names_that_pod_chooses_are_given_once(box: Pod, busybox: str) -> None:
    """Of eleven thousand names, two of 32 at once hit on the same every twenty times; here there are twenty."""
    narrow = altered(box, "from pod import names; names._MOODS, names._ANIMALS = ['calm'], names._ANIMALS[:20]")
    created = finish([narrow.start("create", busybox) for _ in range(AT_ONCE)])
    assert [(code, error) for code, _, error in created] == [(0, b"")] * AT_ONCE
    assert len(set(box.run("ps", "--all", "--format", "{{.Names}}").out.split())) == AT_ONCE


def test_pulls_of_one_image_at_once(pod: Pod, busybox: str) -> None:
    results = finish([pod.start("pull", "-q", busybox) for _ in range(6)])
    assert [code for code, _, _ in results] == [0] * 6, results
    assert len({out for _, out, _ in results}) == 1
    assert len(pod.run("images", "-q").out.split()) == 1


def test_pulls_that_share_layers_at_once(pod: Pod, registry: Registry) -> None:
    common = images.layer(*(images.entry(f"srv/{number:04d}", b"x" * number) for number in range(2000)))
    references = [
        registry.push(
            "sharing", str(number), images.busybox(common, images.layer(images.entry("own", bytes([number]))))
        )
        for number in range(5)
    ]
    results = finish([pod.start("pull", "-q", reference) for reference in references])
    assert [code for code, _, _ in results] == [0] * 5, results
    for reference in references:
        assert pod.run("run", "--rm", reference, "ls", "/srv").stdout.count("\n") == 2000


def test_run_pulls_once_for_all(pod: Pod, busybox: str) -> None:
    results = finish([pod.start("run", "--rm", "-q", busybox, "echo", "x") for _ in range(6)])
    assert [(code, out) for code, out, _ in results] == [(0, b"x\n")] * 6, results


def test_readers_are_never_in_the_way(box: Pod, busybox: str) -> None:
    writers = [box.start("run", "--rm", busybox, "true") for _ in range(10)]
    while any(writer.poll() is None for writer in writers):
        box.run("ps", "-a")
        box.run("images")
    assert [code for code, _, _ in finish(writers)] == [0] * 10


def test_rmi_against_run(box: Pod, busybox: str) -> None:
    """An image is either removed or used: no container ever starts without its layers."""
    runs = [box.start("run", "--rm", "--pull", "never", busybox, "echo", "whole") for _ in range(6)]
    time.sleep(0.05)
    removal = box.start("rmi", busybox)
    for code, out, _ in finish(runs):
        assert (code, out) in [(0, b"whole\n"), (125, b"")]
    assert finish([removal])[0][0] in (0, 2)


def test_execs_at_once(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sleep", "1000")
    results = finish([box.start("exec", "c", "echo", str(number)) for number in range(AT_ONCE)])
    assert results == [(0, f"{number}\n".encode(), b"") for number in range(AT_ONCE)]
