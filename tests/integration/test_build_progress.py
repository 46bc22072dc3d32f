"""What `pod build` shows while it goes on: lines of stages side by side, a live view on a terminal, failures."""

from __future__ import annotations

import re

import pexpect

from tests.fixtures.command import Pod
from tests.integration.test_build import build, context

STAGES = """\
FROM {0} AS a
RUN for i in 1 2 3; do printf a; echo $i; done; printf end
FROM {0} AS b
RUN for i in 1 2 3; do printf b; echo $i; done; echo error >&2
FROM {0}
COPY --from=a /etc/passwd /a
COPY --from=b /etc/passwd /b
"""


def test_each_line_says_of_which_stage_it_is(box: Pod, busybox: str) -> None:
    made = build(box, STAGES.format(busybox), "-t", "name")
    lines = made.stdout.splitlines()
    for stage, letter in (("[1/3] ", "a"), ("[2/3] ", "b")):
        assert [line for line in lines if line.startswith(f"{stage}{letter}")] == [f"{stage}{letter}{i}" for i in "123"]
    assert "[1/3] end" in lines
    assert "[2/3] error" in made.stderr
    assert all(re.match(r"\[./3\] ", line) for line in lines[:-3])
    assert lines[-4:-1] == ["[3/3] COMMIT name", f"--> {lines[-1][:12]}", "Successfully tagged localhost/name:latest"]


def test_one_stage_at_a_time(box: Pod, busybox: str) -> None:
    lines = build(box, STAGES.format(busybox), "--jobs", "1").stdout.splitlines()
    assert lines[2:6] == ["a1", "a2", "a3", lines[5]]
    assert lines[5].startswith("end--> ")


def test_a_failure_shows_its_place(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS a\nRUN true\n\nFROM {busybox}\nRUN echo said; \\\n  exit 3\nCOPY --from=a / /\n"
    for flags in ((), ("--quiet",), ("--progress", "quiet"), ("--jobs", "1")):
        failed = build(box, text, *flags, check=False)
        assert failed.code == 3
        assert "said" in failed.stdout
        assert "Containerfile:5\n" in failed.stderr
        assert "   5 | >>> RUN echo said; \\\n   6 | >>>   exit 3\n   7 |     COPY --from=a / /\n" in failed.stderr
        assert "   4 |     FROM" in failed.stderr
    unknown = build(box, "FROM nosuch.invalid/image\n", "--pull=never", check=False)
    assert "   1 | >>> FROM nosuch.invalid/image\n" in unknown.stderr


def test_progress_is_checked(box: Pod, busybox: str) -> None:
    wrong = build(box, f"FROM {busybox}\n", "--progress", "fancy", check=False)
    assert wrong.code == 125
    assert wrong.stderr == ('Error: unknown progress type "fancy"\nhint: choose auto, plain, tty or quiet\n')
    nowhere = build(box, f"FROM {busybox}\n", "--progress=tty", check=False)
    assert "Error: --progress tty: stderr is not a terminal\n" in nowhere.stderr
    assert re.fullmatch("[0-9a-f]{64}", build(box, f"FROM {busybox}\n", "--progress=quiet").out)


def test_the_live_view(box: Pod, busybox: str) -> None:
    cache = "RUN --mount=type=cache,target=/c,sharing=shared"
    first = f"FROM {busybox} AS a\n{cache} echo first; mkfifo /c/fifo; read x < /c/fifo\n"
    second = (
        f"FROM {busybox}\n{cache} until test -p /c/fifo; do :; done; sleep 0.5; echo > /c/fifo\nCOPY --from=a / /a\n"
    )
    directory = context(box, first + second)
    live = box.spawn("build", "--network", "none", directory, columns=70)
    live.expect(r"\[1/2\] STEP 2/2: RUN [^\r\n]* \d+\.\ds\r\n")
    live.expect("    first")
    live.expect(r"\x1b\[\d+F\x1b\[J")  # drawn again
    live.expect(r"COMMIT\r\n--> [0-9a-f]{12}\r\n[0-9a-f]{64}\r\n")
    live.expect(pexpect.EOF)
    live.close()
    assert live.exitstatus == 0
    again = box.spawn("build", "--network", "none", directory, columns=70)
    again.expect("CACHED")
    again.expect(pexpect.EOF)
    plain = box.spawn("build", "--network", "none", "--progress", "plain", directory)
    plain.expect(r"\[1/2\] --> Using cache ")
    plain.expect(pexpect.EOF)
    assert "\x1b" not in (plain.before or "")


def test_the_live_view_without_colours(box: Pod, busybox: str) -> None:
    directory = context(box, f"FROM {busybox}\nRUN echo said; exit 4\n")
    for more, red in (({}, True), ({"NO_COLOR": "1"}, False)):
        argv, environment = box.argv("build", "--network", "none", directory), box.environment | more
        view = box.on_terminal(argv, environment, rows=24, columns=60, timeout=30)
        view.expect(r"Containerfile:2\r\n")
        assert ("\x1b[31m" in (view.before or "")) == red
        assert "said\r\n" in (view.before or "")
        view.expect("exit status 4")
        view.expect(pexpect.EOF)
        view.close()
        assert view.exitstatus == 4


def test_the_live_view_stays_whole_when_an_image_is_pulled(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS a\nRUN sleep 1\nFROM {busybox}\nRUN sleep 0.2\nCOPY --from=127.0.0.1:1/none:1 / /\n"
    view = box.spawn("build", "--network", "none", "--no-cache", "--retry", "0", context(box, text), columns=70)
    view.expect(pexpect.EOF)
    view.close()
    assert view.exitstatus == 125
    assert screen(view.before or "").count("STEP 2/3: RUN sleep 0.2") == 1


def screen(text: str) -> str:
    """Return what a terminal shows at last, as far as lines come and go."""
    rows = [""]
    for part in re.split(r"(\x1b\[\d*[A-Za-z]|\n)", text.replace("\r", "")):
        if part == "\n":
            rows.append("")
        elif part.endswith("F") and part.startswith("\x1b["):
            rows = [*rows[: len(rows) - 1 - int(part[2:-1])], ""]
        elif not part.startswith("\x1b["):
            rows[-1] += part
    return "\n".join(rows)
