"""Feature extractors for distribution metrics, and the names their distances may bear.

`make_extractor` builds one by name, `register` adds one. None is blessed: an ImageNet network ranks
MR images consistently with readers (Woodland et al. 2024, arXiv:2311.13717), a random network needs
no weights at all (Naeem et al. 2020, arXiv:2002.09797).
"""

from tfcyclegan.metrics.extractors import efficientnet, inception, keras_inception, randconv
from tfcyclegan.metrics.extractors.registry import (
    FID_WEIGHTS_SHA256,
    Extractor,
    extractor_names,
    frechet_name,
    make_extractor,
    register,
)

__all__ = [
    "FID_WEIGHTS_SHA256",
    "Extractor",
    "efficientnet",
    "extractor_names",
    "frechet_name",
    "inception",
    "keras_inception",
    "make_extractor",
    "randconv",
    "register",
]
