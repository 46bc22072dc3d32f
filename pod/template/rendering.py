"""Rendering a template for a value. Follows Go's text/template/exec, its complaints too.

Objects are plain values: a dict is a struct (a field that it has not is an error), a `values.Map` a map (a missing key
has no value), a callable a method, called with the arguments that follow it.
"""

from __future__ import annotations

from pod.template import nodes
from pod.template.functions import FUNCTIONS, Signature
from pod.template.lexer import TemplateError
from pod.template.parser import Parser
from pod.template.values import NO_VALUE, GoValueError, Map, text, truth, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from pod.template.nodes import Node

DEEPEST = 100  # templates that call each other


class Template:
    """A parsed template; `name`, `type` and `offset` (of the first line's column) are for error messages."""

    def __init__(self, source: str, *, name: str, offset: int = 0, type: str = "") -> None:
        self.name = name
        self.offset = offset
        self.type = type
        try:
            self.templates = Parser(source, name).parse()
        except RecursionError:
            raise TemplateError(f"template: {name}: nested too deeply") from None

    def render(self, value: Any) -> str:
        """Return the text for one object. Raises TemplateError."""
        written: list[str] = []
        try:
            Rendering(self, self.name, value, written).run(self.templates[self.name])
        except RecursionError:
            raise TemplateError(f"template: {self.name}: nested too deeply") from None
        return "".join(written)


