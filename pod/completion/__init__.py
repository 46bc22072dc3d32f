"""What a shell is told when the user presses the tabulator: commands, flags, their values, names of objects.

`pod __complete WORD... CURRENT` prints a candidate a line, with its description after a tabulator, and a last line
`:none`, `:files` (names of files are right too) or `:open` (the word goes on after the candidate).
"""
