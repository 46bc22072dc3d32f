"""A container's devices: of the host, and of CDI's spec files."""
