"""The runtime spec of a container, config.json."""
