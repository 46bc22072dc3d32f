"""The monitor: one small process per container that pumps its output, serves attach, and records its exit."""
