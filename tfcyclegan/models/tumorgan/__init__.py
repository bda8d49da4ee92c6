"""Images of label masks (after the idea of Li et al. 2020)."""
