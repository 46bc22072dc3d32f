"""Published ports of a rootless container: a process that listens on the host and connects in another namespace."""
