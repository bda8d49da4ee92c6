"""Translation learnt from pairs by features, texture and content (Armanious et al. 2020)."""
