"""A container's limits, where its cgroup is, and what it uses."""
