"""Layers: apply the tar of a blob to a directory, and make the very same tar again.

`unpacking` does it in this process, `worker` in one of its own; `complete` adds what lower layers give;
`rebuild` makes the tar again. Nothing here is imported before it is used: it is off the run path.
"""
