"""What a training run left behind, compared with another."""

import json
import pathlib

import numpy as np
import tensorflow as tf


def checkpoints(workdir: pathlib.Path) -> list[str]:
    return sorted(path.name for path in (workdir / "checkpoints").glob("epoch-*"))


def variables(workdir: pathlib.Path, folder: str = "checkpoints") -> dict[str, bytes]:
    """What a checkpoint holds: every variable, and what each replica keeps for itself."""
    path = tf.train.latest_checkpoint(workdir / folder)
    names = [name for name, _ in tf.train.list_variables(path) if "ATTRIBUTES" in name]
    assert "replicas/.ATTRIBUTES/py_state" in names
    return {name: np.asarray(tf.train.load_variable(path, name)).tobytes() for name in names}


def assert_same_end(made: pathlib.Path, expected: pathlib.Path, *, fewest: int = 100) -> None:
    """Both runs have the same history to the byte, and the same variables to the bit.

    So has the best checkpoint, of the same epoch after as many looks. A checkpoint has more
    than `fewest` variables.
    """
    assert (made / "history.csv").read_bytes() == (expected / "history.csv").read_bytes()
    for folder in ("checkpoints", "best"):
        values, wanted = variables(made, folder), variables(expected, folder)
        assert values.keys() == wanted.keys() and len(values) > fewest
        assert [name for name in values if values[name] != wanted[name]] == []
    selections = [
        json.loads((run / "run.json").read_text())["selection"] for run in (made, expected)
    ]
    assert selections[0] == selections[1]
