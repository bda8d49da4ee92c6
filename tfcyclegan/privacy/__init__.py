"""What may leave an input: keyed pseudonyms, closed vocabularies, and nothing else."""
