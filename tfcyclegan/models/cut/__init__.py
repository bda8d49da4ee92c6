"""One-way translation from unpaired images, kept by a contrastive loss (Park et al. 2020)."""
