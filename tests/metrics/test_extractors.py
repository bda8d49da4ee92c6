"""The registry, the naming rule, and `randconv_v1` pinned to its weights and to a test image."""

import dataclasses
import hashlib

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tfcyclegan.config.evaluation import EXTRACTORS
from tfcyclegan.errors import UserError
from tfcyclegan.metrics import frechet_distance, kernel_distance
from tfcyclegan.metrics.extractors import (
    FID_WEIGHTS_SHA256,
    extractor_names,
    frechet_name,
    make_extractor,
    randconv,
    register,
    registry,
)
from tfcyclegan.training.distribution.strategies import make_strategy

FEATURE_TOLERANCE = 1e-5
"""Float32 convolutions sum in an order of their own on each processor."""

GOLDEN_SHA256 = "3464afa1a19d68dd866df8f4cb1102d55137448c38a128110ab53470eba8d6a4"
GOLDEN_SUM = 51.35250
GOLDEN_FEATURES = [
    0.1012280,
    0.1184631,
    0.9034042,
    0.4150967,
    0.4536327,
    0.2791305,
    0.1374753,
    0.0301973,
    0.1508848,
    0.0573102,
]


@dataclasses.dataclass(frozen=True)
class Named:
    name: str
    resize: str | None
    sha256: str


@pytest.fixture(scope="module")
def extractor():
    return make_extractor("randconv_v1")


def chirp(height=64, width=64):
    """A test image that needs no file: a chirp down, a cosine across, in [0, 1]."""
    down, across = np.linspace(0, 1, height), np.linspace(0, 1, width)
    image = 0.5 + 0.5 * np.outer(np.sin(20 * down**2), np.cos(9 * across))
    return image.astype(np.float32)[None, ..., None]


