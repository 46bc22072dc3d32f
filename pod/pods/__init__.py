"""Pods: containers that share namespaces, which an infra container holds; they are started and removed together."""
