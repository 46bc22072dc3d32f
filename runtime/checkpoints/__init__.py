"""Checkpoint and restore of a container by CRIU (criu(8)): its RPC, what both directions need, and each of them."""
