"""A small U-Net that marks lesions on FLAIR slices, as a project of its own would train it.

Reference: Ronneberger et al. 2015, arXiv:1505.04597, with padding and few filters.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

BATCH = 8
LEARNING_RATE = 5e-3
GAIN = 0.2
"""Largest relative change of a training slice's brightness."""
MOMENTUM = 0.9
"""Of the statistics of batch normalisation, which Keras means for thousands of steps."""
SMOOTH = 1.0
"""Pixels added to both sides of the soft Dice, so that a slice without lesions has one."""


def train(
    model: keras.Model, images: np.ndarray, masks: np.ndarray, *, steps: int, seed: int
) -> None:
    """Trains a network from scratch, whatever it was trained on before.

    Args:
        model: Of `build`. One serves all trainings, and is traced once.
        images: float32 [N, S, S, 1], unit range.
        masks: bool [N, S, S].
        steps: Batches of `BATCH` slices, drawn in passes over all slices.
        seed: Of weights, order and augmentation.
    """
    keras.utils.set_random_seed(seed)
    model.set_weights(keras.Model.from_config(model.get_config()).get_weights())
    for variable in model.optimizer.variables:
        variable.assign(tf.zeros_like(variable))
    targets = masks[..., np.newaxis].astype(np.float32)
    examples = tf.data.Dataset.from_tensor_slices((images, targets))
    examples = examples.shuffle(len(images), seed=seed).repeat()
    numbered = tf.data.Dataset.zip(examples, tf.data.Dataset.counter())
    looks = numbered.map(lambda pair, n: _look(*pair, tf.stack([tf.cast(seed, tf.int64), n])))
    model.fit(looks.batch(BATCH), steps_per_epoch=steps, shuffle=False, verbose=0)


def build(size: int, filters: int, steps: int) -> keras.Model:
    """Returns a U-Net of two halvings, ready for `train`.

    It maps images, float32 [N, S, S, 1] in unit range, to the probability of a lesion, alike.

    Args:
        size: Height and width S, a multiple of 4.
        filters: Of the first layer.
        steps: Of a training; the learning rate falls to 0 along half a cosine.
    """
    image = keras.Input((size, size, 1))
    first = _block(image, filters)
    second = _block(layers.MaxPooling2D()(first), 2 * filters)
    third = _block(layers.MaxPooling2D()(second), 4 * filters)
    up = layers.Concatenate()([layers.UpSampling2D()(third), second])
    up = layers.Concatenate()([layers.UpSampling2D()(_block(up, 2 * filters)), first])
    model = keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(_block(up, filters)))
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def _block(image, filters: int):
    for _ in range(2):
        image = layers.Conv2D(filters, 3, padding="same", use_bias=False)(image)
        image = layers.ReLU()(layers.BatchNormalization(momentum=MOMENTUM)(image))
    return image


def loss(truth: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
    """Cross-entropy plus 1 - soft Dice, per example: [N, S, S, 1] to [N]."""
    entropy = tf.reduce_mean(keras.losses.binary_crossentropy(truth, found), axis=(1, 2))
    common = tf.reduce_sum(truth * found, axis=(1, 2, 3))
    pixels = tf.reduce_sum(truth + found, axis=(1, 2, 3))
    return entropy + 1.0 - (2.0 * common + SMOOTH) / (pixels + SMOOTH)


def _look(image: tf.Tensor, mask: tf.Tensor, seed: tf.Tensor):
    """Flips left and right, and changes the brightness, as `seed` says."""
    draws = tf.random.stateless_uniform([2], seed)
    both = tf.concat([image, mask], axis=-1)
    both = tf.where(draws[0] < 0.5, tf.reverse(both, [1]), both)
    gain = 1.0 + GAIN * (2.0 * draws[1] - 1.0)
    return tf.clip_by_value(both[..., :1] * gain, 0.0, 1.0), both[..., 1:]


def segment(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns where the network sees lesions, bool [N, S, S]."""
    return model.predict(images, batch_size=BATCH, verbose=0)[..., 0] > 0.5
