"""Checks for what must not be: leaks between splits, near duplicates, memorised slices."""
