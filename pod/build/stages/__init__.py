"""Stages: which there are (written.py, graph.py), each taken to its end (stepping.py), side by side (scheduling.py)."""
