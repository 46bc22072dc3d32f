"""What a container may: capabilities, labels, seccomp."""
