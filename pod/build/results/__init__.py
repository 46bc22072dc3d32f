"""What a build gives: an image in the store (committing.py), or its files or itself elsewhere."""
