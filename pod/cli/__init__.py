"""The command line: modules here parse and print, nothing more."""
