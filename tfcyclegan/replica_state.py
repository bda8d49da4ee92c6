"""What each replica keeps for itself, saved to the bit for all of them.

TensorFlow saves one value of such a variable: the first replica's, or the sum, which it gives back
in equal parts. Neither continues a run exactly.
"""

import io

import keras
import numpy as np
import tensorflow as tf


def local_values(variable: keras.Variable) -> np.ndarray:
    """Returns [replicas, ...]: the value that each replica of this process has."""
    return np.stack([np.asarray(part) for part in _parts(variable)])


def assign_local_values(variable: keras.Variable, values: np.ndarray) -> None:
    """Gives each replica its value; all the first one's where their number has changed.

    Sums, which are meant to be added up over replicas, are put on the first one then.
    """
    parts = _parts(variable)
    if len(values) != len(parts):
        summed = variable.aggregation == "sum"
        first = values.sum(0) if summed else values[0]
        rest = np.zeros_like(first) if summed else first
        values = [first] + [rest] * (len(parts) - 1)
    for part, value in zip(parts, values, strict=True):
        part.assign(value)


def _parts(variable: keras.Variable) -> tuple:
    held = variable.value
    return tuple(held.values) if isinstance(held, tf.distribute.DistributedValues) else (held,)


class ReplicaState(tf.train.experimental.PythonState):
    """Makes the local values of variables a part of a checkpoint.

    Args:
        variables: The variables, always in the same order.
    """

    def __init__(self, variables: list[keras.Variable]):
        super().__init__()
        self._variables = variables

    def serialize(self) -> bytes:
        """Returns the values of all variables on all replicas."""
        file = io.BytesIO()
        np.savez(file, *[local_values(variable) for variable in self._variables])
        return file.getvalue()

    def deserialize(self, text: bytes) -> None:
        """Gives the variables the values that `serialize` returned."""
        with np.load(io.BytesIO(text)) as arrays:
            for number, variable in enumerate(self._variables):
                assign_local_values(variable, arrays[f"arr_{number}"])
