"""The command line of `pod-runtime`: one module a verb, which parses and prints; the library below does the work.

Only this package and `runtime.__main__` read the environment and print. `table` lists the verbs and their options.
"""
