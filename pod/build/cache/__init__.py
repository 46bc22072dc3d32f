"""What steps came to before: by which key it is known (keys.py), and looked for in registries (registries.py)."""
