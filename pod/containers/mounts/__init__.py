"""A container's mounts: what flags say, which ones it gets, and their sources."""
