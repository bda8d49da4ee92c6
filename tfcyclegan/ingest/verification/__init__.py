"""What a finished output holds, read from its bytes."""
