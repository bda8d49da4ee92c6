"""Translation learnt from pairs, in one direction or in both (Isola et al. 2017)."""
