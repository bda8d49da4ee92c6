"""What a workdir holds: flags.txt, run.json, checkpoints."""
