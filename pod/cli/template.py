"""Go's text/template, as far as `--format` uses it.

A template is read into nodes once and rendered for each object. Objects are plain values: a dict is a struct (a field
that it has not is an error), a `govalues.Map` a map (a missing key has no value), a callable a method, called with the
arguments that follow it. Syntax and meaning: https://pkg.go.dev/text/template.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.cli.govalues import FUNCTIONS, NO_VALUE, GoValueError, Map, text, truth
from pod.cli.templatewords import TemplateError, Word, pieces, words

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Value = Callable[["State"], Any]
    Node = Callable[["State"], None]

BUILT_IN = frozenset(("and", "or", "true", "false", "nil"))


class Break(Exception):
    """`{{break}}`; `{{continue}}` if the flag says so."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


class State:
    """One rendering: what is written so far, the dot, the variables in scope (innermost last)."""

    def __init__(self, root: Any) -> None:
        self.written: list[str] = []
        self.dot = root
        self.variables: list[tuple[str, Any]] = [("$", root)]

    def variable(self, name: str) -> Any:
        """Return a variable's value."""
        return next(value for known, value in reversed(self.variables) if known == name)

    def assign(self, name: str, value: Any) -> None:
        """Change a variable where it was declared."""
        position = max(i for i, (known, _) in enumerate(self.variables) if known == name)
        self.variables[position] = name, value


class Template:
    """A parsed template; `name` and `offset` (of the first line's column) are for error messages."""

    def __init__(self, source: str, *, name: str, offset: int = 0) -> None:
        self.nodes = Parser(source, name, offset).template()

    def render(self, value: Any) -> str:
        """Return the text for one object."""
        state = State(value)
        run(self.nodes, state)
        return "".join(state.written)


def run(nodes: list[Node], state: State) -> None:
    """Render nodes in order; variables that they declare end with them."""
    depth = len(state.variables)
    for node in nodes:
        node(state)
    del state.variables[depth:]


