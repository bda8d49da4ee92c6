"""The graph that a model server runs: a client's pixels in, the other sequence's pixels out.

Everything that stands between the two is in the graph: a volume's window, range, size, the decoding
of records, and the audit. A client that prepares its pixels by itself would do it slightly wrong.
"""

import functools

import keras
import tensorflow as tf

from tfcyclegan.data import intensity, records, slices, windows
from tfcyclegan.models.serving import audit
from tfcyclegan.models.serving.audit import upper_quantile
from tfcyclegan.models.translators import OPPOSITE

IMAGE = tf.TensorSpec([None, None, None, 1], tf.float32, name="image")
VOLUME = tf.TensorSpec([None, None, None], tf.float32, name="volume")
EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")


class ServedTranslator(tf.Module):
    """A model's networks behind the signatures of an export.

    Attribute `ways` holds, for each direction, the translator there and the one back, or None: from
    float32 [N, H, W, 1] to the same shape, unit range. They are functions of one trace, so that all
    signatures share their graphs and their numbers.

    Args:
        networks: Keras models in model range, by direction.
        image_size: Height and width that the model was trained at.
        audit: Whether every signature also returns `cycle_residual` and `risk`.
        percentiles: Of `windows.WINDOWS`, by which the volumes it learnt from were windowed.
    """

    def __init__(
        self,
        networks: dict[str, keras.Model],
        *,
        image_size: int,
        audit: bool = False,
        percentiles: windows.Percentiles = windows.WINDOW_PERCENTILES,
    ):
        super().__init__(name="tfcyclegan")
        # Tracked are TensorFlow's own variables. A Keras variable would be saved as a copy, which
        # Python restores from, and a model server would find the variable of the graph empty.
        self.weights = [v.value for network in networks.values() for v in network.variables]
        there = {name: _of_one_trace(network) for name, network in networks.items()}
        self.ways = {name: (way, there.get(OPPOSITE[name])) for name, way in there.items()}
        self.image_size, self.audit, self.percentiles = image_size, audit, percentiles

    def signatures(self) -> dict:
        """Returns the signatures by name, as tf.saved_model.save takes them."""
        named = {}
        for name, (there, back) in self.ways.items():
            direction = Direction(
                there, back if self.audit else None, self.image_size, self.percentiles
            )
            named[name] = _signature(direction.of_image, IMAGE)
            named[f"{name}_volume"] = _signature(direction.of_volume, VOLUME)
            named[f"{name}_example"] = _signature(direction.of_examples, EXAMPLES)
        return {"serving_default": named[next(iter(self.ways))], **named}


