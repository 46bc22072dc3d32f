"""A container's files from outside: what changed, exporting, committing, mounting them on the host."""
