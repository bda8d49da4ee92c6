"""CUT: its loss in closed form, the layers that it taps, its places and its mirrors."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import batch, tiny_model

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.from_flags import generator_of
from tfcyclegan.models.losses.patch_nce import TEMPERATURE, patch_nce
from tfcyclegan.models.networks.generators import build_generator
from tfcyclegan.models.networks.patch_features import (
    build_projector,
    encoder_of,
    patches_of,
    taps_of,
)

TINY = ("--model=cut", "--nce_patches=16", "--nce_width=32", "--nce_layers=1,2,3")
FAST = (*TINY, "--nce_mode=fastcut")


@pytest.fixture(scope="module")
def cut():
    return tiny_model(*TINY)


@pytest.fixture(scope="module")
def fast():
    return tiny_model(*FAST, "--initializer=he_normal")


E = np.eye(2, dtype=np.float64)[None]


@pytest.mark.parametrize(
    ("queries", "keys", "temperature", "expected"),
    [
        (E, E, 1.0, 0.3132739),
        (E[:, ::-1], E, 1.0, 1.3132739),
        (E[:, [0, 0]], E[:, [0, 0]], 1.0, 0.6931555),
        (E, E, TEMPERATURE, 6.24875e-7),
        (E[:, ::-1], E, TEMPERATURE, 14.2857149),
        (E[:, [0, 0]], E[:, [0, 0]], TEMPERATURE, 0.6931472),
    ],
)
def test_the_loss_of_two_patches_is_its_closed_form(queries, keys, temperature, expected):
    found = patch_nce(tf.constant(queries), tf.constant(keys), temperature)
    np.testing.assert_allclose(found, [expected], rtol=1e-6)


def test_patches_that_are_all_alike_cannot_be_told_apart():
    same = tf.ones([1, 256, 4]) / 2.0
    np.testing.assert_allclose(patch_nce(same, same), [np.log(256)], rtol=1e-6)


def test_no_gradient_goes_to_the_keys_and_no_image_sees_another():
    rng = np.random.default_rng(0)
    q, k = (tf.constant(rng.normal(size=(2, 5, 3))) for _ in range(2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([q, k])
        first = patch_nce(q, k)[0]
    assert tape.gradient(first, k) is None
    assert np.abs(tape.gradient(first, q)[0]).max() > 0 == np.abs(tape.gradient(first, q)[1]).max()


def test_the_taps_see_as_far_as_the_specification_says(monkeypatch):
    """Without the norm, through which every pixel sees every other."""
    for module in ("residual", "layers"):
        name = f"tfcyclegan.models.networks.{module}.instance_normalized"
        monkeypatch.setattr(name, lambda images, *_: images)
    generator = build_generator(
        kind="curves", filters=2, blocks=6, initializer="he_normal", seed=0, name="g"
    )
    assert [tap.shape[-1] for tap in taps_of(generator)] == [1, 4, 8, 8, 8]
    encoder = encoder_of(generator, (0, 1, 2, 3, 4))
    image = np.random.default_rng(0).uniform(0.2, 1, (1, 16, 144, 1)).astype(np.float32)
    moved = np.repeat(image, 144, axis=0)
    moved[range(144), :, range(144)] += 1.0
    fields = []
    for before, after in zip(encoder(image), encoder(moved), strict=True):
        row, centre = before.shape[1] // 2, before.shape[2] // 2
        # Rounding differs with the size of a batch.
        differs = np.abs(after[:, row, centre] - before[:, row, centre]).max(axis=-1) > 1e-4
        columns = np.flatnonzero(differs)
        fields.append(int(columns.max() - columns.min() + 1))
    assert fields == [1, 9, 13, 29, 93]


@pytest.mark.parametrize(("kind", "channels"), [("unet_small", [1, 8, 16, 32, 32])])
def test_a_unet_is_tapped_where_it_halves_the_image(kind, channels):
    generator = build_generator(
        kind=kind, filters=4, blocks=1, initializer="he_normal", seed=0, name="g"
    )
    assert [tap.shape[-1] for tap in taps_of(generator)] == channels
    with pytest.raises(ValueError, match=r"numbers from 0 to 4. Received: \(5,\)"):
        encoder_of(generator, (5,))


def test_the_projectors_have_the_parameters_of_their_table():
    generator = build_generator(
        kind="resnet", filters=64, blocks=9, initializer="normal_0.02", seed=0, name="g"
    )
    projector = build_projector(
        encoder_of(generator, (0, 1, 2, 3, 4)), width=256, initializer="normal_0.02", seed=0,
        name="p",
    )  # fmt: skip
    assert projector.count_params() == 559_872


def test_places_are_drawn_without_replacement_and_the_same_in_every_image():
    maps = tf.reshape(tf.range(2 * 5 * 7 * 3), [2, 5, 7, 3])
    drawn = patches_of(maps, 20, tf.constant([1, 2], tf.int64)).numpy()
    assert drawn.shape == (2, 20, 3)
    assert len(np.unique(drawn[0, :, 0])) == 20
    np.testing.assert_array_equal(drawn[1] - drawn[0], 5 * 7 * 3)
    other = patches_of(maps, 20, tf.constant([1, 3], tf.int64)).numpy()
    assert (other != drawn).any()
    everything = patches_of(maps, 99, tf.constant([1, 2], tf.int64)).numpy()
    np.testing.assert_array_equal(np.sort(everything[0, :, 0]), np.arange(0, 105, 3))


def test_features_have_unit_length_and_an_image_is_compared_with_itself_by_its_gram_matrix(cut):
    a, _ = batch()
    features = cut.features["a_to_b"]
    maps = features.maps(a)
    seed = tf.constant([0, 0], tf.int64)
    expected = []
    for mine in features.at_places(maps, 10_000, seed):
        unit = mine.numpy().astype(np.float64)
        np.testing.assert_allclose(np.linalg.norm(unit, axis=-1), 1.0, rtol=1e-5)
        gram = unit @ unit.transpose(0, 2, 1) / TEMPERATURE
        expected.append(np.mean(np.log(np.exp(gram - gram.max()).sum(-1)) + gram.max()
                                - np.einsum("nii->ni", gram), -1))  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut, "patches", 10_000)
        found = cut.contrast("a_to_b", a, a)
    np.testing.assert_allclose(found, np.mean(expected, 0), rtol=1e-4)


def test_all_places_make_one_loss_in_any_order(cut):
    a, b = batch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut, "patches", 10_000)
        patch.setattr(cut, "seed", 0)
        one = cut.contrast("a_to_b", a, b)
        patch.setattr(cut, "seed", 1)
        other = cut.contrast("a_to_b", a, b)
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_another_image_of_the_batch_changes_nothing(cut):
    a, b = batch()
    alone = cut.contrast("a_to_b", a[:1], b[:1])
    np.testing.assert_allclose(cut.contrast("a_to_b", a, b)[0], alone[0], rtol=1e-5)


def test_the_total_is_the_adversarial_loss_and_the_mean_of_both_contrasts(cut):
    data = batch()
    fakes = cut.translate(data)
    values, _ = cut.losses_of(data, fakes)
    total = 0.0
    for way, direction in (("ab", "a_to_b"), ("ba", "b_to_a")):
        nce = (values[f"nce_{way}_loss"] + values[f"nce_identity_{way}_loss"]) / 2
        total += values[f"generator_{way}_loss"] + nce
        source = data[0 if way == "ab" else 1]
        target = data[1 if way == "ab" else 0]
        identity = cut.contrast(direction, target, cut.generators[direction](target))
        np.testing.assert_allclose(values[f"nce_identity_{way}_loss"], identity, rtol=1e-4)
        nce = cut.contrast(direction, source, fakes[direction])
        np.testing.assert_allclose(values[f"nce_{way}_loss"], nce, rtol=1e-4)
    np.testing.assert_allclose(values["loss"], total, rtol=1e-5)


def test_fastcut_weighs_ten_times_and_has_no_identity(fast):
    data = batch()
    values, _ = fast.losses_of(data, fast.translate(data))
    assert not any("identity" in name for name in values)
    ways = ("ab", "ba")
    total = sum(values[f"generator_{w}_loss"] + 10.0 * values[f"nce_{w}_loss"] for w in ways)
    np.testing.assert_allclose(values["loss"], total, rtol=1e-5)
    assert tiny_model(*FAST, "--nce_weight=3").nce_weight == 3.0


@pytest.mark.parametrize("drawn", [True, False])
def test_fastcut_compares_a_mirrored_translation_with_its_source_as_it_was(fast, drawn):
    """A generator that does nothing commutes with the mirror: what is compared are the pixels."""
    a, _ = batch()
    step = next(
        n for n in range(50)
        if bool(tf.random.stateless_uniform([], [1000213, n]) < 0.5) is drawn
    )  # fmt: skip
    fast.optimizer.iterations.assign(step)
    try:
        given = tf.reverse(a, [2]) if drawn else a
        np.testing.assert_array_equal(fast._mirrored(a), given)
        seen = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fast, "own", {"a_to_b": type("Own", (), {
                "generator": staticmethod(lambda images, **_: seen.append(images) or images),
            })})  # fmt: skip
            made = fast.translate((a, a))["a_to_b"]
            np.testing.assert_array_equal(made, given)
            # The image itself as the only tap: a mirrored query lies on its key again.
            features = fast.features["a_to_b"]
            patch.setattr(features, "maps", lambda images: [images])
            kept = {}
            patch.setattr(
                features,
                "at_places",
                lambda maps, *_: [kept.setdefault(len(kept), maps[0])[..., 0]],
            )
            fast.contrast("a_to_b", a, made)
        np.testing.assert_array_equal(kept[0], kept[1])
    finally:
        fast.optimizer.iterations.assign(0)


def test_every_step_draws_other_places_and_mirrors(fast):
    a, _ = batch()
    found = []
    for step in range(12):
        fast.optimizer.iterations.assign(step)
        found.append((fast._seed(0).numpy().tolist(), bool((fast._mirrored(a) == a).numpy().all())))
    fast.optimizer.iterations.assign(0)
    assert len({str(seed) for seed, _ in found}) == 12
    assert 2 <= sum(kept for _, kept in found) <= 10


def test_the_projectors_learn_with_the_generators(cut):
    taught = {id(v) for v in cut.generator_variables}
    helpers = [v for helper in cut.helpers.values() for v in helper.trainable_variables]
    # Two layers with their biases for each of three taps, and each direction.
    assert len(helpers) == 2 * 3 * 4 and {id(v) for v in helpers} < taught
    data = batch()
    with tf.GradientTape() as tape:
        values, _ = cut.losses_of(data, cut.translate(data))
    gradients = tape.gradient(values["loss"], helpers)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients[:1])
    assert None not in gradients


def test_parts_are_the_whole_batch():
    logs = [
        tiny_model(*FAST, "--batch_size=2", f"--accumulate_steps={parts}", "--pool_size=0")
        .train_step(batch())
        for parts in (1, 2)
    ]  # fmt: skip
    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=1e-3, err_msg=name)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--pairs=auto",), "cut learns from no pairs: give --pairs=none"),
        (("--cycle_weight=5",), "--cycle_weight means nothing to --model=cut"),
        (("--identity_weight=1",), "--identity_weight means nothing"),
        (("--r1_weight=1",), "--r1_weight means nothing"),
        (("--smoothness_weight=1",), "--smoothness_weight means nothing to --model=cut"),
        (("--nce_layers=1,x",), "--nce_layers is a list of different numbers"),
        (("--nce_layers=",), "--nce_layers is a list of different numbers"),
        (("--model=cyclegan",), "--nce_width means nothing to --model=cyclegan"),
    ],
)
def test_a_flag_that_the_model_has_no_use_for_is_refused_by_name(flags, message):
    words = [word for word in TINY if "nce_layers" not in word or "layers" not in str(flags)]
    with pytest.raises(UserError, match=message):
        TrainConfig.parse("--data_dir=d", "--workdir=w", "--image_size=32", *words, *flags)


@pytest.mark.parametrize(
    ("flags", "last"),
    [
        (("--generator=resnet", "--generator_blocks=1"), 3),
        (("--generator=curves", "--generator_blocks=2"), 4),
        (("--generator=resnet_resize", "--generator_blocks=9"), 4),
        (("--generator=unet",), 5),
        (("--generator=unet_small",), 4),
        (("--generator=unet_deep", "--unet_levels=3"), 3),
    ],
)
def test_layers_that_the_generator_does_not_have_are_refused_by_their_flag(flags, last):
    def config(layers):
        return TrainConfig.parse(
            *("--data_dir=-", "--workdir=-", "--model=cut", "--image_size=64"),
            *("--generator_filters=2", *flags, f"--nce_layers={layers}"),
        )

    generator = generator_of(config("1"), seed=0, name="g")
    assert len(taps_of(generator)) == last + 1
    assert config(last).nce_layers
    for wrong in (last + 1, "1,1"):
        with pytest.raises(UserError, match="--nce_layers is a list of different numbers"):
            config(wrong)
