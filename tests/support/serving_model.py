r"""The small model that serving is tested with; the same weights wherever it is made.

A real server runs the tests with it too:

python tests/support/serving_model.py MODELS
docker run --rm -p 8500:8500 -p 8501:8501 -v MODELS:/models -e MODEL_NAME=tfcyclegan \
    tensorflow/serving
TFCYCLEGAN_SERVING_URL=http://localhost:8501 python -m pytest tests/models/test_serving_clients.py
"""

import pathlib
import sys

import numpy as np

from tfcyclegan.models.networks.generators import build_generator
from tfcyclegan.models.serving import version
from tfcyclegan.models.serving.graph import ServedTranslator

NAME = "tfcyclegan"
SHAPES = [
    (batch, height, width, 1)
    for height, width in ((256, 256), (320, 320), (306, 384), (181, 217))
    for batch in (1, 3, 8)
]
"""What has to give the same numbers everywhere."""


def generators() -> dict:
    """Returns Keras models by direction."""
    return {
        direction: build_generator(
            filters=4,
            blocks=1,
            initializer="normal_0.02",
            seed=seed,
            name=direction,
        )
        for seed, direction in ((1, "a_to_b"), (1001, "b_to_a"))
    }


def write(models: pathlib.Path) -> None:
    """Writes MODELS/tfcyclegan/1 from the generators."""
    served = ServedTranslator(generators(), image_size=256)
    version.write_version(models / NAME, served, {"name": NAME})


def images(shape: tuple) -> np.ndarray:
    """Returns noise in unit range, another for each shape, float32."""
    return np.random.default_rng(shape).uniform(0, 1, shape).astype(np.float32)


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
