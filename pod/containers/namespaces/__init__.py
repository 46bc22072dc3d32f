"""A container's namespaces: which, joined from whom, with what map of IDs and which kernel parameters."""
