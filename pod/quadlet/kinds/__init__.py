"""The kinds of files, a module for each.

A module has two functions: `resource_name(unit)`, by which name others know what the service makes (of the file alone),
and `convert(unit)`, which fills `unit.service`. Neither raises anything: problems are told by `unit.error` and
`unit.warn`, and the conversion goes on, so that all of them are told.
"""
