"""What is trained: one file or folder per translation model."""