class Direction:
    """One direction of translation, for each kind of input.

    Args:
        there: Translator of images in unit range, float32 [N, H, W, 1].
        back: That of the other direction, for the audit; None leaves it out.
        image_size: Height and width that the model was trained at.
        percentiles: Of `windows.WINDOWS`.
    """

    def __init__(
        self,
        there,
        back,
        image_size: int,
        percentiles: windows.Percentiles = windows.WINDOW_PERCENTILES,
    ):
        self._there, self._back, self._image_size = there, back, image_size
        self._percentiles = percentiles

    def of_image(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Translates float32 [N, H, W, 1] in unit range; values outside are clipped.

        Returns:
            `image`, the same shape and range; with the audit also `cycle_residual` [N, H, W, 1],
            the absolute difference between the source and its translation back, and `risk` [N],
            which is that of `translate --audit`.
        """
        synthetic = self._there(image)
        if self._back is None:
            return {"image": synthetic}
        source = tf.clip_by_value(image, 0.0, 1.0)
        residual = tf.abs(self._back(synthetic) - source)
        risk = audit.risk(audit.doubt(source, synthetic, self._there, residual), source)
        return {"image": synthetic, "cycle_residual": residual, "risk": risk}

    def of_volume(self, volume: tf.Tensor) -> dict[str, tf.Tensor]:
        """Translates float32 [S, H, W] in scanner units, one window for all of it.

        Slice by slice, so that memory does not grow with S.

        Returns:
            `volume` [S, H, W], unit range; `scale` [2], the scanner units that became 0 and 1; and
            what `of_image` adds.
        """
        scale = volume_window(volume, self._percentiles)
        unit = tf.clip_by_value((volume - scale[0]) / (scale[1] - scale[0]), 0.0, 1.0)

        def of_slice(image: tf.Tensor) -> dict[str, tf.Tensor]:
            return {k: v[0] for k, v in self.of_image(image[tf.newaxis, ..., tf.newaxis]).items()}

        picture = tf.TensorSpec([None, None, 1], tf.float32)
        kinds = {"image": picture}
        if self._back is not None:
            kinds |= {"cycle_residual": picture, "risk": tf.TensorSpec([], tf.float32)}
        outputs = tf.map_fn(of_slice, unit, fn_output_signature=kinds, parallel_iterations=1)
        return {"volume": outputs.pop("image")[..., 0], "scale": scale, **outputs}

    def of_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Translates slices that come as records, resampled as for training.

        Args:
            examples: String [N], serialized by `record_bytes.serialize`.

        Returns:
            What `of_image` returns; H and W are the size that the model was trained at.
        """
        stored = records.parse(examples, ("image/data",))["image/data"]
        stored = slices.resize(tf.cast(stored, tf.float32)[..., tf.newaxis], self._image_size)
        return self.of_image(intensity.stored_to_unit(stored))


def translate(generator, image: tf.Tensor) -> tf.Tensor:
    """Translates in unit range.

    Args:
        generator: Model in model range, which takes any size.
        image: float32 [N, H, W, 1], unit range; values outside are clipped.

    Returns:
        float32 [N, H, W, 1], unit range.
    """
    translated = generator(
        intensity.unit_to_model(tf.clip_by_value(image, 0.0, 1.0)), training=False
    )
    return tf.clip_by_value(intensity.model_to_unit(translated), 0.0, 1.0)


def volume_window(
    volume: tf.Tensor, percentiles: windows.Percentiles = windows.WINDOW_PERCENTILES
) -> tf.Tensor:
    """Returns what `windows.volume_window` returns, in a graph.

    Args:
        volume: float32 [S, H, W], scanner units.
        percentiles: Of `windows.WINDOWS`.

    Returns:
        float32 [2].

    Raises:
        tf.errors.InvalidArgumentError: The volume is empty, not finite, or has no contrast.
    """
    voxels = tf.reshape(volume, [-1])
    sound = (tf.size(voxels) > 0) & tf.reduce_all(tf.math.is_finite(voxels))
    with tf.control_dependencies([tf.debugging.Assert(sound, ["A volume needs finite voxels."])]):
        voxels = tf.identity(voxels)
    varied = tf.reduce_min(voxels) < tf.reduce_max(voxels)
    with tf.control_dependencies([tf.debugging.Assert(varied, ["A volume needs contrast."])]):
        voxels = tf.identity(voxels)
    low, high = percentiles
    # From both ends, because sorting few voxels is much faster than sorting all.
    lowest = -upper_quantile(-voxels, 1 - low / 100)
    if high is None:
        exact = tf.cast(voxels, tf.float64)
        above = tf.boolean_mask(voxels, exact > tf.reduce_mean(exact))
        highest = lowest + windows.HEADROOM * (upper_quantile(above, 0.5) - lowest)
    else:
        highest = upper_quantile(voxels, high / 100)
    scale = tf.stack([lowest, highest])
    wide = tf.debugging.Assert(
        scale[0] < scale[1], ["A volume needs contrast. Received a window of:", scale]
    )
    with tf.control_dependencies([wide]):
        return tf.identity(scale)


def _of_one_trace(generator):
    function = functools.partial(translate, generator)
    return tf.function(function, input_signature=[IMAGE], autograph=False)


def _signature(function, spec: tf.TensorSpec):
    return tf.function(function, input_signature=[spec], autograph=False).get_concrete_function()
