"""What each replica keeps for itself, saved to the bit for all of them.

TensorFlow saves one value of such a variable: the first replica's, or the sum, which it gives back
in equal parts. Neither continues a run exactly.
"""

import io

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan.training.distribution.collectives import from_all_replicas
from tfcyclegan.training.distribution.strategies import worker_index


def local_values(variable: keras.Variable) -> np.ndarray:
    """Returns [replicas, ...]: the value that each replica of this process has."""
    return np.stack([np.asarray(part) for part in _parts(variable)])


def count(variable: keras.Variable) -> int:
    """Returns a whole number that all replicas hold alike."""
    return int(local_values(variable)[0])


def assign_local_values(variable: keras.Variable, values: np.ndarray) -> None:
    """Gives each replica of this process its value, of [replicas, ...]."""
    for part, value in zip(_parts(variable), values, strict=True):
        part.assign(value)


def dealt(values: np.ndarray, replicas: int, *, summed: bool) -> np.ndarray:
    """Returns [replicas, ...]: values as they were saved, or shared out where their number differs.

    Then all start with the first one's. Sums, which are meant to be added up over replicas, are put
    on the first one, so that nothing counts twice.

    Args:
        values: [replicas that saved, ...].
        replicas: Those that go on.
        summed: Whether the values are sums.
    """
    if len(values) == replicas:
        return values
    first = values.sum(0) if summed else values[0]
    return np.stack([first] + [np.zeros_like(first) if summed else first] * (replicas - 1))


def _parts(variable: keras.Variable) -> tuple:
    held = variable.value
    return tuple(held.values) if isinstance(held, tf.distribute.DistributedValues) else (held,)


class ReplicaState(tf.train.experimental.PythonState):
    """Makes the values that variables have on the replicas of all workers a part of a checkpoint.

    Args:
        variables: The variables, always in the same order.
        strategy: Theirs. All workers save and restore together.

    A checkpoint that has been read is complete after `put_back`.
    """

    def __init__(self, variables: list[keras.Variable], strategy: tf.distribute.Strategy):
        super().__init__()
        self._variables, self._strategy, self._saved = variables, strategy, b""

    def serialize(self) -> bytes:
        """Returns the values of all variables on all replicas."""
        file = io.BytesIO()
        local = [local_values(variable) for variable in self._variables]
        np.savez(file, *from_all_replicas(self._strategy, local))
        return file.getvalue()

    def deserialize(self, text: bytes) -> None:
        """Remembers what `serialize` returned, for `put_back`."""
        self._saved = text

    def put_back(self) -> None:
        """Gives the variables the values that were read, when all of a checkpoint has been read.

        Not before: TensorFlow reads variables last, and gives each of them one value on all
        replicas.

        Raises:
            ValueError: The checkpoint is of a model with other variables.
        """
        replicas = self._strategy.num_replicas_in_sync
        saved, self._saved = io.BytesIO(self._saved), b""
        with np.load(saved) as arrays:
            if len(arrays.files) != len(self._variables):
                raise ValueError(
                    f"Replica state: expected {len(self._variables)} variables. Received:"
                    f" {len(arrays.files)}."
                )
            for number, variable in enumerate(self._variables):
                summed = variable.aggregation == "sum"
                values = dealt(arrays[f"arr_{number}"], replicas, summed=summed)
                local = len(_parts(variable))
                first = worker_index(self._strategy) * local
                assign_local_values(variable, values[first : first + local])
