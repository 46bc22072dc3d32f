"""A container's root file system as its monitor makes it, from layers or a directory of the host."""