class Parser:
    """Reads a template's pieces: plain text, and the words of actions."""

    def __init__(self, source: str, name: str, offset: int) -> None:
        self.name = name
        self.offset = offset
        self.pieces = pieces(source, name)
        self.position = 0
        self.loops = 0
        self.variables = ["$"]
        self.words: list[Word] = []

    def template(self) -> list[Node]:
        """Read to the end."""
        nodes, ending = self.block()
        if ending is not None:
            raise self.error(f"unexpected {{{{{ending}}}}}")
        return nodes

    def error(self, message: str) -> TemplateError:
        """Return the error for a template that cannot be read."""
        line = self.words[0].line if self.words else 1
        return TemplateError(f"template: {self.name}:{line}: {message}")

    def block(self) -> tuple[list[Node], str | None]:
        """Read nodes up to `{{end}}` or `{{else …}}`, whose words are left; None says that the text ended first."""
        nodes: list[Node] = []
        depth = len(self.variables)
        ending = None
        while ending is None and self.position < len(self.pieces):
            plain, source, line, column = self.pieces[self.position]
            self.position += 1
            if plain:
                nodes.append(writer(source))
                continue
            self.words = words(source, self.name, line, column)
            if self.words and self.words[0].text in ("end", "else"):
                ending = self.words.pop(0).text
            elif self.words:
                nodes.append(self.action())
            else:
                raise TemplateError(f"template: {self.name}:{line}: missing value for command")
        del self.variables[depth:]
        return nodes, ending

    def action(self) -> Node:
        """Read one action, with all that belongs to it."""
        keyword = self.words[0].text
        if keyword in ("if", "with", "range"):
            first = self.words.pop(0)
            self.loops += keyword == "range"
            depth = len(self.variables)
            node = self.control(keyword, first)
            del self.variables[depth:]
            self.loops -= keyword == "range"
            return node
        if keyword in ("break", "continue") and len(self.words) == 1:
            if not self.loops:
                raise self.error(f"{{{{{keyword}}}}} outside {{{{range}}}}")
            return raiser(again=keyword == "continue")
        if keyword in ("define", "block", "template"):
            raise self.error(f"{{{{{keyword}}}}} is not supported")
        names, value = self.pipeline("command")
        if names:
            return lambda state: value(state) and None
        return lambda state: state.written.append(text(value(state)))

    def control(self, keyword: str, first: Word) -> Node:
        """Read the rest of if, with or range, to its end."""
        names, value = self.pipeline(keyword)
        body, ending = self.block()
        otherwise: list[Node] = []
        if ending == "else":
            if self.words and self.words[0].text == keyword != "range":
                nested = self.words.pop(0)
                otherwise = [self.control(keyword, nested)]
                ending = "end"
            else:
                otherwise, ending = self.block()
        if ending != "end":
            self.words = [first]
            raise self.error("unexpected EOF")
        if keyword == "range":
            return Loop(names).node(value, body, otherwise)
        return (condition if keyword == "if" else binding)(value, body, otherwise)

    def pipeline(self, context: str) -> tuple[list[str], Value]:
        """Read `$a, $b := command | command`, up to the action's end; the value also declares or assigns."""
        names, declares = self.declarations(context)
        value = self.commands(context, end="")
        if not names or context == "range":
            self.variables += names if declares else []
            return names, value
        name = names[0]
        if declares:
            self.variables.append(name)
            return names, lambda state: declare(state, name, value(state))
        return names, lambda state: assign(state, name, value(state))

    def declarations(self, context: str) -> tuple[list[str], bool]:
        """Read the variables before `:=` or `=`; the flag says which of the two."""
        for count in (2, 1):
            operator = self.words[2 * count - 1 : 2 * count]
            if not operator or operator[0].text not in (":=", "=") or self.words[0].kind != "variable":
                continue
            names = [word.text for word in self.words[: 2 * count : 2]]
            if count == 2 and context != "range":
                raise self.error(f"too many declarations in {context}")
            declares = operator[0].text == ":="
            for name in names:
                if not declares and name not in self.variables:
                    raise self.error(f'undefined variable "{name}"')
            del self.words[: 2 * count]
            return names, declares
        return [], False

    def commands(self, context: str, *, end: str) -> Value:
        """Read commands joined by `|`, up to a closing parenthesis or the action's end."""
        value = self.command(context, None)
        while self.words and self.words[0].text == "|":
            self.words.pop(0)
            value = self.command(context, value)
        if end:
            if not self.words or self.words[0].text != end:
                raise self.error("unclosed left paren")
            self.words.pop(0)
        elif self.words:
            raise self.error(f'unexpected "{self.words[0].text}" in operand')
        return value

    def command(self, context: str, piped: Value | None) -> Value:
        """Read an operand or a call with its arguments; what is piped in comes last."""
        if not self.words or self.words[0].text in ("|", ")"):
            raise self.error(f"missing value for {context}")
        first = self.words[0]
        if first.kind == "name" and first.text not in ("true", "false", "nil"):
            self.words.pop(0)
            if first.text not in FUNCTIONS and first.text not in BUILT_IN:
                raise self.error(f'function "{first.text}" not defined')
            return self.call(first, [*self.arguments(), *([piped] if piped else [])])
        path = self.operand()
        arguments = [*self.arguments(), *([piped] if piped else [])]
        if not arguments:
            return lambda state: path(state, ())
        return lambda state: path(state, [argument(state) for argument in arguments])

    def arguments(self) -> list[Value]:
        """Read operands up to the command's end."""
        values: list[Value] = []
        while self.words and self.words[0].text not in ("|", ")"):
            first = self.words[0]
            if first.kind == "name" and first.text not in ("true", "false", "nil"):
                self.words.pop(0)
                if first.text not in FUNCTIONS and first.text not in BUILT_IN:
                    raise self.error(f'function "{first.text}" not defined')
                values.append(self.call(first, []))
                continue
            operand = self.operand()
            values.append(lambda state, operand=operand: operand(state, ()))  # type: ignore[misc]
        return values

    def call(self, word: Word, arguments: list[Value]) -> Value:
        """Return the call of a function; `and` and `or` stop as soon as they know."""
        if word.text in ("and", "or"):
            if not arguments:
                raise self.error(f"wrong number of args for {word.text}: want at least 1 got 0")
            return lambda state: decided(arguments, state, until=word.text == "or")
        function = FUNCTIONS[word.text]

        def value(state: State) -> Any:
            given = [argument(state) for argument in arguments]
            try:
                return function(*given)
            except GoValueError as error:
                raise self.failed(word, str(error)) from None
            except (TypeError, AttributeError, ValueError) as error:
                raise self.failed(word, f"wrong number or type of args for {word.text}") from error

        return value

    def operand(self) -> Callable[[State, Any], Any]:
        """Read a value and the fields after it; the last field may be a method, hence the arguments."""
        word = self.words.pop(0)
        base: Value
        if word.kind == "field":
            self.words.insert(0, Word("field", word.text, True, word.line, word.column))
            base = current
        elif word.text == "(":
            base = self.commands("parenthesized pipeline", end=")")
        elif word.kind == "variable":
            if word.text not in self.variables:
                raise self.error(f'undefined variable "{word.text}"')
            name = word.text
            base = lambda state: state.variable(name)  # noqa: E731
        elif word.kind in ("string", "number", "name"):
            constant = word.value
            base = lambda state: constant  # noqa: E731
        elif word.text == ".":
            base = current
        else:
            raise self.error(f'unexpected "{word.text}" in operand')
        fields: list[Word] = []
        while self.words and self.words[0].kind == "field" and self.words[0].joined:
            fields.append(self.words.pop(0))
        return lambda state, given: self.chain(base(state), fields, given)

    def chain(self, value: Any, fields: list[Word], given: Any) -> Any:
        """Return what the fields lead to, calling methods on the way."""
        if not fields and given:
            raise TemplateError(f"template: {self.name}: can't give argument to non-function")
        for position, word in enumerate(fields):
            value = self.field(value, word)
            last = position == len(fields) - 1
            if callable(value):
                value = value(*(given if last else ()))
            elif last and given:
                raise self.failed(word, f"{word.text[1:]} has arguments but cannot be invoked as function")
        return value

    def field(self, value: Any, word: Word) -> Any:
        """Return one field of a value."""
        name = word.text[1:]
        if value is NO_VALUE or value is None:
            raise self.failed(word, f"nil data; no entry for key {name!r}".replace("'", '"'))
        if isinstance(value, dict):
            if name in value:
                return value[name]
            if isinstance(value, Map):
                return NO_VALUE
        elif not isinstance(value, (str, int, float, list, tuple)) and not name.startswith("_"):
            found = getattr(value, name, NO_VALUE)
            if found is not NO_VALUE:
                return found
        raise self.failed(word, f"can't evaluate field {name} in type {type_name(value, self.name)}")

    def failed(self, word: Word, message: str) -> TemplateError:
        """Return the error for a template that cannot be rendered."""
        column = word.column + (self.offset if word.line == 1 else 0)
        place = f"{self.name}:{word.line}:{column}"
        return TemplateError(f'template: {place}: executing "{self.name}" at <{word.text}>: {message}')


