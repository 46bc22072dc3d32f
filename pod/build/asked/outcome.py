"""What the image of a build says of itself besides what its steps came to: labels, annotations, history. Pure.

Source: buildah-build(1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pod.build.asked.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pod.build.language.instructions import Stage
    from pod.build.stages.evaluation import State

CREATED = "org.opencontainers.image.created"
_BASE = "org.opencontainers.image.base"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the command line says; `no_` are names of what the image is not to have, whatever gave it."""

    labels: tuple[tuple[str, str], ...] = ()
    no_labels: tuple[str, ...] = ()
    inherit_labels: bool = True
    layer_labels: tuple[tuple[str, str], ...] = ()  # of stages but the last one
    annotations: tuple[tuple[str, str], ...] = ()
    no_annotations: tuple[str, ...] = ()
    inherit_annotations: bool = True
    created_annotation: bool = True
    no_environment: tuple[str, ...] = ()
    history: bool = True
    save_stages: bool = False
    stage_labels: bool = False

    def inherited(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration that a stage begins with."""
        return {name: value for name, value in config.items() if self.inherit_labels or name != "Labels"}

    def finished(self, state: State) -> State:
        """Return the state of the image that is asked for."""
        config = dict(state.config)
        labels = {**(config.get("Labels") or {}), **dict(self.labels)}
        config["Labels"] = {name: value for name, value in labels.items() if name not in self.no_labels}
        env = state.environment.items()
        config["Env"] = [f"{name}={value}" for name, value in env if name not in self.no_environment]
        return replace(state, config=config, history=self._told(state))

    def _told(self, state: State) -> tuple[Mapping[str, Any], ...]:
        """Return the history, whose last entry tells of other annotations: images with others are to be others."""
        told = "".join(f"|unsetAnnotation={name}" for name in self.no_annotations)
        told += "" if self.inherit_annotations else "|inheritAnnotations=false"
        told += ",".join(f"{name}={value}" for name, value in self.annotations)
        if not told:
            return state.history
        nothing = {"created": moment(state.created), "created_by": "/bin/sh -c #(nop) ", "empty_layer": True}
        *before, last = state.history or (nothing,)
        return (*before, {**last, "created_by": f"{last['created_by']}{told}"})

    def annotations_of(self, state: State) -> dict[str, str]:
        """Return the annotations of the image's manifest."""
        found = dict(state.annotations) if self.inherit_annotations else {}
        found.pop(CREATED, None)
        if self.created_annotation:
            found[CREATED] = moment(state.created)
        return {name: value for name, value in found.items() if name not in self.no_annotations} | dict(
            self.annotations
        )


def with_labels(state: State, labels: Mapping[str, str], *, over: bool = False) -> State:
    """Return a state with further labels, `over` those of the same names or below them."""
    if not labels:
        return state
    own = state.config.get("Labels") or {}
    return replace(state, config={**state.config, "Labels": {**own, **labels} if over else {**labels, **own}})


def of_stage(stage: Stage, base: str) -> dict[str, str]:
    """Return the labels that tell which stage an image is of, and what that stands on."""
    return {"io.buildah.stage.name": stage.name or str(stage.index), "io.buildah.stage.base": base}


def annotations_on(manifest: Mapping[str, Any], name: str, digest: str) -> dict[str, str]:
    """Return the annotations of what is made on an image, by its manifest, full name and digest."""
    own = {f"{_BASE}.digest": digest, f"{_BASE}.name": name}
    return {**(manifest.get("annotations") or {}), **{key: value for key, value in own.items() if value}}
