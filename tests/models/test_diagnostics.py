"""Accuracy of discriminators against numbers written out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.models.losses import adversarial
from tfcyclegan.models.losses.adversarial import ADVERSARIAL

SCORES = tf.reshape(tf.constant([-2.0, 0.0, 0.2, 0.7, 3.0, 3.0, 3.0, 3.0]), [2, 2, 2, 1])


@pytest.mark.parametrize(
    ("kind", "real", "expected"),
    [
        ("vanilla", True, [0.5, 1.0]),
        ("vanilla", False, [0.5, 0.0]),
        ("lsgan", True, [0.25, 1.0]),
        ("lsgan", False, [0.75, 0.0]),
    ],
)
def test_share_judged_right_is_per_example(kind, real, expected):
    made = adversarial.share_judged_right(SCORES, real=real, kind=kind)
    np.testing.assert_array_equal(made, np.float32(expected))


def test_every_adversarial_loss_has_its_decision():
    assert set(adversarial.DECISION) == set(ADVERSARIAL)
