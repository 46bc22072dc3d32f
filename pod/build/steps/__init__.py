"""What a step does: RUN (running.py), COPY and ADD (copying.py), over an overlay of its own (snapshots.py)."""
