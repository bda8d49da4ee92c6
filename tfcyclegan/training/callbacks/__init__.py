"""What happens between the steps and epochs of a run, one callback a file."""
