"""The painter of label images, against closed forms."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import tiny_model

from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.losses.regional import regional_difference, regional_l1, windows
from tfcyclegan.models.networks.discriminators import build_discriminator
from tfcyclegan.models.networks.painter import build_painter

TINY = (
    *("--model=tumorgan", "--pairs=only", "--image_size=64", "--unet_levels=3"),
    *("--generator_filters=2", "--discriminator_filters=2", "--generator_blocks=9"),
)


def trainable(network) -> int:
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_networks_have_the_parameters_of_their_table():
    common = {"initializer": "normal_0.02", "seed": 0, "name": "n"}
    assert trainable(build_painter(filters=48, levels=5, **common)) == 9_369_266
    for taps in (False, True):
        assert (
            trainable(build_discriminator(filters=32, channels=5, taps=taps, **common)) == 694_817
        )


def region(*boxes) -> np.ndarray:
    made = np.zeros((len(boxes), 16, 16, 1), np.float32)
    for mask, box in zip(made, boxes, strict=True):
        if box:
            top, left, height, width = box
            mask[top : top + height, left : left + width] = 1.0
    return made


def test_an_error_outside_the_region_does_not_count():
    inside = region((2, 3, 5, 4), None)
    error = np.repeat(np.where(inside > 0, 0.5, 9.0), 2, axis=-1).astype(np.float32)
    np.testing.assert_allclose(regional_l1(np.zeros_like(error), error, inside), [0.5, 0.0])
    error[..., 1] = 0.0  # two images: the mean of both
    np.testing.assert_allclose(regional_l1(np.zeros_like(error), error, inside), [0.25, 0.0])


def test_layers_are_compared_inside_the_region_however_small_they_are():
    """Of 8 x 8 pixels a region of the left half is the left half of 4 x 4."""
    inside = np.zeros((1, 8, 8, 1), np.float32)
    inside[:, :, :4] = 1.0
    layers = [np.zeros((1, size, size, 3), np.float32) for size in (8, 4)]
    other = [x.copy() for x in layers]
    other[0][:, :, :4], other[0][:, :, 4:] = 2.0, 50.0
    other[1][:, :, :2], other[1][:, :, 2:] = -1.0, 50.0
    found = regional_difference(*([tf.constant(x) for x in y] for y in (layers, other)), inside)
    np.testing.assert_allclose(found, [3.0])
    none = regional_difference(
        *([tf.constant(x) for x in y] for y in (layers, other)), 0.0 * inside
    )
    np.testing.assert_allclose(none, [0.0])


@pytest.mark.parametrize(
    ("box", "top", "left"),
    [
        ((4, 6, 2, 2), 1, 3),  # centre 4.5 and 6.5 of 16; the window's is 3.5 on
        ((0, 0, 1, 1), 0, 0),
        ((15, 15, 1, 1), 8, 8),
        ((0, 7, 16, 2), 4, 4),
    ],
)
def test_a_window_lies_around_the_centre_of_the_region_and_inside_the_frame(box, top, left):
    places = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1)
    part = windows(tf.constant(places), tf.constant(region(box)), 8).numpy()[0, ..., 0]
    np.testing.assert_array_equal(part, places[0, top : top + 8, left : left + 8, 0])


def labels(lesion: tuple | None) -> tf.Tensor:
    """Label images of two examples, [2, 64, 64, 3]."""
    made = -np.ones((2, 64, 64, 3), np.float32)
    made[:, 8:56, 8:56, 1] = 1.0
    if lesion:
        top, left, side = lesion
        made[:, top : top + side, left : left + side] = (1.0, -1.0, -1.0)
    return tf.constant(made)


def images() -> list[tf.Tensor]:
    rng = np.random.default_rng(0)
    return [tf.constant(rng.uniform(-1, 1, (2, 64, 64, 1)), tf.float32) for _ in range(2)]


def test_a_slice_without_a_lesion_has_no_local_loss():
    model = tiny_model(*TINY)
    logs = model.train_step((*images(), labels(None), labels(None)))
    assert all(np.isfinite(value) for value in logs.values())
    assert logs["discriminator_local_loss"] == logs["perceptual_loss"] == 0.0


def test_every_network_learns_from_a_lesion():
    model = tiny_model(*TINY)
    before = {name: network.get_weights() for name, network in model.networks.items()}
    logs = model.train_step((*images(), labels((20, 20, 8)), labels((30, 12, 8))))
    assert logs["discriminator_local_loss"] > 0 and logs["perceptual_loss"] > 0
    for name, network in model.networks.items():
        assert any((x != y).any() for x, y in zip(network.get_weights(), before[name], strict=True))


def test_errors_in_either_lesion_do_not_count():
    """The slice says nothing of what a foreign lesion should look like, nor of its own there."""
    model = tiny_model(*TINY)
    real = tf.concat(images(), -1)
    both = labels((20, 20, 8)), labels((30, 12, 8))
    fakes = [tf.zeros_like(real), tf.zeros_like(real)]
    plain = model.losses_of(real, both, fakes)["pair_loss"]
    changed = [np.array(fake) for fake in fakes]
    changed[0][:, 20:28, 20:28] = 1.0  # own lesion in the own picture
    changed[1][:, 20:28, 20:28] = changed[1][:, 30:38, 12:20] = 1.0  # both in the other
    changed = [tf.constant(fake) for fake in changed]
    np.testing.assert_allclose(model.losses_of(real, both, changed)["pair_loss"], plain, rtol=1e-6)
    changed[0] = tf.tensor_scatter_nd_update(changed[0], [[0, 30, 12]], [[1.0, 1.0]])
    assert model.losses_of(real, both, changed)["pair_loss"][0] != plain[0]
    inside = np.ones((2, 64, 64, 1), bool)
    inside[:, :8] = inside[:, 56:] = inside[:, :, :8] = inside[:, :, 56:] = False
    own, either = inside.copy(), inside.copy()
    own[:, 20:28, 20:28] = either[:, 20:28, 20:28] = either[:, 30:38, 12:20] = False
    size = np.abs(real.numpy()).mean(-1, keepdims=True)
    expected = [size[i][own[i]].mean() + size[i][either[i]].mean() for i in range(2)]
    np.testing.assert_allclose(plain, expected, rtol=1e-5)


def test_samples_are_the_two_channels_of_what_is_painted():
    model = tiny_model(*TINY, "--ema_decay=0.9")
    label = labels((20, 20, 8))
    painted = model.painter(label, training=False)
    for i, domain in enumerate("ab"):
        made = model.samplers[domain](label, training=False)
        np.testing.assert_array_equal(made[..., 0], painted[..., i])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--pairs=auto",), "tumorgan learns from pairs and nothing else"),
        (("--image_size=32",), "needs an --image_size of at least 64"),
        (("--unet_levels=7",), "--model=tumorgan, need an --image_size that 2"),
        (("--direction=a_to_b",), "--direction means nothing to --model=tumorgan"),
        (("--generator=unet",), "--generator means nothing to --model=tumorgan"),
        (("--pool_size=7",), "--pool_size means nothing to --model=tumorgan"),
        (("--drop_lesions=a",), "--drop_lesions means nothing to --model=tumorgan"),
        (("--keep_air",), "--keep_air means nothing to --model=tumorgan"),
    ],
)
def test_a_flag_that_the_model_has_no_use_for_is_refused_by_name(flags, message):
    with pytest.raises(UserError, match=message):
        TrainConfig.parse("--data_dir=d", "--workdir=w", *TINY, *flags)


@pytest.mark.parametrize("foreign", [(30, 12, 8), (20, 20, 8)])
def test_the_discriminators_are_asked_for_what_the_table_says(foreign):
    """By hand, in least squares: with equal labels no label is wrong."""
    model = tiny_model(*TINY, "--adversarial_loss=lsgan")
    real = tf.concat(images(), -1)
    own, other = labels((20, 20, 8)), labels(foreign)
    fakes = [0.5 * real, -real]
    values, _ = model._taught_discriminators(real, own, other, fakes)

    def squares(network, image, label, target, window=None):
        beside = np.concatenate([image, label], -1)
        if window:
            top, left, _ = window  # the centre of 8 pixels is 3.5 on, that of the window 15.5
            beside = beside[:, top - 12 : top + 20, left - 12 : left + 20]
        scores = network(beside, training=True)
        scores = np.array(scores[0] if isinstance(scores, list) else scores)
        return ((scores - target) ** 2).mean((1, 2, 3))

    main, local = model.discriminator, model.discriminator_local
    expected = squares(main, real, own, 1)
    expected = expected + (squares(main, fakes[0], own, 0) + squares(main, fakes[1], other, 0)) / 2
    if foreign != (20, 20, 8):
        expected = expected + squares(main, real, other, 0) / 2
    np.testing.assert_allclose(values["discriminator_loss"], expected / 2, rtol=1e-4)
    places = (20, 20, 8), foreign
    parts = [squares(local, real, own, 1, places[0])]
    parts += [squares(local, fakes[0], own, 0, places[0]) / 2]
    parts += [squares(local, fakes[1], other, 0, places[1]) / 2]
    np.testing.assert_allclose(values["discriminator_local_loss"], sum(parts) / 2, rtol=1e-4)
