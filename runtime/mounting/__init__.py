"""What a container sees mounted: options, new file systems, bind mounts, cgroups, masked paths, its root."""
