"""Which pairs a run learns from, and that both slices of one are looked at alike."""

from types import SimpleNamespace

import numpy as np
import paired_heads
import pytest
import tensorflow as tf

from tfcyclegan.config import TrainConfig
from tfcyclegan.data import intensity, manifest
from tfcyclegan.data.augment import Augmentation
from tfcyclegan.data.paired_batches import paired_batches
from tfcyclegan.data.pairing import Pairs
from tfcyclegan.data.slices import Slices
from tfcyclegan.data.training_slices import NO_PAIRS, TrainingSlices, pairs_of
from tfcyclegan.errors import UserError
from tfcyclegan.training import fit, setup

EVERYTHING = Augmentation(
    flips=("horizontal", "vertical"),
    rotations=(30.0, 90.0),
    brightness=0.5,
    contrast=0.4,
    enlarge_crop=1.2,
)


def slices(patients: list[int], shift_mm: float = 0.0, size: int = 8) -> Slices:
    """Slices of patients in one grid each, one every 3 mm, with noise for pixels."""
    count = len(patients)
    names = np.array([f"{p:02d}" for p in patients])
    place = np.array([3.0 * patients[:i].count(p) for i, p in enumerate(patients)])
    metadata = dict.fromkeys(("id/patient", "id/study", "id/frame_of_ref", "geom/grid"), names)
    metadata |= {
        "geom/frame_pos_mm": (place + shift_mm).astype(np.float32),
        "geom/slice_spacing_mm": np.full(count, 3, np.float32),
        "geom/slice_frac": np.linspace(0, 1, count),
    }
    images = np.random.default_rng(count).integers(0, 65536, (count, size, size), np.uint16)
    return Slices(images, metadata)


A = slices([1, 1, 1, 2, 2, 3, 4, 5])
B = slices([1, 1, 2, 2, 2, 3, 4, 6])
"""Pairs: two of patient 1, two of 2, one of 3 and of 4."""


def owners(trained: TrainingSlices) -> set[str]:
    return set(trained.pairs.a.metadata["id/patient"])


def test_auto_adds_pairs_to_all_slices_and_only_leaves_out_the_others():
    auto = TrainingSlices.choose(A, B, pairs="auto")
    assert (len(auto.a), len(auto.b), len(auto.pairs)) == (8, 8, 6)
    assert owners(auto) == {"01", "02", "03", "04"} and str(auto) == "6 pairs of 4 patients"
    only = TrainingSlices.choose(A, B, pairs="only")
    np.testing.assert_array_equal(only.a.images, auto.pairs.a.images)
    np.testing.assert_array_equal(only.b.images, auto.pairs.b.images)
    none = TrainingSlices.choose(A, B, pairs="none")
    assert none.pairs is None and str(none) == NO_PAIRS and (len(none.a), len(none.b)) == (8, 8)


def test_more_patients_are_the_same_ones_and_others():
    chosen = [
        owners(TrainingSlices.choose(A, B, pairs="auto", patients=n, seed=3)) for n in (1, 2, 3, 9)
    ]
    assert [len(patients) for patients in chosen] == [1, 2, 3, 4]
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]
    firsts = {
        min(owners(TrainingSlices.choose(A, B, pairs="auto", patients=1, seed=seed)))
        for seed in range(20)
    }
    assert len(firsts) > 1, "the seed draws them"


def test_where_there_are_no_pairs_auto_goes_on_and_only_does_not():
    apart = slices([1, 1, 2], shift_mm=1.6)  # more than half a spacing
    auto = TrainingSlices.choose(slices([1, 7]), apart, pairs="auto")
    assert auto.pairs is None and str(auto) == NO_PAIRS and auto.described()["n_pairs"] == 0
    with pytest.raises(UserError, match="--pairs=only needs .* with --pairs=none"):
        TrainingSlices.choose(slices([1, 7]), apart, pairs="only")


