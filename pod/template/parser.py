"""The syntax of templates: pieces and words become nodes. Follows Go's text/template/parse, its complaints too."""

from __future__ import annotations

from pod.template import nodes
from pod.template.functions import FUNCTIONS
from pod.template.lexer import TemplateError, Word, pieces, words
from pod.template.values import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.template.nodes import Node, Pipeline

KEYWORDS = ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with")
OPERANDS = ("field", "variable", "name", "string", "number")


class Parser:
    """Reads one template, and the ones that are defined in it."""

    def __init__(self, source: str, name: str) -> None:
        self.name = name
        self.pieces = pieces(source, name)
        self.last_line = source.count("\n") + 1
        self.position = 0
        self.loops = 0
        self.variables = ["$"]
        self.words: list[Word] = []
        self.line = 1
        self.templates: dict[str, list[Node]] = {}

    def parse(self) -> dict[str, list[Node]]:
        """Return the nodes of the template, under its name, and of those that it defines."""
        body: list[Node] = []
        while self.position < len(self.pieces):
            node = self.following()
            if node is not None:
                body.append(node)
            elif self.words and self.words[0].text == "define":
                self.definition()
            elif self.words and self.words[0].text in ("end", "else"):
                if len(self.words) > 1:
                    raise self.unexpected(self.words[1], self.words[0].text)
                raise self.error(f"unexpected {{{{{self.words[0].text}}}}}")
            else:
                body += self.action()
        self.templates[self.name] = body
        return self.templates

    def error(self, message: str) -> TemplateError:
        """Return the error for a template that cannot be read."""
        return TemplateError(f"template: {self.name}:{self.line}: {message}")

    def unexpected(self, word: Word | None, context: str) -> TemplateError:
        """Return the error for a word that cannot be where it is."""
        if word is None:
            return self.error(f'unexpected "}}}}" in {context}')
        self.line = word.line
        told = f"<{word.text}>" if word.text in KEYWORDS or word.text == "." else quoted(word.text[:10])
        return self.error(f"unexpected {told}{'...' if len(word.text) > 10 else ''} in {context}")

    def following(self) -> Node | None:
        """Go on by one piece: return it if it is plain text, else put the action's words in place."""
        plain, source, self.line, column = self.pieces[self.position]
        self.position += 1
        if plain:
            return nodes.Plain(source, self.line, column)
        self.words = words(source, self.name, self.line, column)
        return None

    def block(self) -> tuple[list[Node], str]:
        """Read nodes up to `{{end}}` or `{{else …}}`, whose further words are left."""
        found: list[Node] = []
        while self.position < len(self.pieces):
            node = self.following()
            if node is not None:
                found.append(node)
            elif self.words and self.words[0].text in ("end", "else"):
                keyword = self.words.pop(0).text
                if keyword == "end" and self.words:
                    raise self.unexpected(self.words[0], "end")
                return found, keyword
            else:
                found += self.action()
        self.line = self.last_line
        raise self.error("unexpected EOF")

    def definition(self) -> None:
        """Read `{{define "name"}} … {{end}}`."""
        self.words.pop(0)
        name = self.template_name("define clause")
        if self.words:
            raise self.unexpected(self.words[0], "define clause")
        self.define(name)

    def define(self, name: str) -> None:
        """Read the body of another template."""
        outer, self.variables, loops, self.loops = self.variables, ["$"], self.loops, 0
        body, ending = self.block()
        if ending != "end":
            raise self.error("unexpected {{else}} in define clause")
        self.variables, self.loops = outer, loops
        self.templates[name] = body

    def template_name(self, context: str) -> str:
        """Read a template's name."""
        word = self.words.pop(0) if self.words else None
        if word is None or word.kind != "string":
            raise self.unexpected(word, context)
        return str(word.value)

    def action(self) -> list[Node]:
        """Read one action, with all that belongs to it."""
        first = self.words[0] if self.words else None
        keyword = first.text if first is not None and first.kind == "name" else ""
        if first is not None and keyword in ("if", "with", "range"):
            self.words.pop(0)
            return [self.branch(keyword)]
        if first is not None and keyword in ("break", "continue"):
            if len(self.words) > 1:
                raise self.error(f"unexpected {quoted(self.words[1].text)} in {{{{{keyword}}}}}")
            if not self.loops:
                raise self.error(f"{{{{{keyword}}}}} outside {{{{range}}}}")
            return [nodes.Jump(keyword, first.line, first.column)]
        if first is not None and keyword in ("template", "block"):
            return [self.call(self.words.pop(0))]
        return [nodes.Action(self.pipeline("command"))]

    def call(self, first: Word) -> Node:
        """Read the rest of `{{template "name" value}}`, or of a block, which is defined where it is used."""
        context = f"{first.text} clause"
        at = self.words[0] if self.words else first
        name = self.template_name(context)
        value = self.pipeline(context) if self.words or first.text == "block" else None
        if first.text == "block":
            self.define(name)
        text = f"{{{{template {quoted(name)}{f' {value.text}' if value else ''}}}}}"
        return nodes.Call(text, at.line, at.column, name, value)

    def branch(self, keyword: str) -> Node:
        """Read the rest of if, with or range, to its end."""
        depth = len(self.variables)
        pipeline = self.pipeline(keyword)
        self.loops += keyword == "range"
        body, ending = self.block()
        self.loops -= keyword == "range"
        otherwise: list[Node] = []
        if ending == "else":
            if self.words and self.words[0].text == keyword != "range":
                self.words.pop(0)
                otherwise = [self.branch(keyword)]
            elif self.words:
                raise self.unexpected(self.words[0], "else")
            else:
                otherwise, ending = self.block()
                if ending == "else":
                    raise self.error("expected end; found {{else}}")
        del self.variables[depth:]
        return nodes.Branch(keyword, pipeline, body, otherwise)

    def pipeline(self, context: str, end: str = "") -> Pipeline:
        """Read `$a, $b := command | command`, up to the action's end or a closing parenthesis."""
        names, declares = self.declarations(context) if not end else ([], False)
        commands: list[nodes.Command] = []
        while self.words and self.words[0].text != (end or "}}"):
            if not self.starts_operand(self.words[0]):
                raise self.unexpected(self.words[0], context)
            commands.append(self.command())
        if end:
            if not self.words:
                raise self.error("unclosed left paren")
            self.words.pop(0)
        if not commands:
            raise self.error(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.operands[0], (nodes.Constant, nodes.Dot)):
                raise self.error(f"non executable command in pipeline stage {stage}")
        self.variables += names if declares else []
        return nodes.Pipeline(commands, names, declares=declares)

    def declarations(self, context: str) -> tuple[list[str], bool]:
        """Read the variables before `:=` or `=`; the flag says which of the two."""
        count = 1
        while self.words[2 * count - 1 : 2 * count] and self.words[2 * count - 1].text == ",":
            count += 1
        operator = self.words[2 * count - 1 : 2 * count]
        if not operator or operator[0].text not in (":=", "=", ","):
            return [], False
        variables = self.words[: 2 * count : 2]
        if any(word.kind != "variable" for word in variables):
            return [], False
        if count > (2 if context == "range" else 1):
            raise self.error(f"too many declarations in {context}")
        declares = operator[0].text == ":="
        names = [word.text for word in variables]
        for name in names:
            if not declares and name not in self.variables:
                raise self.error(f'undefined variable "{name}"')
        del self.words[: 2 * count]
        return names, declares

    @staticmethod
    def starts_operand(word: Word) -> bool:
        """Whether a value can begin with the word."""
        if word.kind == "name":
            return word.text == "nil" or word.text not in KEYWORDS
        return word.kind in OPERANDS or word.text in ("(", ".")

    def command(self) -> nodes.Command:
        """Read operands up to `|` (which is taken), a closing parenthesis or the action's end."""
        operands: list[Node] = []
        while self.words:
            word = self.words[0]
            if word.text == "|" and word.kind == "operator":
                self.words.pop(0)
                break
            if word.text == ")" and word.kind == "operator":
                break
            if not self.starts_operand(word) or (operands and word.joined):
                raise self.unexpected(word, "operand")
            operands.append(self.operand())
        return nodes.Command(operands)

    def operand(self) -> Node:
        """Read a value and the fields that are joined to it."""
        word = self.words.pop(0)
        base = self.term(word)
        names: list[str] = []
        at: Word = word
        while self.words and self.words[0].kind == "field" and self.words[0].joined:
            field = self.words.pop(0)
            at = field if not names else at
            names.append(field.text[1:])
        if not names:
            return base
        tail = "".join(f".{name}" for name in names)
        if isinstance(base, nodes.Field):
            return nodes.Field(base.text + tail, at.line, at.column, [*base.names, *names])
        if isinstance(base, nodes.Variable):
            return nodes.Variable(base.text + tail, at.line, at.column, base.variable, names)
        if isinstance(base, (nodes.Constant, nodes.Dot, nodes.Function)):
            raise self.error(f"unexpected . after term {quoted(base.text)}")
        return nodes.Chain(f"({base.text}){tail}", at.line, at.column, base, names)

    def term(self, word: Word) -> Node:
        """Return the node of a value without what follows it."""
        place = word.line, word.column
        if word.kind == "field":
            return nodes.Field(word.text, *place, [word.text[1:]])
        if word.kind == "variable":
            if word.text not in self.variables:
                raise self.error(f'undefined variable "{word.text}"')
            return nodes.Variable(word.text, *place, word.text, [])
        if word.kind in ("string", "number"):
            return nodes.Constant(word.text, *place, word.value, word.kind)
        if word.text == ".":
            return nodes.Dot(".", *place)
        if word.text == "(":
            return self.pipeline("parenthesized pipeline", ")")
        if word.text in ("true", "false", "nil"):
            return nodes.Constant(word.text, *place, word.value, "nil" if word.text == "nil" else "bool")
        if word.text not in FUNCTIONS:
            raise self.error(f'function "{word.text}" not defined')
        return nodes.Function(word.text, *place)
