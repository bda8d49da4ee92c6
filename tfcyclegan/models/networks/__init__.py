"""Generators, discriminators and their layers, with fast forms for a CPU."""