def heads_of(change) -> tuple[Slices, Slices]:
    """Domain a, and domain b in which the slices of patient 0 are changed."""
    b = paired_heads.brains(inverted=True)
    b[: paired_heads.HEIGHTS] = change(b[: paired_heads.HEIGHTS])
    return paired_heads.slices(paired_heads.brains(inverted=False)), paired_heads.slices(b)


def test_pairs_that_do_not_fit_are_left_out_and_said_so():
    a, b = heads_of(lambda images: images[:, :, ::-1])
    auto = TrainingSlices.choose(a, b, pairs="auto")
    assert owners(auto) == {"01", "02", "03"} and (len(auto.a), len(auto.b)) == (28, 28)
    assert auto.described()["n_left_out"] == 7 and auto.described()["n_moved"] == 0
    (caution,) = auto.cautions()
    assert caution.startswith("7 pairs are left out")
    assert TrainingSlices.choose(a, b, pairs="none").cautions() == []
    alone = (s.take(np.arange(7)) for s in (a, b))
    with pytest.raises(
        UserError, match="none that show one place. See what tools/compare_domains.py"
    ):
        TrainingSlices.choose(*alone, pairs="only")


def test_pairs_that_moved_are_learnt_from_where_they_belong():
    a, b = heads_of(lambda images: np.roll(images, (2, -1), axis=(1, 2)))
    auto = TrainingSlices.choose(a, b, pairs="auto")
    described = auto.described()
    assert (described["n_moved"], described["moved_pixels_max"]) == (7, 2)
    np.testing.assert_array_equal(auto.pairs.b.images, paired_heads.brains(inverted=True))
    np.testing.assert_array_equal(auto.b.images, b.images), "unpaired slices are as they were"
    assert auto.cautions() == []
    as_they_are = TrainingSlices.choose(a, b, pairs="only", move=False)
    np.testing.assert_array_equal(as_they_are.pairs.b.images, b.images)
    assert as_they_are.described()["n_moved"] == 0 and as_they_are.pairs_hash != auto.pairs_hash


def test_a_run_says_how_many_pairs_of_whom_and_how_far_apart_they_are():
    described = TrainingSlices.choose(A, slices([1], shift_mm=0.5), pairs="auto").described()
    assert (described["n_pairs"], described["n_patients"]) == (1, 1)
    assert described["offset_mm_max"] == 0.5
    assert pairs_of({"pairs": described}) == "1 pair of 1 patient"
    assert pairs_of({}) == NO_PAIRS, "a run of before"


def test_no_patient_of_another_split_is_in_a_pair(dataset):
    shards = manifest.read(dataset)
    for fold, split in (("", "val"), ("", "test"), ("1/3", "test")):
        config = TrainConfig.parse(
            f"--data_dir={dataset}", "--workdir=-", "--image_size=32", f"--fold={fold}"
        )
        dealt = manifest.deal(shards, *config.folds)
        train = TrainingSlices.choose(*setup.load_domains(config, dealt, "train"), pairs="auto")
        held_out = {p for shard in dealt if shard.split == split for p in shard.patients}
        patients = {bytes(p).decode() for p in train.pairs.a.metadata["id/patient"]}
        assert held_out and patients and not held_out & patients


def drawn(pairs: Pairs, count: int, **settings) -> list[tuple[np.ndarray, np.ndarray]]:
    settings = {
        "batch_size": 1,
        "first_step": 0,
        "seed": 5,
        "augmentation": Augmentation(),
    } | settings
    return list(paired_batches(pairs, **settings).take(count).as_numpy_iterator())


