"""What is left of containers whose records, monitor or command are gone."""
