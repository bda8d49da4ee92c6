"""Moving averages of a generator's weights (Yazici et al. 2019, arXiv:1806.04498)."""

import keras


def average_of(generator: keras.Model) -> keras.Model:
    """Returns a copy of a generator that no optimizer trains."""
    average = keras.models.clone_model(generator)
    average.set_weights(generator.get_weights())
    average.trainable = False
    return average


def follow(average: keras.Model, generator: keras.Model, decay: float) -> None:
    """Moves an average's weights by the share 1 - decay towards those of its generator."""
    for mean, value in zip(average.variables, generator.variables, strict=True):
        mean.assign(mean + (1.0 - decay) * (value - mean))
