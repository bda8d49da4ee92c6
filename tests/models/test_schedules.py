"""The learning rate at hand-computed steps."""

import keras
import pytest
import tensorflow as tf

from tfcyclegan.models.step.optimizers import ConstantThenLinear


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 2e-4), (50, 2e-4), (75, 1e-4), (99, 4e-6), (100, 0.0), (200, 0.0)]
)
def test_constant_then_linear(step, expected):
    assert float(ConstantThenLinear(2e-4, 50, 100)(step)) == pytest.approx(expected, abs=1e-10)


def test_without_decay_the_rate_stays():
    assert float(ConstantThenLinear(2e-4, 100, 100)(99)) == pytest.approx(2e-4)


def test_a_decay_after_the_end_is_refused():
    with pytest.raises(ValueError, match="decay_start must not exceed total_steps"):
        ConstantThenLinear(2e-4, 101, 100)


def test_a_schedule_survives_its_configuration():
    schedule = ConstantThenLinear(2e-4, 50, 100)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert type(copy) is type(schedule) and float(copy(80)) == float(schedule(80))


def test_a_factor_of_one_changes_no_bit_and_a_half_halves_every_rate():
    factor = tf.Variable(1.0)
    plain, scaled = ConstantThenLinear(2e-4, 5, 10), ConstantThenLinear(2e-4, 5, 10, factor)
    assert [float(scaled(step)) for step in range(11)] == [float(plain(step)) for step in range(11)]
    factor.assign(0.5)
    halves = [float(plain(step)) / 2 for step in range(11)]
    assert [float(scaled(step)) for step in range(11)] == halves
