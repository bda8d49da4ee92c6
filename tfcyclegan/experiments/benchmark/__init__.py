"""Speed of each part, as a ratio to a reference."""
