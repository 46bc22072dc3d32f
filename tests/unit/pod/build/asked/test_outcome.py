"""Labels, annotations and history of an image, as flags of `build` change them."""

from __future__ import annotations

from typing import Any

from pod.build.asked.outcome import Outcome, annotations_on, with_labels
from pod.build.results.basis import full_name
from pod.build.stages.evaluation import State
from storage.images import Image

CREATED = "org.opencontainers.image.created"
STATE = State(
    key="k",
    config={"Labels": {"a": "1", "b": "2"}, "Env": ["X=1", "Y=2"]},
    annotations={"c": "3", CREATED: "old"},
    history=({"created_by": "one"}, {"created_by": "two"}),
    created=7.0,
)


def finished(**said: Any) -> State:
    return Outcome(**said).finished(STATE)


def test_labels_and_variables() -> None:
    assert finished().config == STATE.config
    assert finished(labels=(("b", "x"), ("d", "4"))).config["Labels"] == {"a": "1", "b": "x", "d": "4"}
    assert finished(labels=(("d", "4"),), no_labels=("a", "d")).config["Labels"] == {"b": "2"}
    assert finished(no_environment=("X",)).config["Env"] == ["Y=2"]
    assert Outcome().inherited(STATE.config) == STATE.config
    assert Outcome(inherit_labels=False).inherited(STATE.config) == {"Env": ["X=1", "Y=2"]}
    assert with_labels(STATE, {"a": "x", "z": "26"}).config["Labels"] == {"a": "1", "z": "26", "b": "2"}
    assert with_labels(STATE, {"a": "x"}, over=True).config["Labels"] == {"a": "x", "b": "2"}


def test_annotations() -> None:
    made = "1970-01-01T00:00:07Z"
    assert Outcome().annotations_of(STATE) == {"c": "3", CREATED: made}
    assert Outcome(created_annotation=False).annotations_of(STATE) == {"c": "3"}
    assert Outcome(inherit_annotations=False).annotations_of(STATE) == {CREATED: made}
    own = Outcome(annotations=(("c", "x"), ("d", "4")), no_annotations=("c", CREATED))
    assert own.annotations_of(STATE) == {"c": "x", "d": "4"}
    assert annotations_on({"annotations": {"a": "b"}}, "", "sha256:1") == {
        "a": "b",
        "org.opencontainers.image.base.digest": "sha256:1",
    }


def test_images_with_other_annotations_are_others() -> None:
    """Nothing of a config tells of annotations but its history."""
    assert finished().history == STATE.history
    told = {
        str(finished(**said).history[-1]["created_by"])
        for said in ({"annotations": (("a", "b"),)}, {"no_annotations": ("a",)}, {"inherit_annotations": False})
    }
    assert told == {"twoa=b", "two|unsetAnnotation=a", "two|inheritAnnotations=false"}
    [entry] = Outcome(annotations=(("a", "b"),)).finished(State(key="k", created=7.0)).history
    assert entry["empty_layer"]
    assert entry["created_by"] == "/bin/sh -c #(nop) a=b"


def test_full_names_of_what_is_below() -> None:
    image = Image(("id", "", "", b"", b"", 0, 0.0, "", ""), ["reg.io/a/box:latest", "reg.io/a/box:1"], [], [])
    assert full_name(image, "box") == full_name(image, "a/box") == "reg.io/a/box:latest"
    assert full_name(image, "box:1") == full_name(image, "reg.io/a/box:1") == "reg.io/a/box:1"
    assert full_name(image, "ox") == full_name(image, "id") == ""
