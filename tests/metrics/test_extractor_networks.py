"""The FID network against torch-fidelity's numbers, Keras' Inception, and wrong weight files."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from inception_weights import random_weights

from tfcyclegan.errors import UserError
from tfcyclegan.metrics import extractors
from tfcyclegan.metrics.extractors import frechet_name, inception, make_extractor, weight_files
from tfcyclegan.metrics.extractors.inception import Inception2015
from tfcyclegan.metrics.extractors.resize import clean

RELATIVE = 1e-5
"""Of the largest feature: float32 sums run in another order in each library."""

# torch-fidelity 0.4.0 with PyTorch 2.13.0 on `random_weights(0)` and the chirp, 8 bits, three equal
# channels: FeatureExtractorInceptionV3(..., ["2048", "logits_unbiased"]).
GOLDEN_SUM = 1008.5042588585266
GOLDEN_FEATURES = [0.0, 9.3e-06, 0.3351933, 0.0140746, 0.126891, 0.3012415, 0.1237863, 0.0156764]
GOLDEN_LOGITS = [-0.377917, -0.564594, -0.086271, -0.518491]
GOLDEN_LARGEST = 4.082552909851074


def chirp():
    """A test image that needs no file: a chirp down, a cosine across, [1, 64, 64, 1] in [0, 1]."""
    grid = np.linspace(0, 1, 64)
    image = 0.5 + 0.5 * np.outer(np.sin(20 * grid**2), np.cos(9 * grid))
    return image.astype(np.float32)[None, ..., None]


@pytest.fixture(scope="module")
def weights():
    return random_weights(0)


@pytest.fixture(scope="module")
def network(weights):
    return Inception2015(weights, "0" * 64, "ttur")


def test_fid_network_equals_torch_fidelity(network, weights):
    features = network(chirp())
    assert features.shape == (1, 2048) == (1, network.dimension)
    tolerance = RELATIVE * GOLDEN_LARGEST
    np.testing.assert_allclose(features[0, ::256], GOLDEN_FEATURES, atol=tolerance)
    assert float(tf.reduce_sum(features)) == pytest.approx(GOLDEN_SUM, rel=RELATIVE)
    np.testing.assert_allclose(network.logits(features)[0, ::252], GOLDEN_LOGITS, atol=1e-5)
    # Keras' and torchvision's last block, another scale, or another resize are other features.
    for resize in ("clean", "half_pixel"):
        other = Inception2015(weights, "0" * 64, resize)(chirp())
        assert np.abs(other - features).max() > 100 * tolerance


def test_a_mean_in_the_last_block_is_another_network(network, monkeypatch):
    expected = network(chirp())
    monkeypatch.setattr(inception, "_MAX", inception._MEAN)
    assert np.abs(network(chirp()) - expected).max() > 1e-3


def test_fid_network_takes_batches_as_they_come(network):
    images = np.concatenate([chirp(), 1 - chirp(), 2 * chirp() - 1])
    compiled = tf.function(
        network.__call__, input_signature=[tf.TensorSpec([None, None, None, 1], tf.float32)]
    )
    features = compiled(images)
    assert np.isnan(features).all(axis=1).tolist() == [False, False, True]
    np.testing.assert_allclose(features[:1], network(chirp()), atol=RELATIVE * GOLDEN_LARGEST)
    assert compiled(images[:0]).shape == (0, 2048)
    with pytest.raises(ValueError, match=r"grey images .*\(1, 64, 64, 3\)"):
        network(np.zeros((1, 64, 64, 3)))


def test_only_the_published_file_makes_an_fid(tmp_path, weights, monkeypatch):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"not the weights")
    for name in ("fid_ttur", "fid_clean", "fid_pytorch"):
        with pytest.raises(UserError, match="FID only over the weights of weights-inception-2015"):
            make_extractor(name, path)
        with pytest.raises(UserError, match="needs its weights, weights-inception.*nothing"):
            make_extractor(name)
    # With the sum of this file as the published one, and its reading replaced, the names are A.1's.
    published = frozenset({weight_files.sha256_of(path)})
    for module in (inception, extractors.registry):
        monkeypatch.setattr(module, "FID_WEIGHTS_SHA256", published)
    monkeypatch.setattr(inception, "read_torch", lambda path: weights)
    for name in ("fid_ttur", "fid_clean", "fid_pytorch"):
        assert frechet_name(make_extractor(name, str(path))) == name


def test_efficientnet_refuses_other_weights(tmp_path):
    (tmp_path / "other.pth").write_bytes(b"other")
    with pytest.raises(UserError, match="efficientnet-lite0-57934424.pth, sha256 5793"):
        make_extractor("efficientnet_lite0_clean", tmp_path / "other.pth")


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    """Random weights of Keras' Inception v3 in a file, and the network."""
    keras.utils.set_random_seed(0)
    network = keras.applications.InceptionV3(
        include_top=False, weights=None, pooling="avg", input_shape=(299, 299, 3)
    )
    path = tmp_path_factory.mktemp("keras") / "random.weights.h5"
    network.save_weights(path)
    return path, network


def test_keras_inception_has_the_files_weights_and_an_honest_name(keras_file):
    path, network = keras_file
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        extractor = make_extractor("keras_inception_v3_clean", path)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    features = extractor(chirp())
    images = np.repeat(clean(255 * chirp(), 299), 3, axis=3)
    scaled = keras.applications.inception_v3.preprocess_input(images)
    expected = network(scaled, training=False)
    assert features.dtype == tf.float32
    np.testing.assert_allclose(features, expected, atol=RELATIVE * np.abs(expected).max())
    # Random weights do not pass as the pretrained ones.
    digits = weight_files.sha256_of(path)[:8]
    assert frechet_name(extractor) == f"fd_keras_inception_v3_{digits}_clean"


def test_keras_inception_refuses_other_files(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="needs its weights, inception_v3_weights"):
        make_extractor("keras_inception_v3_clean")
    layers = [keras.layers.Dense(3), keras.layers.Dense(2)]
    other = keras.Sequential([keras.Input((2,)), *layers])
    other.save_weights(tmp_path / "other.weights.h5")
    # A network that takes no time to build; a file without its third layer would leave it random.
    larger = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(4)])
    monkeypatch.setattr(keras.applications, "InceptionV3", lambda **options: larger)
    with pytest.raises(UserError, match="without its top.*Received: a file with other layers"):
        make_extractor("keras_inception_v3_clean", tmp_path / "other.weights.h5")