def heads(n, seed):
    """Ellipses with soft texture and bright regions, [n, 64, 64, 1] in unit range."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    images = []
    for _ in range(n):
        a, b = rng.uniform(0.7, 0.9, size=2)
        texture, regions = (ndimage.gaussian_filter(rng.normal(size=x.shape), s) for s in (2, 5))
        tissue = 0.5 + 0.08 * texture / texture.std() + 0.3 * (regions > regions.std())
        images.append(((x / a) ** 2 + (y / b) ** 2 < 1) * tissue)
    return np.clip(images, 0, 1)[..., None]


def test_weights_are_pinned(extractor):
    layers = randconv.fixed_weights()
    assert extractor.sha256 == GOLDEN_SHA256
    data = b"".join(array.tobytes() for layer in layers for array in layer)
    assert hashlib.sha256(data).hexdigest() == GOLDEN_SHA256
    assert all(array.dtype == np.float32 for layer in layers for array in layer)
    # He et al. 2015: variance 2 / fan_in. Every second filter of the first layer sums to 0.
    for kernel, _ in layers:
        assert kernel.var() * np.prod(kernel.shape[:3]) == pytest.approx(2, rel=0.1)
    sums = layers[0][0].sum(axis=(0, 1, 2))
    assert np.abs(sums[0::2]).max() < 1e-6
    assert np.abs(sums[1::2]).min() > 1e-3


def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(randconv, "_SHA256", "0" * 64)
    with pytest.raises(RuntimeError, match="expected sha256 000.*Received: 3464"):
        make_extractor("randconv_v1")


def test_golden_of_the_chirp(extractor):
    features = extractor(chirp())
    assert features.shape == (1, 240) == (1, extractor.dimension)
    assert features.dtype == tf.float32
    assert float(tf.reduce_sum(features)) == pytest.approx(GOLDEN_SUM, abs=1e-3)
    np.testing.assert_allclose(features[0, ::24], GOLDEN_FEATURES, atol=FEATURE_TOLERANCE)


@pytest.mark.parametrize("shape", [(64, 64), (45, 32), (33, 70)])
def test_equals_numpy(extractor, shape):
    activations, expected = chirp(*shape)[0].astype(np.float64), []
    for kernel, bias in randconv.fixed_weights():
        side = kernel.shape[0]
        pads = []
        for length in activations.shape[:2]:
            total = max((-(-length // 2) - 1) * 2 + side - length, 0)
            pads.append((total // 2, total - total // 2))
        padded = np.pad(activations, (*pads, (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
        activations = np.einsum("hwcij,ijco->hwo", windows[::2, ::2], kernel.astype(np.float64))
        activations = np.maximum(activations + bias, 0)
        expected += [activations.mean(axis=(0, 1)), activations.std(axis=(0, 1))]
    features = extractor(chirp(*shape))[0]
    np.testing.assert_allclose(features, np.concatenate(expected), atol=FEATURE_TOLERANCE)


def test_graph_batch_and_precision_change_nothing(extractor):
    images = heads(5, seed=0).astype(np.float32)
    expected = extractor(images)
    compiled = tf.function(
        extractor.__call__, input_signature=[tf.TensorSpec([None, None, None, 1], tf.float32)]
    )
    np.testing.assert_allclose(compiled(images), expected, atol=FEATURE_TOLERANCE)
    one_by_one = tf.concat([extractor(image[None]) for image in images], axis=0)
    np.testing.assert_allclose(one_by_one, expected, atol=FEATURE_TOLERANCE)
    assert extractor(images.astype(np.float16)).dtype == tf.float32
    assert make_extractor("randconv_v1")(images).numpy() == pytest.approx(expected.numpy())


def test_idle_replicas_get_empty_features(extractor):
    images = heads(3, seed=0).astype(np.float32)
    for function in (extractor, tf.function(extractor.__call__)):
        assert function(tf.constant(images[:0])).shape == (0, 240)
    strategy = make_strategy("mirrored")
    batches = tf.data.Dataset.from_tensor_slices(images).batch(2)

    @tf.function
    def step(batch):
        return strategy.run(extractor, args=(batch,))

    # Three images in batches of two: the last batch leaves the second replica idle.
    distributed = strategy.experimental_distribute_dataset(batches)
    gathered = [strategy.gather(step(batch), axis=0) for batch in distributed]
    np.testing.assert_allclose(
        tf.concat(gathered, axis=0), extractor(images), atol=FEATURE_TOLERANCE
    )


def test_distance_reacts_to_contrast_texture_and_noise(extractor):
    def features(images):
        return extractor(np.clip(images, 0, 1)).numpy()

    real, same = features(heads(150, seed=1)), heads(150, seed=2)
    floor = frechet_distance(real, features(same)).value
    floor_kernel = abs(kernel_distance(real, features(same)))
    noise = np.random.default_rng(0).normal(size=same.shape)
    degradations = {
        "blur": [ndimage.gaussian_filter(same, (0, s, s, 0)) for s in (0.7, 1.5)],
        "gamma": [same**g for g in (0.9, 0.7)],
        "noise": [same + s * noise for s in (0.1, 0.2)],
    }
    for name, (mild, strong) in degradations.items():
        mild, strong = features(mild), features(strong)
        distances = [frechet_distance(real, fake).value for fake in (mild, strong)]
        assert floor < distances[0] < distances[1], name
        assert distances[1] > 4 * floor, name
        assert kernel_distance(real, strong) > 10 * floor_kernel, name


def test_bad_images_are_refused_or_marked(extractor):
    with pytest.raises(ValueError, match=r"grey images \[N, H, W, 1\]. Received: \(64, 64\)"):
        extractor(np.zeros((64, 64)))
    with pytest.raises(ValueError, match=r"grey images .*\(1, 64, 64, 3\)"):
        extractor(np.zeros((1, 64, 64, 3)))
    with pytest.raises(ValueError, match="sides of at least 32 pixels.*enlarge"):
        extractor(np.zeros((1, 64, 31, 1)))
    images = np.concatenate([chirp(), 2 * chirp() - 1, 255 * chirp(), np.nan * chirp()])
    features = extractor(images).numpy()
    assert np.isnan(features).all(axis=1).tolist() == [False, True, True, True]
    with pytest.raises(ValueError, match="in 3 of 4 rows; extractors answer NaN"):
        frechet_distance(features, features)


def test_only_the_fid_network_is_called_fid(extractor):
    fid = next(iter(FID_WEIGHTS_SHA256))
    assert frechet_name(extractor) == "fd_randconv_v1"
    assert frechet_name(Named("inception_2015", "clean", fid)) == "fid_clean"
    assert frechet_name(Named("inception_2015", "ttur", fid)) == "fid_ttur"
    assert frechet_name(Named("inception_2015", "half_pixel", fid)) == "fid_pytorch"
    keras_weights = Named("keras_inception_v3", "clean", "0" * 64)
    assert frechet_name(keras_weights) == "fd_keras_inception_v3_clean"
    assert frechet_name(Named("fid", "clean", "0" * 64)) != "fid_clean"


def test_every_registered_extractor_is_built_or_says_what_it_needs(tmp_path):
    assert extractor_names() == (
        "efficientnet_lite0_clean",
        "fid_clean",
        "fid_pytorch",
        "fid_ttur",
        "keras_inception_v3_clean",
        "randconv_v1",
    )
    for name in extractor_names():
        try:
            built = make_extractor(name)
        except UserError as error:
            assert "its weights" in str(error)
            continue
        assert frechet_name(built) == f"fd_{name}"
        assert len(bytes.fromhex(built.sha256)) == 32
        features = built(heads(2, seed=0))
        assert features.shape == (2, built.dimension)
        assert features.dtype == tf.float32
    with pytest.raises(UserError, match="randconv_v1 makes its own weights"):
        make_extractor("randconv_v1", tmp_path)


def test_the_flag_knows_every_extractor():
    assert sorted(EXTRACTORS) == list(extractor_names())


def test_registry_names_what_it_knows(monkeypatch):
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    with pytest.raises(ValueError, match="randconv_v1. Received: 'inception'"):
        make_extractor("inception")
    register("other")(lambda weights: Named("other", None, str(weights)))
    assert "other" in extractor_names()
    assert make_extractor("other", "file.npz").sha256 == "file.npz"
    assert make_extractor("other", "").sha256 == "None"
    with pytest.raises(ValueError, match="name of its own. Received: 'other' again"):
        register("other")(lambda weights: None)
