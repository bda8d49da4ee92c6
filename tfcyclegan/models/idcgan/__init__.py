"""Translation learnt from pairs by squared errors and by features (Zhang et al. 2017)."""
