"""netlink(7) in as little code as starting a container needs: links, addresses, routes, elements of nftables' sets."""
