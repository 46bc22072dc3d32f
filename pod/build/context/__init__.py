"""What a build copies: contexts, which of their files, what these are told apart by, and copying them."""
