"""Generators that make one image of all: told by differences that are known, and once."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from simulated_heads import heads, slices

from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.training.callbacks.collapse import CollapseWatch, difference
from tfcyclegan.training.rundir.checkpoint_files import Position


def faded(share: float):
    """A generator whose translations differ by this share of what their sources do."""

    def generator(images, training):
        assert not training
        return share * images + (1.0 - share) * 0.3

    return generator


def watched(capsys, kind: str = "paired", samplers: dict | None = None, **generators) -> str:
    rng = np.random.default_rng(0)
    shown = [heads(fluid, 8) * rng.uniform(0.5, 1.0, (8, 1, 1, 1)) for fluid in (0.9, 0.1)]
    validated = ValidationSlices(*(slices(images.astype(np.float32)) for images in shown), 8)
    watch = CollapseWatch(validated, Position(0, 0), steps=10, epochs=4)
    model = SimpleNamespace(data_kind=kind, generators=generators, samplers=samplers or {})
    model.settle = lambda: None
    model.sampled_from = lambda slices, count: np.random.default_rng(1).normal(size=(count, 4))
    watch.set_model(model)
    watch.on_epoch_begin(0)
    told = []
    for batch in range(10):
        watch.on_train_batch_end(batch)
        told.append(capsys.readouterr().err)
    assert not any(told[:3] + told[4:])
    return told[3]


def test_the_difference_of_slices_is_that_inside_both_heads():
    images = np.stack([np.full((4, 4, 1), level, np.float32) for level in (0.0, 0.5, 0.7)])
    inside = np.zeros((3, 4, 4), bool)
    inside[:, 1:3, 1:3] = True
    images[0, 0, 0], images[2, 1, 3] = 9.0, 9.0  # outside
    assert difference(images, inside) == pytest.approx((0.5 + 0.2) / 2)
    assert np.isnan(difference(images, ~inside & inside))


@pytest.mark.parametrize("kind", ["paired", "unpaired"])
def test_translations_that_are_alike_are_reported_once_after_a_tenth_of_the_steps(capsys, kind):
    told = watched(capsys, kind, a_to_b=faded(0.02), b_to_a=faded(1.0))
    assert told.startswith("warning: after 4 steps translations a_to_b of different slices hardly")
    assert told.count("\n") == 1 and "b_to_a" not in told


def test_one_image_whatever_the_source_differs_by_nothing(capsys):
    def constant(images, training):
        return tf.zeros_like(images)

    assert "by 0% of what real slices do" in watched(capsys, b_to_a=constant)


@pytest.mark.parametrize("share", [0.3, 1.0, -1.0])
def test_translations_that_differ_are_not(capsys, share):
    assert watched(capsys, a_to_b=faded(share), b_to_a=faded(share)) == ""


class Sampler:
    """Makes slices of one grey, which differs from sample to sample by this much at most."""

    input_shape = (None, 4)

    def __init__(self, spread: float):
        self.spread = spread

    def __call__(self, latents, training):
        assert not training
        grey = self.spread * tf.tanh(latents[:, 0])
        return tf.tile(grey[:, tf.newaxis, tf.newaxis, tf.newaxis], (1, 64, 64, 1))


def test_samples_that_are_alike_are_reported(capsys):
    told = watched(capsys, "unpaired", {"a": Sampler(0.9), "b": Sampler(0.01)})
    assert told.startswith("warning: after 4 steps samples of domain b hardly differ: by ")
    assert told.count("\n") == 1 and "domain a" not in told
