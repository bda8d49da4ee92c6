"""What an evaluation says, one question a file."""
