"""Containers' logs: where they are kept, and reading them."""