def test_the_places_of_a_pair_are_those_of_its_slices():
    pairs = TrainingSlices.choose(A, B, pairs="only").pairs
    with_places = drawn(pairs, 12, positions=True)
    for (a, b), (same_a, same_b, place_a, place_b) in zip(
        drawn(pairs, 12), with_places, strict=True
    ):
        np.testing.assert_array_equal(a, same_a)
        np.testing.assert_array_equal(b, same_b)
        row = next(
            i
            for i in range(len(pairs))
            if (pairs.a.images[i] == np.round((a[0, ..., 0] + 1) / 2 * 65535)).all()
        )
        assert place_a == np.float32(pairs.a.metadata["geom/slice_frac"][row])
        assert place_b == np.float32(pairs.b.metadata["geom/slice_frac"][row])


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(flips=("horizontal", "vertical")),
        Augmentation(rotations=(30.0, 90.0)),
        Augmentation(brightness=0.5),
        Augmentation(contrast=0.4),
        Augmentation(enlarge_crop=1.2),
        EVERYTHING,
    ],
)
def test_both_slices_of_a_pair_have_one_draw(augmentation):
    twins = Pairs(A, A, 0, 0)
    looks = drawn(twins, 24, augmentation=augmentation)
    for a, b in looks:
        np.testing.assert_array_equal(a, b)
    plain = intensity.unit_to_model(A.unit())
    assert any(np.abs(plain - a).max(axis=(1, 2, 3)).min() > 0.01 for a, _ in looks)


def test_each_pass_has_every_pair_once_in_another_order_and_a_run_can_continue():
    pairs = TrainingSlices.choose(A, B, pairs="auto").pairs
    stored = {
        domain: [image.tobytes() for image in intensity.unit_to_model(slices_of.unit())]
        for domain, slices_of in (("a", pairs.a), ("b", pairs.b))
    }
    looks = drawn(pairs, 18)
    places = [stored["a"].index(a[0].tobytes()) for a, _ in looks]
    assert places == [stored["b"].index(b[0].tobytes()) for _, b in looks], "partners"
    passes = [places[i : i + 6] for i in (0, 6, 12)]
    assert all(sorted(one) == list(range(6)) for one in passes) and passes[0] != passes[1]
    for late, expected in zip(drawn(pairs, 4, first_step=7), looks[7:], strict=False):
        np.testing.assert_array_equal(late, expected)


def test_workers_share_the_global_batch():
    pairs = TrainingSlices.choose(A, B, pairs="auto").pairs
    whole = drawn(pairs, 3, batch_size=4, augmentation=EVERYTHING)
    shares = [
        drawn(
            pairs, 3, batch_size=4, augmentation=EVERYTHING,
            context=tf.distribute.InputContext(2, worker, 2),
        )
        for worker in (0, 1)
    ]  # fmt: skip
    for step in range(3):
        for domain in (0, 1):
            for worker in (0, 1):
                np.testing.assert_array_equal(
                    shares[worker][step][domain], whole[step][domain][worker::2]
                )


def test_an_example_can_have_several_pairs():
    pairs = TrainingSlices.choose(A, B, pairs="auto").pairs
    single = drawn(pairs, 12, augmentation=EVERYTHING)
    for step, looks in enumerate(
        drawn(pairs, 2, pairs_per_example=3, batch_size=2, augmentation=EVERYTHING)
    ):
        for domain in (0, 1):
            ones = np.concatenate([look[domain] for look in single[6 * step : 6 * step + 6]])
            np.testing.assert_array_equal(looks[domain], ones)


def test_pairs_change_nothing_that_is_drawn_beside_them():
    """The first tensors of a run's batches are those of a run without pairs, to the bit."""
    model = SimpleNamespace(data_kind="unpaired", learns_from_pairs=True, batch_details={})
    flags = ("--data_dir=-", "--workdir=-", "--match_slice_position=0.3")
    rows = {}
    for pairs in ("auto", "none"):
        config = TrainConfig.parse(*flags, f"--pairs={pairs}")
        trained = TrainingSlices.choose(A, B, pairs=pairs)
        batches = fit._share(config, model, trained, 3, tf.distribute.InputContext())
        rows[pairs] = list(batches.take(4).as_numpy_iterator())
    for with_pairs, without in zip(rows["auto"], rows["none"], strict=True):
        assert (len(with_pairs), len(without)) == (4, 2)
        for mine, other in zip(with_pairs, without, strict=False):
            np.testing.assert_array_equal(mine, other)
        assert (with_pairs[0] != with_pairs[2]).any(), "pairs have streams of their own"
