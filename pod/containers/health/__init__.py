"""Health checks of containers: what is asked for, what is told of them, one check at once."""
