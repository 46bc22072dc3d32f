"""`pod build`: from a Containerfile and a context to an image."""
