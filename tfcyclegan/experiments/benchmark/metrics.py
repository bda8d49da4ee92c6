"""How long the metrics take, beside what others call for the same numbers, in one run."""

import os
import time

import numpy as np
import scipy.linalg
import tensorflow as tf

from tfcyclegan import metrics
from tfcyclegan.config import BenchmarkConfig

SLICES = {"660": 660, "5000": 5000}
"""Features a side: the paper's number of slices, and where covariances begin to have full rank."""
PAIRS = 16
"""Slices that SSIM compares at a time."""


def measure(settings: BenchmarkConfig) -> dict:
    """Times Fréchet distances of `--dimension` features and SSIM of slices of `--size`.

    Others form the matrix root of the product of two covariances: `scipy.linalg.sqrtm`.
    """
    figures = {"dimension": settings.dimension, "size": settings.size}
    for name, n in SLICES.items():
        figures |= {f"{key}_{name}": value for key, value in frechet(n, settings).items()}
    return figures | similarity(settings) | {"cores": len(os.sched_getaffinity(0))}


def frechet(n: int, settings: BenchmarkConfig) -> dict:
    """Returns seconds and distance from features, from cached statistics, and by `sqrtm`."""
    real, fake = (_features(n, settings.dimension, seed) for seed in (0, 1))
    (mean1, covariance1), (mean2, covariance2) = (
        (x.mean(axis=0), np.cov(x.T)) for x in (real, fake)
    )
    root1 = metrics.covariance_root(covariance1)
    sqrtm_seconds, sqrtm_value = _timed(
        lambda: _by_sqrtm(mean1, covariance1, mean2, covariance2), 1
    )
    seconds, distance = _timed(lambda: metrics.frechet_distance(real, fake), settings.steps)
    cached_seconds, cached_distance = _timed(
        lambda: metrics.frechet_distance_from_statistics(
            mean1, covariance1, mean2, covariance2, root1=root1
        ),
        settings.steps,
    )
    return {
        "sqrtm_seconds": round(sqrtm_seconds, 3),
        "frechet_seconds": round(seconds, 4),
        "frechet_cached_seconds": round(cached_seconds, 4),
        "times_faster": round(sqrtm_seconds / seconds, 1),
        "times_faster_cached": round(sqrtm_seconds / cached_seconds, 1),
        "relative_difference": float(f"{abs(distance.value / sqrtm_value - 1):.2g}"),
        "relative_difference_cached": float(f"{abs(cached_distance.value / sqrtm_value - 1):.2g}"),
    }


def similarity(settings: BenchmarkConfig) -> dict:
    """Returns seconds per slice of SSIM in a graph, ours and TensorFlow's."""
    rng = np.random.default_rng(0)
    a = rng.random((PAIRS, settings.size, settings.size, 1)).astype(np.float32)
    b = np.clip(a + 0.1 * rng.standard_normal(a.shape), 0, 1).astype(np.float32)
    a, b = tf.constant(a), tf.constant(b)
    ours = tf.function(lambda a, b: metrics.ssim_graph(a, b, data_range=1.0))
    theirs = tf.function(lambda a, b: tf.image.ssim(a, b, 1.0))
    difference = float(tf.reduce_max(tf.abs(ours(a, b) - theirs(a, b))))
    seconds = [_timed(lambda f=f: f(a, b).numpy(), settings.steps)[0] for f in (ours, theirs)]
    return {
        "ssim_seconds": round(seconds[0] / PAIRS, 5),
        "ssim_tensorflow_seconds": round(seconds[1] / PAIRS, 5),
        "ssim_times_faster": round(seconds[1] / seconds[0], 2),
        "ssim_difference": float(f"{difference:.2g}"),
    }


def _features(n: int, dimension: int, seed: int) -> np.ndarray:
    """Returns features as of a network that ends in a rectifier, with a spectrum of k^-1/2."""
    rng = np.random.default_rng(seed)
    return np.maximum(
        0.3 + np.arange(1, dimension + 1) ** -0.5 * rng.normal(size=(n, dimension)), 0
    )


def _by_sqrtm(mean1, covariance1, mean2, covariance2) -> float:
    """Returns the distance as TTUR and pytorch-fid compute it."""
    root = scipy.linalg.sqrtm(covariance1 @ covariance2)
    traces = np.trace(covariance1) + np.trace(covariance2) - 2 * np.trace(root).real
    return float(np.sum((mean1 - mean2) ** 2) + traces)


def _timed(action, repeats: int):
    """Returns the shortest time and the result."""
    times, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = action()
        times.append(time.perf_counter() - start)
    return min(times), result
