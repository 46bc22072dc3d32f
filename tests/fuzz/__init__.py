"""Fuzzing by coverage (atheris): `python -m tests.fuzz TARGET [OPTION...] [CORPUS]`; targets.py lists the targets."""
