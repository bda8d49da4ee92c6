"""Keras metrics over the image kernels: a sum, a count, and one division in `result`."""

import keras
import tensorflow as tf

from tfcyclegan.metrics.psnr import psnr_graph
from tfcyclegan.metrics.ssim import ssim_graph


class _ImageMean(keras.metrics.Metric):
    """Mean over images of a per-image kernel; under a strategy the sums add up over replicas."""

    def __init__(self, *, data_range: float, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        self.data_range = data_range
        # float64: a float32 sum stops counting at 2^24 images.
        self.total = self._sum("total")
        self.count = self._sum("count")

    def _sum(self, name: str):
        return self.add_variable((), initializer="zeros", dtype="float64", name=name)

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        """Adds a batch of image pairs [N, H, W, 1]; weight 0 leaves a padding image out."""
        values = tf.cast(self._kernel(y_true, y_pred), tf.float64)
        weights = tf.ones_like(values)
        if sample_weight is not None:
            weights = tf.reshape(tf.cast(sample_weight, tf.float64), [-1])
        # NaN times 0 is NaN: unweighted images must be chosen away, not multiplied away.
        self._add(tf.where(weights > 0, values, tf.zeros_like(values)), weights)

    def _add(self, values: tf.Tensor, weights: tf.Tensor) -> None:
        self.total.assign_add(tf.reduce_sum(values * weights))
        self.count.assign_add(tf.reduce_sum(weights))

    def result(self):
        """Returns the mean over the images so far; NaN before the first."""
        return tf.cast(self.total / self.count, tf.float32)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "data_range": self.data_range}


@keras.saving.register_keras_serializable("tfcyclegan")
class SSIM(_ImageMean):
    """Mean structural similarity over images, as `metrics.ssim` in float32.

    Args:
        data_range: Largest value the intensity scale can take; 1 for unit range.
        name: Name in the logs.
    """

    def __init__(self, *, data_range: float, name: str = "ssim", **kwargs):
        super().__init__(data_range=data_range, name=name, **kwargs)

    def _kernel(self, a, b) -> tf.Tensor:
        return ssim_graph(a, b, data_range=self.data_range)


@keras.saving.register_keras_serializable("tfcyclegan")
class PSNR(_ImageMean):
    """Mean peak signal-to-noise ratio over images in dB, as `metrics.psnr` in float32.

    Identical images have no finite value: they are counted in `n_identical` and left out, as
    `psnr_slice_mean` does. The result is NaN before the first finite value.

    Args:
        data_range: Largest value the intensity scale can take; 1 for unit range.
        name: Name in the logs.
    """

    def __init__(self, *, data_range: float, name: str = "psnr", **kwargs):
        super().__init__(data_range=data_range, name=name, **kwargs)
        self._identical = self._sum("identical")

    @property
    def n_identical(self) -> tf.Tensor:
        """Sum of the weights of the images without a finite value, float64 scalar."""
        return tf.convert_to_tensor(self._identical.value)

    def _kernel(self, a, b) -> tf.Tensor:
        return psnr_graph(a, b, data_range=self.data_range)

    def _add(self, values: tf.Tensor, weights: tf.Tensor) -> None:
        infinite, zeros = tf.math.is_inf(values), tf.zeros_like(values)
        self._identical.assign_add(tf.reduce_sum(tf.where(infinite, weights, zeros)))
        super()._add(tf.where(infinite, zeros, values), tf.where(infinite, zeros, weights))
