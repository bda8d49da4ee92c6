"""What each replica keeps for itself comes back as it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcyclegan.training.distribution.replica_state import (
    ReplicaState,
    assign_local_values,
    dealt,
    local_values,
)
from tfcyclegan.training.distribution.strategies import make_strategy

THIRDS = np.array([1, 2], np.float32) / 3


def state(kind: str, values: np.ndarray) -> tuple[ReplicaState, list[keras.Variable]]:
    """A running sum and a pool's state, with one value a replica."""
    strategy = make_strategy(kind)
    with strategy.scope():
        variables = [
            keras.Variable(0.0, trainable=False, synchronization="on_read", aggregation=aggregation)
            for aggregation in ("sum", "only_first_replica")
        ]
    for variable in variables:
        assign_local_values(variable, values)
    return ReplicaState(variables, strategy), variables


def through_a_checkpoint(tmp_path, values: dict[str, np.ndarray], kind: str) -> list[list[float]]:
    """Returns what the replicas of a strategy get of values that those of another one saved."""
    ((saver, given),) = values.items()
    source, saved = state(saver, given)
    # A checkpoint of a model has the variables too, with one value for all replicas.
    path = tf.train.Checkpoint(state=source, model=saved).write(str(tmp_path / "state"))
    target, variables = state(kind, np.zeros(2 if kind == "mirrored" else 1, np.float32))
    checkpoint = tf.train.Checkpoint(state=target, model=variables)
    checkpoint.read(path).assert_existing_objects_matched()
    target.put_back()
    return [local_values(variable).tolist() for variable in variables]


def test_two_replicas_get_their_own_bits_back(tmp_path):
    made = through_a_checkpoint(tmp_path, {"mirrored": THIRDS}, "mirrored")
    assert made == [THIRDS.tolist()] * 2


def test_one_replica_goes_on_with_the_sum_and_the_first_ones_state(tmp_path):
    made = through_a_checkpoint(tmp_path, {"mirrored": THIRDS}, "single")
    assert made == [[float(THIRDS.sum())], [float(THIRDS[0])]]


def test_two_replicas_take_over_from_one_without_counting_twice(tmp_path):
    made = through_a_checkpoint(tmp_path, {"single": THIRDS[:1]}, "mirrored")
    first = float(THIRDS[0])
    assert made == [[first, 0.0], [first, first]]


@pytest.mark.parametrize(
    ("summed", "expected"), [(True, [[9, 12], [0, 0]]), (False, [[1, 2], [1, 2]])]
)
def test_fewer_replicas_share_out_what_more_have_saved(summed, expected):
    saved = np.array([[1, 2], [3, 4], [5, 6]], np.int64)
    np.testing.assert_array_equal(dealt(saved, 2, summed=summed), expected)
    np.testing.assert_array_equal(dealt(saved, 3, summed=summed), saved)


def test_a_checkpoint_with_another_number_of_variables_is_refused():
    (saver, _), (reader, variables) = (state("single", THIRDS[:1]) for _ in range(2))
    reader.deserialize(ReplicaState(variables[:1], saver._strategy).serialize())
    with pytest.raises(ValueError, match="expected 2 variables. Received: 1"):
        reader.put_back()
