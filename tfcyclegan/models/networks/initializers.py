"""Initial weights of networks, by seed."""

import itertools

import keras

LEAK = 0.2
SEED_STRIDE = 1000
"""Seeds of one network's layers; two networks share none."""

DEVIATIONS = {"normal_0.02": 0.02, "normal_0.05": 0.05}
"""Those of Zhu et al. (2017), and of Kossen et al. (2021)."""


class Weights:
    """Hands each layer its own seeded initializer, so that weights depend on the seed alone."""

    def __init__(self, kind: str, seed: int):
        self._kind = kind
        self._seeds = itertools.count(seed)

    def __call__(self) -> keras.Initializer:
        seed = next(self._seeds)
        if self._kind == "he_normal":  # equations 10 to 14; He et al. (2015)
            return keras.initializers.VarianceScaling(2.0, seed=seed)
        if self._kind in DEVIATIONS:
            return keras.initializers.RandomNormal(stddev=DEVIATIONS[self._kind], seed=seed)
        raise ValueError(
            f"initializer: expected he_normal or one of {', '.join(DEVIATIONS)}. Received:"
            f" {self._kind!r}."
        )


def full_precision() -> str:
    """Returns float32 under mixed precision: 8 bits of mantissa would band a 16-bit image."""
    return keras.config.dtype_policy().variable_dtype
