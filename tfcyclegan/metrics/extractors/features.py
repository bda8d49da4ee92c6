"""Features of slices, batch by batch."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfcyclegan.data.batches import in_batches
from tfcyclegan.metrics.extractors.registry import Extractor


def features(extractor: Extractor, images: np.ndarray) -> np.ndarray:
    """Returns float32 features [N, d] of images [N, H, W, 1] in unit range."""
    return in_batches(_compiled(extractor), images)


@functools.cache
def _compiled(extractor: Extractor) -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.function(extractor.__call__, autograph=False, reduce_retracing=True)
