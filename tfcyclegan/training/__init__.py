"""A run, from its first weights to its end."""
