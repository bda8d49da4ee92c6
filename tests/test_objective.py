"""Objectives that change while a run goes on."""

import numpy as np
import pytest
import tensorflow as tf
from test_cyclegan import batch, tiny_model

from tfcyclegan.models.objective import Objective


def test_a_warm_up_weighs_cycle_and_identity_by_the_updates_so_far():
    model = tiny_model(
        "--cycle_warmup_steps=4", "--cycle_warmup_start=0.2", "--identity_weight=0.5"
    )
    pair = batch()
    made = model.translate(*pair)
    for updates, weight in ((0, 2.0), (1, 4.0), (3, 8.0), (4, 10.0), (9, 10.0)):
        model.optimizer.iterations.assign(updates)
        values = model.generator_losses(*pair, made)
        rest = values["generator_ab_loss"] + values["generator_ba_loss"]
        cycles = values["cycle_a_loss"] + values["cycle_b_loss"]
        identities = values["identity_a_loss"] + values["identity_b_loss"]
        expected = rest + weight * cycles + 0.5 * weight * identities
        np.testing.assert_allclose(values["loss"], expected, rtol=1e-5)
    model.optimizer.iterations.assign(2)
    assert float(model.train_step(pair)["cycle_weight"]) == pytest.approx(6.0, rel=1e-6)
    assert int(model.optimizer.iterations) == 3


def test_without_a_warm_up_the_objective_is_itself_and_nothing_more_is_logged():
    objective = Objective()
    assert objective.at(tf.constant(3)) is objective and objective.diagnosed == ()