class Jump(Exception):
    """`{{break}}`; `{{continue}}` if the flag says so."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


class Rendering:
    """One walk through the nodes: the dot, the variables in scope (innermost last), what is written so far."""

    def __init__(self, template: Template, name: str, root: Any, written: list[str], depth: int = 0) -> None:
        self.template = template
        self.name = name
        self.root = root
        self.dot = root
        self.variables: list[tuple[str, Any]] = [("$", root)]
        self.written = written
        self.depth = depth

    def error(self, node: Node, message: str) -> TemplateError:
        """Return the error for a node that cannot be rendered."""
        column = node.column + (self.template.offset if node.line == 1 else 0)
        place = f"{self.template.name}:{node.line}:{column}"
        return TemplateError(f'template: {place}: executing "{self.name}" at <{node.text}>: {message}')

    def run(self, block: Sequence[Node]) -> None:
        """Render nodes in order; variables that they declare end with them."""
        depth = len(self.variables)
        for node in block:
            self.render(node)
        del self.variables[depth:]

    def render(self, node: Node) -> None:
        """Render one node."""
        if isinstance(node, nodes.Plain):
            self.written.append(node.text)
        elif isinstance(node, nodes.Action):
            value = self.value(node.pipeline)
            if not node.pipeline.variables:
                self.written.append(text(value))
        elif isinstance(node, nodes.Jump):
            raise Jump(again=node.text == "continue")
        elif isinstance(node, nodes.Call):
            self.call(node)
        elif isinstance(node, nodes.Branch):
            depth = len(self.variables)
            if node.keyword == "range":
                self.loop(node)
            else:
                self.branch(node)
            del self.variables[depth:]

    def call(self, node: nodes.Call) -> None:
        """Render another template."""
        body = self.template.templates.get(node.name)
        if body is None:
            raise self.error(node, f'template "{node.name}" not defined')
        if self.depth == DEEPEST:
            raise self.error(node, f"exceeded maximum template depth ({DEEPEST})")
        value = self.value(node.pipeline) if node.pipeline is not None else NO_VALUE
        Rendering(self.template, node.name, value, self.written, self.depth + 1).run(body)

    def branch(self, node: nodes.Branch) -> None:
        """Render if or with: for the latter the dot is the value, if it is true."""
        value, outer = self.value(node.pipeline), self.dot
        if not truth(value):
            self.run(node.otherwise)
            return
        if node.keyword == "with":
            self.dot = value
        self.run(node.body)
        self.dot = outer

    def loop(self, node: nodes.Branch) -> None:
        """Render range: the dot, and the variables if there are any, are each element in turn."""
        elements = self.elements(node)
        if not elements:
            self.run(node.otherwise)
            return
        outer, depth, names = self.dot, len(self.variables), node.pipeline.variables
        for key, element in elements:
            for name, value in zip(names, (key, element) if len(names) == 2 else (element,), strict=False):
                self.give(name, value, declares=node.pipeline.declares)
            self.dot = element
            try:
                self.run(node.body)
            except Jump as jump:
                if not jump.again:
                    break
            finally:
                del self.variables[depth:]
        self.dot = outer

    def elements(self, node: nodes.Branch) -> Iterable[tuple[Any, Any]]:
        """Return the keys and elements that `range` goes over."""
        value = self.commands(node.pipeline)
        if value is None or value is NO_VALUE:
            return []
        if isinstance(value, Map):
            return [(key, NO_VALUE if item is None else item) for key, item in sorted(value.items())]
        if isinstance(value, (list, tuple)):
            return list(enumerate(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return zip(range(value), range(value), strict=True) if value > 0 else ()
        raise self.error(node, f"range can't iterate over {text(value)}")

    def give(self, name: str, value: Any, *, declares: bool) -> None:
        """Declare a variable, or change it where it was declared."""
        if declares:
            self.variables.append((name, value))
            return
        position = max(i for i, (known, _) in enumerate(self.variables) if known == name)
        self.variables[position] = name, value

    def value(self, pipeline: nodes.Pipeline) -> Any:
        """Return a pipeline's value, which its variable is given too."""
        value = self.commands(pipeline)
        for name in pipeline.variables:
            self.give(name, value, declares=pipeline.declares)
        return value

    def commands(self, pipeline: nodes.Pipeline) -> Any:
        """Return the value of the last command; each one's is the last argument of the next."""
        given: list[Any] = []
        for command in pipeline.commands:
            given = [self.command(command, given)]
        return given[0]

    def command(self, command: nodes.Command, piped: list[Any]) -> Any:
        """Return the value of a command."""
        first, rest = command.operands[0], command.operands[1:]
        if isinstance(first, nodes.Function):
            return self.function(command, first, rest, piped)
        if isinstance(first, (nodes.Field, nodes.Variable, nodes.Chain)) and self.names(first):
            return self.path(first, rest, piped)
        if rest or piped:
            raise self.error(first, f"can't give argument to non-function {first.text}")
        if isinstance(first, nodes.Constant) and first.kind == "nil":
            raise self.error(first, "nil is not a command")
        return self.operand(first)

    @staticmethod
    def names(node: Node) -> list[str]:
        """Return the fields that a node asks for."""
        return getattr(node, "names", [])

    def operand(self, node: Node) -> Any:
        """Return the value of an operand that is given no arguments."""
        if isinstance(node, nodes.Constant):
            return node.value
        if isinstance(node, nodes.Dot):
            return self.dot
        if isinstance(node, nodes.Pipeline):
            return self.value(node)
        if isinstance(node, nodes.Function):
            return self.function(nodes.Command([node]), node, [], [])
        return self.path(node, [], [])

    def path(self, node: Node, arguments: list[Node], piped: list[Any]) -> Any:
        """Return what fields lead to, calling methods on the way; the last takes the arguments."""
        at, value = node, self.dot
        if isinstance(node, nodes.Variable):
            value = next(value for known, value in reversed(self.variables) if known == node.variable)
        elif isinstance(node, nodes.Chain):
            value, at = self.operand(node.base), self.last(node.base)
        names = self.names(node)
        for position, name in enumerate(names):
            value = self.field(at, value, name)
            last = position == len(names) - 1
            given = [self.operand(one) for one in arguments] + piped if last else []
            if callable(value):
                value = self.method(at, name, value, given)
            elif given:
                raise self.error(at, f"{name} has arguments but cannot be invoked as function")
        return value

    def last(self, node: Node) -> Node:
        """Return the operand that was looked at last, which is the one that Go names in an error."""
        while isinstance(node, nodes.Pipeline):
            node = node.commands[-1].operands[-1]
        return node

    def method(self, at: Node, name: str, method: Callable[..., Any], given: list[Any]) -> Any:
        """Call a method."""
        code = getattr(getattr(method, "__func__", method), "__code__", None)
        if code is not None:
            wanted = code.co_argcount - len(method.__defaults__ or ()) - hasattr(method, "__self__")
            if wanted != len(given):
                raise self.error(at, f"wrong number of args for {name}: want {wanted} got {len(given)}")
        try:
            return method(*given)
        except (TypeError, AttributeError, GoValueError) as error:
            raise self.error(at, f"error calling {name}: {error}") from error

    def field(self, at: Node, value: Any, name: str) -> Any:
        """Return one field of a value."""
        if value is NO_VALUE:
            if self.dot is NO_VALUE or self.dot is None:
                raise self.error(at, f'nil data; no entry for key "{name}"')
            return NO_VALUE
        if value is None:
            raise self.error(at, f"nil pointer evaluating interface {{}}.{name}")
        if isinstance(value, dict):
            if name in value:
                found = value[name]
                return NO_VALUE if found is None and isinstance(value, Map) else found
            if isinstance(value, Map):
                return NO_VALUE
        elif not isinstance(value, (str, int, float, list, tuple)) and name[:1].isupper():
            found = getattr(value, name, NO_VALUE)
            if found is not NO_VALUE:
                return found
        known = self.template.type if value is self.root and self.template.type else type_name(value)
        raise self.error(at, f"can't evaluate field {name} in type {known}")

    def function(self, command: nodes.Command, name: Node, operands: list[Node], piped: list[Any]) -> Any:
        """Call a function; `and` and `or` stop as soon as they know."""
        signature = FUNCTIONS[name.text]
        count = len(operands) + len(piped)
        if count < signature.least or (signature.most is not None and count > signature.most):
            least = f"at least {signature.least}" if signature.most is None else str(signature.least)
            raise self.error(name, f"wrong number of args for {name.text}: want {least} got {count}")
        if name.text in ("and", "or"):
            return self.decided(operands, piped, until=name.text == "or")
        given = [self.argument(signature, i, operand) for i, operand in enumerate(operands)]
        for value in piped:
            given.append(self.checked(signature, len(given), value, operands[-1] if operands else name))
        try:
            return signature.function(*given)
        except GoValueError as error:
            raise self.error(command, f"error calling {name.text}: {error}") from None
        except (TypeError, AttributeError, ValueError, OverflowError) as error:
            raise self.error(command, f"error calling {name.text}: {error}") from error

    def argument(self, signature: Signature, position: int, node: Node) -> Any:
        """Return the value of an argument, of the type that the function takes."""
        wanted = signature.type(position)
        if isinstance(node, nodes.Constant) and wanted != "any":
            fits = {"number": ("int",), "string": ("string",)}.get(node.kind, ())
            if wanted not in fits or (wanted == "int" and not isinstance(node.value, int)):
                if wanted.startswith("[]"):
                    raise self.error(node, f"can't handle {node.text} for arg of type {wanted}")
                raise self.error(node, f"expected {'integer' if wanted == 'int' else wanted}; found {node.text}")
        return self.checked(signature, position, self.operand(node), node)

    def checked(self, signature: Signature, position: int, value: Any, node: Node) -> Any:
        """Return the value, if it is of the type that the function takes."""
        wanted = signature.type(position)
        fits = (
            wanted == "any"
            or (wanted == "string" and isinstance(value, str))
            or (wanted == "int" and isinstance(value, int) and not isinstance(value, bool))
            or (wanted == "[]string" and (value is None or type_name(value) == wanted))
        )
        if not fits:
            raise self.error(node, f"wrong type for value; expected {wanted}; got {type_name(value)}")
        return value

    def decided(self, operands: list[Node], piped: list[Any], *, until: bool) -> Any:
        """Return the first value whose truth is `until`, else the last."""
        value: Any = None
        for operand in operands:
            value = self.operand(operand)
            if truth(value) is until:
                return value
        return piped[0] if piped else value
