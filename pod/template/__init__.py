"""Go's text/template, as `--format` uses it; syntax and meaning: https://pkg.go.dev/text/template.

lexer.py takes a template apart, parser.py makes nodes of it, rendering.py walks them; values.py and functions.py are
what Go's `reflect`, `fmt` (printf.py) and the functions of podman's reports give.
"""
