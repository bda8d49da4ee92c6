"""The example with and without synthetic slices: its scores by hand, and one tiny run of it all."""

import json
import sys

import numpy as np
import pytest
from tiny_runs import TINY_NETWORKS

from tfcyclegan.config import DownstreamConfig
from tfcyclegan.errors import UserError
from tfcyclegan.experiments.downstream import cohort, scores, segmenter
from tfcyclegan.experiments.downstream import run as downstream


def test_scores_are_those_of_rectangles():
    """Two slices of a patient with three lesions, one of a patient without any."""
    truth, found = np.zeros((3, 20, 20), bool), np.zeros((3, 20, 20), bool)
    truth[0, 2:6, 2:6] = True  # 16 pixels, half of which are found
    found[0, 2:6, 4:8] = True
    truth[0, 10:12, 10:12] = True  # 4 pixels that are missed
    truth[1, 5:7, 5:7] = True  # 4 pixels, found whole
    found[1, 5:7, 5:7] = True
    found[1, 15, 15:18] = True  # 3 pixels where there is nothing
    found[2, 0, 0] = found[2, 9, 9] = True
    made = scores.of_patients(truth, found, np.array(["p", "p", "q"]))
    assert made["dice"] == {"p": pytest.approx(2 * (8 + 4) / ((16 + 4 + 4) + (16 + 4 + 3)))}
    assert made["sensitivity"] == {"p": pytest.approx(2 / 3)}
    assert made["false_positives"] == {"p": pytest.approx(1 / 2), "q": pytest.approx(2.0)}
    perfect = scores.of_patients(truth, truth, np.array(["p", "p", "q"]))
    assert perfect["dice"] == perfect["sensitivity"] == {"p": 1.0}
    assert perfect["false_positives"] == {"p": 0.0, "q": 0.0}


def test_a_difference_is_paired_by_patient():
    rng = np.random.default_rng(0)
    reference = {n: float(value) for n, value in enumerate(rng.uniform(0, 1, 30))}
    # Patients differ by much, the rows of each by exactly 0.01.
    row = {n: reference[n] + 0.01 for n in reversed(reference)}
    made = scores.difference(row, reference)
    assert made["value"] == pytest.approx(0.01) and made["ci"] == pytest.approx([0.01, 0.01])
    low, high = scores.interval(row)["ci"]
    assert high - low > 0.1
    assert scores.mean_of([{"p": 0.2, "q": 1.0}, {"p": 0.4, "q": 0.0}]) == {
        "p": pytest.approx(0.3),
        "q": pytest.approx(0.5),
    }


def test_the_loss_is_cross_entropy_plus_one_minus_dice_of_the_batch():
    truth = np.zeros((2, 4, 4, 1), np.float32)
    truth[0, :2] = 1.0
    found = np.full((2, 4, 4, 1), 0.5, np.float32)
    found[1] = 0.25
    # 4 pixels in common; 8 of a lesion and 8 + 4 that are found.
    expected = np.array([np.log(2), np.log(4 / 3)]) + 1 - 2 * 4 / (8 + 8 + 4)
    np.testing.assert_allclose(segmenter.loss(truth, found), expected, rtol=1e-5)


def test_half_of_each_batch_has_a_lesion():
    masks = np.zeros((40, 4, 4), bool)
    masks[[7, 30], 1, 1] = True
    batches = segmenter.drawn(masks, steps=200, seed=3).reshape(200, segmenter.BATCH)
    marked, anything = np.split(batches, 2, axis=1)
    assert set(marked.ravel()) == {7, 30}
    assert set(anything.ravel()) == set(range(40))
    assert np.isin(anything, [7, 30]).mean() == pytest.approx(2 / 40, abs=0.04)


