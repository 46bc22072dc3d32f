"""What a Containerfile comes to with the command line's values: global arguments, and the graph of its stages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pod.build.language import expanding, origins
from pod.build.language.instructions import Arg, Instruction
from pod.build.language.parser import TRIGGER
from pod.build.language.predefined import BUILTIN, PROXIES, platform_arguments
from pod.build.stages import graph
from pod.errors import PodError
from storage.platform import host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pod.build.asked.options import BuildOptions
    from pod.build.stages.graph import Node

Some = TypeVar("Some", bound=Instruction)


class Written:
    """A Containerfile for one platform. Raises LanguageError, and PodError for a target that is no stage."""

    def __init__(self, options: BuildOptions) -> None:
        self.options = options
        self._declared: set[str] = set()
        self.known = self._global_arguments()  # what ARG without a default finds
        self.nodes = self._graph()
        self.wanted = graph.target(self.nodes, options.target)

    @property
    def needed(self) -> tuple[int, ...]:
        """The stages that the wanted one needs, and itself, in the order of the file; all if that is asked for."""
        if self.options.unused_stages:
            return tuple(range(self.wanted + 1))
        return graph.needed(self.nodes, self.wanted)

    def source(self, name: str) -> str:
        """Return the image that a name stands for: that of a context, or what the source policy takes in its place.

        Raises PodError for a context that is none, and for what the policy denies.
        """
        place = self.options.contexts.get(name, name)
        if not isinstance(place, str):
            raise PodError(f"the context {name} is a directory, no image")
        return self.options.policy.image(place)

    def expanded(self, instruction: Some, variables: Mapping[str, str], *, trigger: bool = False) -> Some:
        """Return an instruction with its variables replaced; a `trigger` is in no file. Raises LanguageError."""
        file = self.options.containerfile
        escape = file.directives.escape
        if trigger:
            return expanding.expanded(instruction, variables, escape, TRIGGER, (instruction.text,))
        with origins.told(file.pieces):
            return expanding.expanded(instruction, variables, escape, file.name, file.rows)

    def declared(
        self, argument: Arg, variables: Mapping[str, str], known: Mapping[str, str], *, trigger: bool = False
    ) -> dict[str, str]:
        """Return the values that an ARG gives; a `trigger` is in no file. Raises LanguageError."""
        file = self.options.containerfile
        given, escape = self.options.arguments, file.directives.escape
        self._declared.update(name for name, _ in argument.pairs)
        if trigger:
            row = (argument.text,)
            return expanding.declared(argument, variables, given, known, escape=escape, name=TRIGGER, rows=row)
        with origins.told(file.pieces):
            return expanding.declared(argument, variables, given, known, escape=escape, name=file.name, rows=file.rows)

    def notices(self) -> list[str]:
        """Return what is not wrong in the Containerfile, but better mended."""
        file, told = self.options.containerfile, []
        for notice in file.warnings:
            name, line = origins.place(file.pieces, notice.line)
            told.append(f"{name}:{line}: {notice.message}" + (f": {notice.hint}" if notice.hint else ""))
        return told

    def unused_arguments(self) -> list[str]:
        """Return the names of --build-arg that nothing knows, once all stages have ended."""
        stages = self.options.containerfile.stages
        written = (one for stage in stages for one in stage.instructions if isinstance(one, Arg))
        left_out = {name for one in written for name, _ in one.pairs}
        known = {*self._declared, *left_out, *PROXIES, *BUILTIN, *platform_arguments(host(), host())}
        return sorted(self.options.arguments.keys() - known)

    def _global_arguments(self) -> dict[str, str]:
        """Return the values of the platform's ARGs and of those before the first FROM."""
        values = platform_arguments(self.options.platform or host(), host(), self.options.target or "default")
        for argument in self.options.containerfile.arguments:
            values |= self.declared(argument, values, {})
        return values

    def _graph(self) -> tuple[Node, ...]:
        file = self.options.containerfile
        named = [self.expanded(stage.base, self.known) for stage in file.stages]
        found = [base.image for base in named]
        if self.options.base:
            found[0] = self.options.base
        written = [replace(stage, base=base, name=base.name) for stage, base in zip(file.stages, named, strict=True)]
        return graph.graph(written, found, self.options.contexts)
