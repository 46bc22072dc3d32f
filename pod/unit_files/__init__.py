"""Units of systemd that run containers and pods which are there (`generate systemd`)."""
