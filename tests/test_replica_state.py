"""What each replica keeps for itself comes back as it was."""

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan.replica_state import ReplicaState, assign_local_values, local_values
from tfcyclegan.strategies import make_strategy

THIRDS = np.array([1, 2], np.float32) / 3


def variables(kind: str, values: np.ndarray) -> list[keras.Variable]:
    """A running sum and a pool's state, with one value a replica."""
    with make_strategy(kind).scope():
        made = [
            keras.Variable(0.0, trainable=False, synchronization="on_read", aggregation=aggregation)
            for aggregation in ("sum", "only_first_replica")
        ]
    for variable in made:
        assign_local_values(variable, values)
    return made


def through_a_checkpoint(tmp_path, source: list, target: list) -> list[list[float]]:
    path = tf.train.Checkpoint(state=ReplicaState(source)).write(str(tmp_path / "state"))
    tf.train.Checkpoint(state=ReplicaState(target)).read(path).assert_existing_objects_matched()
    return [local_values(variable).tolist() for variable in target]


def test_two_replicas_get_their_own_bits_back(tmp_path):
    target = variables("mirrored", np.zeros(2, np.float32))
    made = through_a_checkpoint(tmp_path, variables("mirrored", THIRDS), target)
    assert made == [THIRDS.tolist()] * 2


def test_one_replica_goes_on_with_the_sum_and_the_first_ones_state(tmp_path):
    target = variables("single", np.zeros(1, np.float32))
    made = through_a_checkpoint(tmp_path, variables("mirrored", THIRDS), target)
    assert made == [[float(THIRDS.sum())], [float(THIRDS[0])]]


def test_two_replicas_take_over_from_one_without_counting_twice(tmp_path):
    target = variables("mirrored", np.zeros(2, np.float32))
    made = through_a_checkpoint(tmp_path, variables("single", THIRDS[:1]), target)
    first = float(THIRDS[0])
    assert made == [[first, 0.0], [first, first]]
