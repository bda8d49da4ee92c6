"""CycleGAN: its train step, its objective and its discriminators."""
