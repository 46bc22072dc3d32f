"""What a parsed template consists of; each node knows its place and its text, for error messages."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Node:
    """A part of a template: where it begins, and how Go writes it."""

    def __init__(self, text: str, line: int, column: int) -> None:
        self.text = text
        self.line = line
        self.column = column


class Plain(Node):
    """Text that is copied."""


class Constant(Node):
    """A number, string, boolean or nil."""

    def __init__(self, text: str, line: int, column: int, value: Any, kind: str) -> None:
        super().__init__(text, line, column)
        self.value = value
        self.kind = kind  # number, string, bool, nil


class Dot(Node):
    """`.`, the current value."""


class Field(Node):
    """`.A.B`, from the dot."""

    def __init__(self, text: str, line: int, column: int, names: list[str]) -> None:
        super().__init__(text, line, column)
        self.names = names


class Variable(Node):
    """`$x.A.B`."""

    def __init__(self, text: str, line: int, column: int, variable: str, names: list[str]) -> None:
        super().__init__(text, line, column)
        self.variable = variable
        self.names = names


class Chain(Node):
    """`(…).A.B`."""

    def __init__(self, text: str, line: int, column: int, base: Node, names: list[str]) -> None:
        super().__init__(text, line, column)
        self.base = base
        self.names = names


class Function(Node):
    """The name of a function."""


class Command(Node):
    """An operand, or a call with its arguments."""

    def __init__(self, operands: list[Node]) -> None:
        first = operands[0]
        text = " ".join(f"({one.text})" if isinstance(one, Pipeline) else one.text for one in operands)
        super().__init__(text, first.line, first.column)
        self.operands = operands


class Pipeline(Node):
    """Commands joined by `|`, and the variables that their value is given to."""

    def __init__(self, commands: list[Command], variables: list[str], *, declares: bool) -> None:
        first = commands[0]
        sign = f"{', '.join(variables)} {':=' if declares else '='} " if variables else ""
        super().__init__(sign + " | ".join(one.text for one in commands), first.line, first.column)
        self.commands = commands
        self.variables = variables
        self.declares = declares


class Action(Node):
    """`{{pipeline}}`."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline.text, pipeline.line, pipeline.column)
        self.pipeline = pipeline


class Branch(Node):
    """`if`, `with` or `range`, by its keyword."""

    def __init__(self, keyword: str, pipeline: Pipeline, body: list[Node], otherwise: list[Node]) -> None:
        super().__init__(pipeline.text, pipeline.line, pipeline.column)
        self.keyword = keyword
        self.pipeline = pipeline
        self.body = body
        self.otherwise = otherwise


class Jump(Node):
    """`break` or `continue`, by its text."""


class Call(Node):
    """`{{template "name" pipeline}}`."""

    def __init__(self, text: str, line: int, column: int, name: str, pipeline: Pipeline | None) -> None:
        super().__init__(text, line, column)
        self.name = name
        self.pipeline = pipeline
