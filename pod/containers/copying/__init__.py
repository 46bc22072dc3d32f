"""`cp`: files and directories between the host and containers."""
