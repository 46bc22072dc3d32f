"""Layers that are not unpacked: the tar is kept, and an EROFS file system beside it says where everything lies in it.

`nodes` is the tree in memory, `apply` makes it from a tar, `index` writes it down, `keeping` does both for a blob;
`mounting` shows it as directories.
"""
