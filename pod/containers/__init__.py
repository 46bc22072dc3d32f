"""Containers: what they are created from, their life, and lists of them; a folder for each further subject."""
