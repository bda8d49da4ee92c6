"""A small U-Net that marks lesions on FLAIR slices, as a project of its own would train it.

References: Ronneberger et al. 2015, arXiv:1505.04597, with padding and few filters. Instance
normalisation, Dice over the batch, and batches of which a share is drawn among slices with a lesion
are those of nnU-Net, Isensee et al. 2021, doi:10.1038/s41592-020-01008-z: few slices have a lesion,
and most of these only some pixels, so that a network that marks nothing is hardly ever wrong.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers

BATCH = 4
LEARNING_RATE = 5e-3
PRIOR = 0.01
"""Probability of a lesion that training starts from, as Lin et al. 2017, arXiv:1708.02002: from one
half, most steps would go into learning that lesions are rare."""
GAIN = 0.2
"""Largest relative change of a training slice's brightness."""


def train(
    model: keras.Model, images: np.ndarray, masks: np.ndarray, *, steps: int, seed: int
) -> None:
    """Trains a network from scratch, whatever it was trained on before.

    Args:
        model: Of `build`. One serves all trainings, and is traced once.
        images: float32 [N, S, S, 1], unit range.
        masks: bool [N, S, S], of which one at least has a lesion.
        steps: Batches of `BATCH` slices, see `drawn`.
        seed: Of weights, draws and augmentation.
    """
    keras.utils.set_random_seed(seed)
    # A model of its own for each training would be traced again.
    model.set_weights(keras.Model.from_config(model.get_config()).get_weights())
    for variable in model.optimizer.variables:
        variable.assign(tf.zeros_like(variable))
    targets = masks[..., np.newaxis].astype(np.float32)
    order = tf.data.Dataset.from_tensor_slices(drawn(masks, steps, seed))
    looks = order.enumerate().map(
        lambda n, i: _look(tf.gather(images, i), tf.gather(targets, i), [seed, n])
    )
    model.fit(looks.batch(BATCH), shuffle=False, verbose=0)


def drawn(masks: np.ndarray, steps: int, seed: int) -> np.ndarray:
    """Draws the slices of a training, int [steps * BATCH]: half of each batch with a lesion.

    The other half is drawn from all slices, so that some of a batch have none.
    """
    rng = np.random.default_rng(seed)
    marked = rng.choice(np.flatnonzero(masks.any(axis=(1, 2))), (steps, BATCH // 2))
    return np.hstack([marked, rng.integers(len(masks), size=marked.shape)]).ravel()


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
    prior = keras.initializers.Constant(math.log(PRIOR / (1.0 - PRIOR)))
    marks = layers.Conv2D(1, 1, activation="sigmoid", bias_initializer=prior)
    model = keras.Model(image, marks(_block(up, filters)))
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def _block(image, filters: int):
    for _ in range(2):
        image = layers.Conv2D(filters, 3, padding="same", use_bias=False)(image)
        image = layers.ReLU()(layers.GroupNormalization(groups=-1)(image))
    return image


def loss(truth: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
    """Cross-entropy plus 1 - soft Dice of the batch, per example: [N, S, S, 1] to [N].

    A batch has lesion pixels; Dice slice by slice would ask most slices to have none.
    """
    entropy = tf.reduce_mean(keras.losses.binary_crossentropy(truth, found), axis=(1, 2))
    dice = 2.0 * tf.reduce_sum(truth * found) / tf.reduce_sum(truth + found)
    return entropy + 1.0 - dice


def _look(image: tf.Tensor, mask: tf.Tensor, seed: list):
    """Flips left and right, and changes the brightness, as the two numbers of `seed` say."""
    draws = tf.random.stateless_uniform([2], seed)
    stacked = tf.concat([image, mask], axis=-1)
    stacked = tf.where(draws[0] < 0.5, tf.reverse(stacked, [1]), stacked)
    gain = 1.0 + GAIN * (2.0 * draws[1] - 1.0)
    return tf.clip_by_value(stacked[..., :1] * gain, 0.0, 1.0), stacked[..., 1:]


def segment(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns where the network sees lesions, bool [N, S, S]."""
    return model.predict(images, batch_size=BATCH, verbose=0)[..., 0] > 0.5
