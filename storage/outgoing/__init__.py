"""Images on their way out: to registries and files.

`image` copies one out, layer by layer (`layer`, `compressing`); `push` and `push_list` bring an image, or a list of
them, to a registry.
"""
