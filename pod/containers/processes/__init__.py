"""The processes of containers, as the host sees them."""
