"""Translation learnt from pairs that need not lie on each other (Kong et al. 2021)."""