def type_name(value: Any, entity: str) -> str:
    """Return how Go might call the type of a value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (list, tuple)):
        return "[]string"
    return {str: "string", int: "int", float: "float64"}.get(type(value), f"*{entity}")


def current(state: State) -> Any:
    """Return the dot."""
    return state.dot


def writer(plain: str) -> Node:
    """Return the node of plain text."""
    return lambda state: state.written.append(plain)


def raiser(*, again: bool) -> Node:
    """Return the node of `break` or `continue`."""

    def node(state: State) -> None:
        raise Break(again=again)

    return node


def declare(state: State, name: str, value: Any) -> Any:
    """`$name := value`."""
    state.variables.append((name, value))
    return value


def assign(state: State, name: str, value: Any) -> Any:
    """`$name = value`."""
    state.assign(name, value)
    return value


def decided(arguments: list[Value], state: State, *, until: bool) -> Any:
    """Return the first value whose truth is `until`, else the last."""
    value = None
    for argument in arguments:
        value = argument(state)
        if truth(value) is until:
            break
    return value


def condition(value: Value, body: list[Node], otherwise: list[Node]) -> Node:
    """`if`."""

    def node(state: State) -> None:
        depth = len(state.variables)
        run(body if truth(value(state)) else otherwise, state)
        del state.variables[depth:]

    return node


def binding(value: Value, body: list[Node], otherwise: list[Node]) -> Node:
    """`with`: the dot is the value, if it is true."""

    def node(state: State) -> None:
        depth = len(state.variables)
        found, outer = value(state), state.dot
        if truth(found):
            state.dot = found
            run(body, state)
            state.dot = outer
        else:
            run(otherwise, state)
        del state.variables[depth:]

    return node


class Loop:
    """`range`: the dot, and the variables if there are any, are each element in turn."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def node(self, value: Value, body: list[Node], otherwise: list[Node]) -> Node:
        """Return the node."""

        def node(state: State) -> None:
            elements = pairs(value(state))
            if not elements:
                run(otherwise, state)
                return
            outer, depth = state.dot, len(state.variables)
            for key, element in elements:
                state.variables += self.declared(key, element)
                state.dot = element
                again = self.once(body, state)
                del state.variables[depth:]
                if not again:
                    break
            state.dot = outer

        return node

    def declared(self, key: Any, element: Any) -> list[tuple[str, Any]]:
        """Return the loop's variables: `$element`, or `$key, $element`."""
        return list(zip(self.names, [key, element] if len(self.names) == 2 else [element], strict=False))

    def once(self, body: list[Node], state: State) -> bool:
        """Render the body; False if that broke the loop."""
        try:
            run(body, state)
        except Break as end:
            return end.again
        return True


def pairs(value: Any) -> list[tuple[Any, Any]]:
    """Return the keys and elements that `range` goes over."""
    if value is None or value is NO_VALUE:
        return []
    if isinstance(value, dict):
        return sorted(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return [(i, i) for i in range(value)]
    raise TemplateError(f"range can't iterate over {text(value)}")
