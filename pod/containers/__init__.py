"""Containers: what they are created from, their life, and what is told of them."""
