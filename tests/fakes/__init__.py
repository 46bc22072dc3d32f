"""Servers that misbehave on demand."""
