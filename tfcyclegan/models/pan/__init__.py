"""Translation learnt from what a discriminator sees of pairs (Wang et al. 2018)."""
