"""`auto-update`: containers whose units are restarted when there is a newer image (podman-auto-update(1))."""
