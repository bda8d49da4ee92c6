"""Scores of one untrained model on fixed noise, on replicas of any strategy; a program, too."""

import json
import sys
import tempfile

import numpy as np
from tiny_runs import TINY_NETWORKS, logical_devices

from tfcyclegan.config import TrainConfig
from tfcyclegan.data.slices import Slices
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.metrics.extractors import make_extractor
from tfcyclegan.models.build import build_model
from tfcyclegan.training.distribution.strategies import make_strategy
from tfcyclegan.training.validation import Validation

SIZE = 32
PAIRS = 5
NAMES = (b"p", b"q", b"r", b"s")
TINY = (
    "--data_dir=none",
    "--workdir=none",
    f"--image_size={SIZE}",
    *TINY_NETWORKS,
)


def noise(count: int, seed: int, low: float = 0.0, high: float = 1.0) -> Slices:
    """Slices of three patients with one series each, uniform noise between two greys."""
    stored = np.random.default_rng(seed).uniform(low * 65535, high * 65535, (count, SIZE, SIZE))
    patients = np.array([NAMES[i % 3] for i in range(count)])
    metadata = {"id/patient": patients, "id/series": patients}
    metadata["geom/slice_index"] = np.arange(count)
    return Slices(stored.astype(np.uint16), metadata)


def odd_slices() -> ValidationSlices:
    """13 and 11 slices, 5 pairs: the last batch is short, and a third replica has none."""
    return ValidationSlices(noise(13, 1), noise(11, 2), PAIRS)


def scores(model, slices: ValidationSlices, workdir: str, **options) -> dict[str, float]:
    """What a validation of epoch 1 adds to the logs, the clock's part left out."""
    validation, logs = Validation(slices, make_extractor("randconv_v1"), workdir, **options), {}
    validation.set_model(model)
    validation.on_epoch_end(0, logs)
    return {key: value for key, value in logs.items() if key.startswith("val_")}


def untrained(kind: str):
    with make_strategy(kind).scope():
        return build_model(TrainConfig.parse(*TINY), steps_per_epoch=1)


if __name__ == "__main__":
    logical_devices(int(sys.argv[1]))
    made = untrained("mirrored")
    assert made.distribute_strategy.num_replicas_in_sync == int(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        print(json.dumps(scores(made, odd_slices(), directory)))
