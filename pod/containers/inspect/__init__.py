"""Containers as `inspect` tells them."""
