"""Devices, the workers of TF_CONFIG, and the state of each replica."""
