"""Scores between epochs: right, the same on any number of replicas, absent when they fail."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from forked import Forked
from places import SUPPORT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from validation_run import PAIRS, noise, odd_slices, scores, untrained

from tfcyclegan import metrics
from tfcyclegan.data import batches
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.metrics.extractors import features as extractors_features
from tfcyclegan.metrics.extractors import make_extractor
from tfcyclegan.models import translators
from tfcyclegan.training.validation import Validation, epochs_between
from tfcyclegan.training.validation.sweep import PADDING, in_order

SAME = 1e-6
"""Relative; rounding of float32. One slice lost or counted twice changes scores by percents."""

UNPAIRED_SCORES = {
    "cycle_psnr_volume",
    "cycle_ssim",
    "cycle_psnr_volume_perturbed",
    "cycle_ssim_perturbed",
    "kid",
    "fd_randconv_v1",
    "kid_patient",
    "source_correlation",
}


def per_direction(names: set[str]) -> set[str]:
    return {f"val_{name}_{direction}" for name in names for direction in translators.DIRECTIONS}


class Translators:
    """A model as far as validation sees it: two functions in model range."""

    def __init__(self, ab, ba):
        self.translators = {
            "a_to_b": lambda images, training: ab(images),
            "b_to_a": lambda images, training: ba(images),
        }
        self.distribute_strategy = tf.distribute.get_strategy()

    def settle(self):
        """Has nothing to bring up to date."""


@pytest.fixture(scope="module")
def three_replicas():
    process = Forked(str(SUPPORT / "validation_run.py"), "3")
    yield process
    process.kill()


@pytest.fixture(scope="module")
def model(three_replicas):
    return untrained("single")


@pytest.fixture(scope="module")
def single(model, tmp_path_factory):
    return scores(model, odd_slices(), tmp_path_factory.mktemp("single"))


def test_scores_are_those_of_the_kernels_on_the_same_images(model, single):
    slices, extractor = odd_slices(), make_extractor("randconv_v1")
    generators = model.generators
    for name, source, real in (
        ("a_to_b", slices.a, slices.b),
        ("b_to_a", slices.b, slices.a),
    ):
        fake = batches.in_batches(translators.translator_of(generators[name]), source.unit())
        target, made = real.unit()[:PAIRS], fake[:PAIRS]
        volumes = list(real.metadata["id/series"][:PAIRS])
        psnr = metrics.psnr_volume(target, made, volumes=volumes, data_range=1.0)
        ssim = metrics.patient_means(metrics.ssim(target, made, data_range=1.0), volumes)
        head = (target > target.mean(axis=(1, 2, 3), keepdims=True))[..., 0]
        assert 0.3 < head.mean() < 0.7  # noise has no holes to fill, or few
        features = [
            extractors_features.features(extractor, images) for images in (real.unit(), fake)
        ]
        patients = [list(s.metadata["id/patient"]) for s in (real, source)]
        expected = {
            "psnr_volume": np.mean(list(psnr.values())),
            "ssim": np.mean(list(ssim.values())),
            "kid": metrics.kernel_distance(*features),
            "kid_patient": metrics.kernel_distance_patient(
                features[0], patients[0], features[1], patients[1]
            ),
            "fd_randconv_v1": float(metrics.frechet_distance(*features)),
        }
        for score, value in expected.items():
            assert single[f"val_{score}_{name}"] == pytest.approx(value, rel=1e-4, abs=1e-6), score
        assert -1 < single[f"val_ssim_head_{name}"] < 1


def test_two_and_three_replicas_score_as_one(single, three_replicas, tmp_path):
    double = untrained("mirrored")
    assert double.distribute_strategy.num_replicas_in_sync == 2
    assert scores(double, odd_slices(), tmp_path) == pytest.approx(single, rel=SAME)
    code, printed = three_replicas.wait(), three_replicas.printed()
    assert code == 0, printed
    assert json.loads(printed.splitlines()[-1]) == pytest.approx(single, rel=SAME)


def test_order_of_slices_changes_nothing(model, single, tmp_path):
    slices, rng = odd_slices(), np.random.default_rng(0)
    pairs = rng.permutation(PAIRS)
    orders = [
        np.concatenate([pairs, PAIRS + rng.permutation(len(s) - PAIRS)])
        for s in (slices.a, slices.b)
    ]
    mixed = ValidationSlices(slices.a.take(orders[0]), slices.b.take(orders[1]), PAIRS)
    assert scores(model, mixed, tmp_path) == pytest.approx(single, rel=SAME)


def test_known_translators_have_known_scores(tmp_path):
    """A constant offset of 0.1 is 20 dB; inverting correlates with -1."""
    a = noise(4, 1, 0.3, 0.7)
    model = Translators(lambda x: x + 0.2, lambda x: -x)
    made = scores(model, ValidationSlices(a, a, 4), tmp_path)
    assert made["val_psnr_volume_a_to_b"] == pytest.approx(20.0, abs=1e-3)
    assert made["val_source_correlation_a_to_b"] == pytest.approx(1.0, abs=1e-6)
    assert made["val_source_correlation_b_to_a"] == pytest.approx(-1.0, abs=1e-6)
    assert made["val_ssim_a_to_b"] > 0.9 > 0 > made["val_ssim_b_to_a"]


def test_without_pairs_cycle_and_distribution_are_scored_and_pairs_are_not(tmp_path):
    a, b = noise(4, 1, 0.3, 0.7), noise(9, 2, 0.3, 0.7)
    slices, half = ValidationSlices(a, b, 0), lambda x: x * 0.5
    validation = Validation(slices, make_extractor("randconv_v1"), tmp_path)
    assert set(validation.keys()) == per_direction(UNPAIRED_SCORES)
    made = scores(Translators(half, half), slices, tmp_path)
    assert made.keys() == set(validation.keys())
    made = scores(Translators(lambda x: -x, lambda x: -x), slices, tmp_path)
    # Undoing a translation leaves what float32 rounds off, about 2^-25.
    assert made["val_cycle_psnr_volume_a_to_b"] > 130
    # Rounding to 1/255 has variance 1/12 of it; the noise is 3/256; they add up.
    power = (3 / 256) ** 2 + (1 / 255) ** 2 / 12
    expected = -10 * np.log10(power)
    assert made["val_cycle_psnr_volume_perturbed_a_to_b"] == pytest.approx(expected, abs=0.2)


def test_a_generator_of_nan_has_no_scores_and_the_run_goes_on(tmp_path, capsys):
    a, b = noise(4, 1), noise(4, 2)
    model = Translators(lambda x: x * float("nan"), lambda x: x * 0.5)
    slices = ValidationSlices(a, b, 4)
    made = scores(model, slices, tmp_path)
    assert made and all(key.endswith("b_to_a") for key in made)
    told = capsys.readouterr().err
    assert told.startswith("warning: after epoch 1 there is no val_psnr_volume_a_to_b, ")
    assert len(told.splitlines()) == 1 and "val_kid_patient_a_to_b" in told
    with pytest.raises(ValueError, match="finite"):
        scores(model, slices, tmp_path, strict=True)


def test_scores_are_float32_whatever_the_generator_computes_in(tmp_path):
    a = noise(4, 1, 0.3, 0.7)
    model = Translators(lambda x: tf.cast(x, tf.bfloat16), lambda x: tf.cast(x, tf.float64) + 0.2)
    made = scores(model, ValidationSlices(a, a, 4), tmp_path)
    # bfloat16 has 8 bits: a relative error of 2^-9 at most, of greys within 0.4 of 0 here.
    assert 50 < made["val_psnr_volume_a_to_b"] < 75
    assert made["val_psnr_volume_b_to_a"] == pytest.approx(20.0, abs=1e-3)


def test_keys_reach_the_callbacks_of_keras(tmp_path):
    class Model(Translators, keras.Sequential):
        distribute_strategy = tf.distribute.get_strategy()

        def __init__(self):
            keras.Sequential.__init__(self, [keras.Input((1,)), keras.layers.Dense(1)])
            self.translators = dict.fromkeys(
                translators.DIRECTIONS, lambda images, training: images * 0.5
            )

    a, key = noise(4, 1), "val_psnr_volume_a_to_b"
    model, ones = Model(), np.ones((2, 1), np.float32)
    model.compile(optimizer="sgd", loss="mse")
    history = model.fit(
        ones,
        ones,
        epochs=9,
        verbose=0,
        callbacks=[
            Validation(ValidationSlices(a, a, 4), make_extractor("randconv_v1"), tmp_path),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "{epoch}.weights.h5",
                monitor=key,
                mode="max",
                save_best_only=True,
                save_weights_only=True,
            ),
            keras.callbacks.EarlyStopping(monitor=key, mode="max", patience=1),
            keras.callbacks.TensorBoard(tmp_path / "logs"),
        ],
    ).history
    # The score never changes: the first epoch is the best, the second one too many.
    assert len(history[key]) == 2 and 0 < history["validation_share"][1] < 1
    assert [path.name for path in tmp_path.glob("*.weights.h5")] == ["1.weights.h5"]
    tags = EventAccumulator(str(tmp_path / "logs" / "validation")).Reload().Tags()["tensors"]
    assert "epoch_psnr_volume_a_to_b" in tags


def test_epochs_without_validation_have_no_keys_and_the_last_is_validated(tmp_path):
    a = noise(4, 1)
    validation = Validation(
        ValidationSlices(a, a, 4), make_extractor("randconv_v1"), tmp_path, every=3, epochs=5
    )
    validation.set_model(Translators(lambda x: x * 0.9, lambda x: x * 0.5))
    logs = [{} for _ in range(5)]
    for epoch in range(5):
        validation.on_epoch_end(epoch, logs[epoch])
    assert [epoch for epoch in range(5) if logs[epoch]] == [2, 4]
    assert {key for key in logs[4] if key.startswith("val_")} == set(validation.keys())


def test_ids_tell_a_lost_row_and_one_that_came_twice():
    values = np.arange(4.0)[:, np.newaxis]
    made = in_order(np.array([2, PADDING, 0, 1]), values, 3)
    assert made.tolist() == [[2.0], [3.0], [0.0]]
    for ids in ([0, 1, 1, 2], [0, 1, PADDING, PADDING]):
        with pytest.raises(RuntimeError, match="each of 3 slices once"):
            in_order(np.array(ids), values, 3)


def test_the_default_interval_follows_from_counts_alone():
    slices = ValidationSlices(noise(9, 1), noise(9, 2), 9)
    assert epochs_between(slices, steps=1000, batch_size=1) == 1
    few = epochs_between(slices, steps=3, batch_size=1)
    assert few > 1 and epochs_between(slices, steps=1, batch_size=3) == few
