"""Images from random numbers (Kossen et al. 2021)."""
