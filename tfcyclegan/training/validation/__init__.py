"""Scores between epochs: what is computed, on which slices, on every replica, once."""

from tfcyclegan.training.validation.callback import Validation, epochs_between

__all__ = ["Validation", "epochs_between"]
