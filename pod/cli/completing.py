"""`pod __complete`: what the scripts of `pod completion` ask at every press of the tabulator."""

from __future__ import annotations


def main(args: list[str]) -> int:
    """Print what the last word may become; never a word of complaint."""
    import sys

    from pod.completion.proposals import propose

    described = True
    if args[:1] == ["--no-desc"]:
        described, args = False, args[1:]
    found = propose(args)
    lines = []
    for name, text in found.candidates:
        # The terminal shows it: what a name may hold is no control character, but an image's label could be.
        words = "".join(letter if letter.isprintable() else " " for letter in text) if described else ""
        lines.append(f"{name}\t{words}\n" if words else f"{name}\n")
    sys.stdout.write("".join(lines) + f":{found.directive}\n")
    return 0
