"""The language of Containerfiles: text in, instructions with positions out.

Nothing here touches files or processes, but preprocessing.py, which runs cpp.
lines.py joins continued lines, statements.py takes keyword and flags off one, and the parsers of the instructions
(files.py, commands.py, settings.py) make the dataclasses of instructions.py of it; parser.py puts stages together.
expansion.py replaces variables in a text, expanding.py in an instruction; places.py finds where what is wrong then
is written. The source is Docker's Dockerfile reference
(https://docs.docker.com/reference/dockerfile/); where buildah does otherwise, a comment says so.
"""
