"""Images as commands pull, change, list and remove them; the store itself is the package `storage`."""
