"""What became of every object of an input."""
