"""Features of networks that nobody trains, against NumPy and the extractor of the distances."""

import numpy as np
import pytest
import tensorflow as tf
import torch_files
from scipy.signal import correlate

from tfcyclegan.errors import UserError
from tfcyclegan.metrics.extractors.randconv import RandConv
from tfcyclegan.models.networks.fixed_features import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    VGG,
    FixedFeatures,
    feature_network,
)


def vgg_tensors(kind: str) -> dict[str, np.ndarray]:
    """Random weights under the names of torchvision, up to the last layer that counts."""
    rng, tensors, number, incoming = np.random.default_rng(0), {}, 0, 3
    for filters in VGG[kind]:
        if filters == "pool":
            number += 1
            continue
        kernel = rng.normal(size=(filters, incoming, 3, 3)) * np.sqrt(2 / (9 * incoming))
        tensors[f"features.{number}.weight"] = kernel.astype(np.float32)
        tensors[f"features.{number}.bias"] = rng.normal(size=filters).astype(np.float32) / 10
        number, incoming = number + 2, filters
    return tensors


@pytest.fixture
def file(tmp_path, monkeypatch):
    def write(tensors):
        torch_files.write(tmp_path / "vgg.pth", tensors, monkeypatch=monkeypatch, legacy=False)
        return str(tmp_path / "vgg.pth")

    return write


@pytest.mark.parametrize(("kind", "count"), [("vgg16", 260_160), ("vgg19", 12_944_960)])
def test_the_vgg_has_the_parameters_of_its_table(file, kind, count):
    network = feature_network(file(vgg_tensors(kind)), kind)
    assert sum(kernel.size + bias.size for kernel, bias in network.convolutions) == count


def test_the_first_layer_is_numpys(file):
    tensors = vgg_tensors("vgg19")
    image = np.random.default_rng(1).uniform(0, 1, (1, 16, 24, 1)).astype(np.float32)
    made = feature_network(file(tensors), "vgg19").maps(tf.constant(image))[0]
    colour = (image[0] - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_DEVIATION)
    kernel = tensors["features.0.weight"][5]
    summed = sum(correlate(colour[..., c], kernel[c], mode="same") for c in range(3))
    expected = np.maximum(summed + tensors["features.0.bias"][5], 0)
    np.testing.assert_allclose(made[0, ..., 5], expected, atol=1e-4)


def test_what_is_compared_has_the_sizes_and_depths_of_its_layers(file):
    image = tf.zeros([1, 32, 32, 1])
    shapes = [m.shape[1:] for m in feature_network(file(vgg_tensors("vgg19")), "vgg19").maps(image)]
    assert shapes == [(32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512), (2, 2, 512)]
    shapes = [m.shape[1:] for m in feature_network(file(vgg_tensors("vgg16")), "vgg16").maps(image)]
    assert shapes == [(16, 16, 128)]
    assert [m.shape[1:] for m in feature_network("", "vgg16").maps(image)] == [
        (16, 16, 16), (8, 8, 24), (4, 4, 32), (2, 2, 48)
    ]  # fmt: skip


def test_relu2_2_sees_fourteen_pixels(file):
    """The map has half the size, and its pixel 8 sees rows 10 to 23 of the image."""
    network = feature_network(file(vgg_tensors("vgg16")), "vgg16")
    image = np.full((1, 36, 36, 1), 0.5, np.float32)
    at_rest = network.maps(tf.constant(image))[0][0, 8, 8]
    seen = []
    for row in range(36):
        image[0, row, 16] = 1.0
        if np.abs(network.maps(tf.constant(image))[0][0, 8, 8] - at_rest).max() > 1e-5:
            seen.append(row)
        image[0, row, 16] = 0.5
    assert (seen[0], len(seen)) == (10, 14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features.5.weight": np.zeros((128, 64, 1, 1), np.float32)}, "features.5.weight is"),
        ({"features.2.bias": np.zeros(3, np.float32)}, "torchvision's vgg16"),
        ({"features.7.weight": None}, r"features.7.weight .* Received: \(0,\)"),
    ],
)
def test_a_file_of_another_network_is_refused(file, change, message):
    tensors = {k: v for k, v in (vgg_tensors("vgg16") | change).items() if v is not None}
    with pytest.raises(UserError, match=message):
        feature_network(file(tensors), "vgg16").maps(tf.zeros([1, 16, 16, 1]))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="--vgg must name a readable file"):
        _ = feature_network(str(tmp_path / "none.pth"), "vgg16").sha256


def test_random_maps_are_those_of_the_distances():
    images = np.random.default_rng(2).uniform(0, 1, (2, 64, 64, 1)).astype(np.float32)
    layer = FixedFeatures(feature_network("", "vgg16"))
    maps = layer(2.0 * images - 1.0)
    means = np.concatenate([np.mean(m, axis=(1, 2)) for m in maps], axis=1)
    pooled = np.array(RandConv()(tf.constant(images)))
    depths, first, of_extractor = (16, 24, 32, 48), 0, []
    for depth in depths:
        of_extractor.append(pooled[:, first : first + depth])
        first += 2 * depth
    np.testing.assert_allclose(means, np.concatenate(of_extractor, axis=1), rtol=1e-4, atol=1e-6)
    assert layer.network.sha256 == RandConv().sha256


def test_measured_random_maps_have_a_deviation_of_one_and_those_of_vgg_keep_theirs(file):
    images = np.random.default_rng(3).uniform(0, 1, (4, 32, 32, 1)).astype(np.float32)
    layer = FixedFeatures(feature_network("", "vgg16"))
    layer.measure(images)
    for maps in layer(2.0 * images - 1.0):
        np.testing.assert_allclose(np.std(maps), 1.0, rtol=1e-4)
    assert layer.described()["scale"] == [float(s) for s in np.array(layer.scale)]
    vgg = FixedFeatures(feature_network(file(vgg_tensors("vgg16")), "vgg16"))
    before = vgg(2.0 * images - 1.0)[0]
    vgg.measure(images)
    np.testing.assert_array_equal(vgg(2.0 * images - 1.0)[0], before)


def test_a_gradient_reaches_the_image_and_no_weight():
    layer = FixedFeatures(feature_network("", "vgg16"))
    image = tf.Variable(np.random.default_rng(4).uniform(-1, 1, (1, 32, 32, 1)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        total = tf.add_n([tf.reduce_sum(m) for m in layer(image)])
    assert np.abs(tape.gradient(total, image)).max() > 0
    assert layer.trainable_variables == []
