"""An OCI runtime and the container monitor: a bundle goes in, a process comes out."""
