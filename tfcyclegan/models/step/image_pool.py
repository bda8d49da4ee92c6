"""The history of translated images that a discriminator is trained on."""

import keras
import tensorflow as tf

SEED_SALT = 1000003
RECALL_SALT = 1000033


class ImagePool(keras.layers.Layer):
    """Returns, half of the time, an image translated earlier instead of the new one.

    Shrivastava et al. (2017), arXiv:1612.07828, section 2.3, as used by Zhu et al. (2017): the
    first `size` images are stored and returned; after that each new image is either returned as it
    is, or takes the place of a stored one, which is returned. All state is in graph variables, so
    that it works in a tf.function, is each replica's own, and is checkpointed.

    Args:
        size: Images remembered; 0 returns what comes in.
        shape: (H, W, 1) of an image.
        seed: Seed of the draws; draw n depends on (seed, n) alone.
    """

    def __init__(self, size: int, shape: tuple[int, int, int], seed: int, **kwargs):
        # Pictures are kept as they came, whatever precision the networks compute in.
        dtype = keras.config.dtype_policy().variable_dtype
        super().__init__(dtype=dtype, trainable=False, **kwargs)
        self.size = size
        self.seed = seed
        if size:
            self.images = self._own_variable((size, *shape), self.variable_dtype, "images")
            self.seen = self._own_variable((), "int64", "seen")
        self.built = True

    @staticmethod
    def _own_variable(shape: tuple, dtype: str, name: str) -> keras.Variable:
        """A variable that each replica reads and writes for itself."""
        return keras.Variable(
            "zeros",
            shape=shape,
            dtype=dtype,
            trainable=False,
            synchronization="on_read",
            aggregation="only_first_replica",
            name=name,
        )

    def call(self, images):
        """Exchanges a batch, float32 [N, H, W, 1] in model range with static N, image by image."""
        chosen, state = self.exchange(images)
        self.keep(state)
        return chosen

    def exchange(self, images: tf.Tensor) -> tuple[tf.Tensor, tuple]:
        """Returns what `call` returns, and the state for `keep`; changes nothing itself."""
        if not self.size:
            return images, ()
        state = (tf.convert_to_tensor(self.images), tf.convert_to_tensor(self.seen))
        chosen = []
        for image in tf.split(images, images.shape[0]):
            picture, state = self._exchange(image, *state)
            chosen.append(picture)
        return tf.concat(chosen, 0), state

    def recall(self, count: int, state: tuple) -> tf.Tensor:
        """Returns images [count, H, W, 1] that a state of `exchange` holds, drawn independently."""
        images, seen = state
        seed = tf.stack([tf.constant(self.seed + RECALL_SALT, tf.int64), seen])
        stored = tf.cast(tf.minimum(seen, self.size), tf.float32)
        slots = tf.random.stateless_uniform([count], seed) * stored
        return tf.gather(images, tf.cast(slots, tf.int32))

    def shown(self, images: tf.Tensor, count: int) -> tuple[tf.Tensor, tuple]:
        """Returns what a discriminator sees in place of new images, and the state for `keep`.

        Args:
            images: As of `call`.
            count: Images for each new one: what `exchange` returns, then further ones of `recall`.
        """
        chosen, state = self.exchange(images)
        further = (count - 1) * images.shape[0]
        return (tf.concat([chosen, self.recall(further, state)], 0) if further else chosen), state

    def keep(self, state: tuple) -> None:
        """Makes a state that `exchange` returned the pool's own."""
        if self.size:
            self.images.assign(state[0])
            self.seen.assign(state[1])

    def _exchange(self, image: tf.Tensor, images: tf.Tensor, seen: tf.Tensor) -> tuple:
        seed = tf.stack([tf.constant(self.seed + SEED_SALT, tf.int64), seen])
        draws = tf.random.stateless_uniform([2], seed)
        slot, keep_new = tf.cast(draws[0] * self.size, tf.int32), draws[1] < 0.5
        filling = seen < self.size
        slot = tf.where(filling, tf.cast(seen, tf.int32), slot)
        stored = tf.gather(images, slot)[tf.newaxis]
        chosen = tf.where(tf.logical_or(filling, keep_new), image, stored)
        written = tf.where(tf.logical_and(keep_new, tf.logical_not(filling)), stored, image)
        return chosen, (tf.tensor_scatter_nd_update(images, [[slot]], written), seen + 1)