def test_a_network_learns_to_mark_what_is_small_and_rare_and_starts_from_scratch():
    """One network serves all rows, and no row may profit from what another has learnt."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 0.4, (48, 16, 16, 1)).astype(np.float32)
    images[:, 3:6, 3:6] = 0.6  # as bright as nothing else, but no lesion
    masks = np.zeros((48, 16, 16), bool)
    for mask, (y, x) in zip(masks[::4], rng.integers(7, 14, (12, 2)), strict=True):
        mask[y : y + 2, x : x + 2] = True
    images[masks] = 0.9
    dark = images[..., 0] < 0.1
    model = segmenter.build(16, filters=4, steps=150)
    weights = []
    for marked, seed in ((masks, 0), (dark, 1), (masks, 0)):
        segmenter.train(model, images[:32], marked[:32], steps=150, seed=seed)
        weights.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
    np.testing.assert_array_equal(weights[0], weights[2])
    assert np.abs(weights[0] - weights[1]).max() > 0.1
    found = segmenter.segment(model, images[32:])
    made = scores.of_patients(masks[32:], found, np.zeros(16, int))
    assert made["dice"][0] > 0.8


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, forked_python):
    flags = ("--patients=3", "--with_flair=1", "--test_patients=3", "--slices=6", "--size=32")
    flags += ("--filters=2", "--segmenter_steps=2", "--seeds=2")
    folder = tmp_path_factory.mktemp("downstream")
    recipe = ("--epochs=1", "--decay_start_epoch=1", "--steps_per_epoch=2", "--validation_pairs=2")
    recipe += TINY_NETWORKS
    (folder / "tiny.flags").write_text("\n".join(recipe))
    output = folder / "out"
    flags += (f"--translator={folder / 'tiny.flags'}",)
    config = DownstreamConfig.parse(f"--output={output}", *flags)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", forked_python)  # loads the translator's export
        downstream.run(config)
    return output, config


def test_rows_are_trained_on_what_they_say(tiny):
    output, config = tiny
    report = json.loads((output / "downstream.json").read_text())
    counts = [row["n_training_slices"] for row in report["rows"].values()]
    assert counts[0] < counts[1] == counts[2] == counts[3]
    rows = downstream.training_rows(output, config.size)
    few, synthetic, copied, real = (images for images, _ in rows.values())
    for images in (synthetic, copied, real):
        np.testing.assert_array_equal(images[: len(few)], few)
    for images, masks in rows.values():
        assert images.shape == (*masks.shape, 1) and masks.any()
    others = np.s_[len(few) :]
    for one, other in ((synthetic, copied), (synthetic, real), (copied, real)):
        assert np.abs(one[others] - other[others]).max() > 0.1
    # Masks are those of the same heads.
    np.testing.assert_array_equal(rows[downstream.SYNTHETIC][1], rows[downstream.ALL_REAL][1])


def test_nobody_is_trained_and_tested_on(tiny):
    output, config = tiny
    patients = {
        name: set(downstream.slices(output, name, sequence, 32).metadata["id/patient"])
        for name, sequence in (
            (cohort.AVAILABLE, "t2"),
            (cohort.AVAILABLE, "flair"),
            (cohort.WITHHELD, "flair"),
            (cohort.TEST, "flair"),
        )
        if not (name == cohort.AVAILABLE and sequence == "t2")
    }
    few, withheld, test = patients.values()
    assert (len(few), len(withheld), len(test)) == (1, 2, 3)
    assert not few & withheld and not (few | withheld) & test
    everybody = set(downstream.slices(output, cohort.AVAILABLE, "t2", 32).metadata["id/patient"])
    assert everybody == few | withheld


def test_the_table_is_that_of_the_file(tiny):
    output, _ = tiny
    report = json.loads((output / "downstream.json").read_text())
    lines = downstream.text(report).splitlines()
    assert len(lines) == 6 and lines[2].endswith("| - |")
    for row in report["rows"].values():
        for score in scores.SCORES:
            entry = row[score]
            assert entry["value"] == pytest.approx(np.mean(entry["by_seed"]))
            assert entry["ci"][0] <= entry["value"] <= entry["ci"][1]
    first, second, *_ = report["rows"].values()
    apart = second["dice"]["value"] - first["dice"]["value"]
    assert second["dice_difference"]["value"] == pytest.approx(apart)


def test_a_cohort_without_gaps_is_refused(tmp_path):
    with pytest.raises(UserError, match="--with_flair must be below --patients"):
        DownstreamConfig.parse(f"--output={tmp_path}", "--patients=3", "--with_flair=3")
