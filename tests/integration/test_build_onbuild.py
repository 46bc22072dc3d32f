"""ONBUILD: triggers of images and of stages, and what they take of other stages."""

from __future__ import annotations

from tests.fixtures.command import Pod
from tests.integration.test_build import build, inspect, run

DOCKER = ("--format", "docker")


def test_a_stage_with_triggers_below_another(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox} AS below
ONBUILD COPY file /file
ONBUILD RUN cat /file /file > /twice
ONBUILD LABEL fired=yes
RUN echo own > /own
FROM below AS middle
RUN cat /own /twice > /all
FROM middle
RUN echo end >> /all
"""
    build(box, text, *DOCKER, "-t", "made", files={"file": "f\n"})
    assert run(box, "made", "cat", "/all") == "own\nf\nf\nend"
    config = inspect(box, "made")["Config"]
    assert config["Labels"]["fired"] == "yes"
    assert not config.get("OnBuild")  # they fire once
    build(box, text, *DOCKER, "--target", "below", "-t", "below", files={"file": "f\n"})
    assert len(inspect(box, "below")["Config"]["OnBuild"]) == 3
    # The format of OCI has no place for triggers, in a stage either.
    oci = build(box, f"FROM {busybox} AS below\nONBUILD RUN false\nFROM below\nRUN true\n")
    assert "ONBUILD is not supported for OCI image format" in oci.stderr


def test_triggers_that_take_files_of_stages(box: Pod, busybox: str) -> None:
    below = f"FROM {busybox}\nONBUILD COPY --from=files /a /a\nONBUILD RUN --mount=from=0,target=/m cp /m/b /b\n"
    build(box, below, *DOCKER, "-t", "below")
    above = f"""\
FROM {busybox}
RUN echo zero > /b
FROM {busybox} AS files
RUN echo named > /a
FROM localhost/below AS first
RUN cat /a /b > /said
FROM first
RUN cat /said
"""
    build(box, above, "-t", "above")
    assert run(box, "above", "cat", "/said") == "named\nzero"
    late = f"""\
FROM {busybox} AS below
ONBUILD COPY --from=files /a /a
FROM {busybox} AS files
RUN echo later > /a
FROM below
RUN cp /a /said
"""
    build(box, late, *DOCKER, "-t", "late")
    assert run(box, "late", "cat", "/said") == "later"


def test_triggers_that_fail(box: Pod, busybox: str) -> None:
    build(box, f"FROM {busybox}\nONBUILD COPY --from=files /a /a\n", *DOCKER, "-t", "below")
    failed = build(box, "FROM localhost/below\nRUN true\n", "--pull=never", check=False)
    assert failed.code == 125
    assert 'building at STEP "COPY --from=files /a /a"' in failed.stderr
    build(box, f"FROM {busybox}\nONBUILD USER ${{who:?whose}}\n", *DOCKER, "-t", "below")
    failed = build(box, "FROM localhost/below\nRUN true\n", "--pull=never", check=False)
    # The trigger is in no file of this build.
    assert 'Error: building at STEP "USER ${who:?whose}": ONBUILD:1:6: who: whose' in failed.stderr
