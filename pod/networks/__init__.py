"""Networks: what they are, who is on them, and how a container's network namespace gets its interfaces."""
